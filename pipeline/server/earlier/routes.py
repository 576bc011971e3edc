"""Projects, characters and jobs over HTTP, by the paths that the earlier system had.

Owns those paths and what each does. Reads the board in the event loop that changes it; writes only
through the clerk.
"""

from collections.abc import Collection, Iterable

import msgspec
from msgspec import UNSET, Struct
from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute

from pipeline.core import events as e
from pipeline.core import manifest as m
from pipeline.core.keys import character_key, slug
from pipeline.core.state import ProjectState, State
from pipeline.server import body
from pipeline.server.board import Board
from pipeline.server.catalogue import Catalogue
from pipeline.server.earlier import names, places, shapes, views
from pipeline.server.earlier.clerk import Clerk
from pipeline.server.earlier.ids import Ids
from pipeline.server.earlier.jobs import Jobs
from pipeline.server.earlier.told import told
from pipeline.server.moment import Moment
from pipeline.server.pulse import Pulse
from pipeline.server.refusal import Refused


class Earlier:
    """What answers these paths, over one board."""

    def __init__(
        self, board: Board, moment: Moment, *, patience: float, also: Collection[str] = ()
    ) -> None:
        self._board = board
        self._ids = Ids(board.state, board.key)
        self._pulse = Pulse()
        self._clerk = Clerk(board, moment, self._pulse, patience=patience)
        self._jobs = Jobs(board, moment, self._ids, self._clerk, self._pulse, also=also)

    def heard(self, event: e.Event) -> None:
        """A fact is on disk, and on the board."""
        self._ids.heard(event)
        self._pulse.beat()

    def moved(self) -> None:
        """What the workers do is different now."""
        self._pulse.beat()

    def routes(self) -> Iterable[BaseRoute]:
        """Every path of the earlier interface but `/health`, which is not its alone."""
        return (
            Route("/api/anime/projects", self.projects, methods=["GET"]),
            Route("/api/anime/projects", self.make_project, methods=["POST"]),
            Route("/api/anime/projects/{id}", self.project, methods=["GET"]),
            Route("/api/anime/projects/{id}", self.change_project, methods=["PUT"]),
            Route("/api/anime/characters", self.make_character, methods=["POST"]),
            Route("/api/anime/characters/{id}", self.character, methods=["GET"]),
            Route("/api/anime/characters/{id}/bible", self.bible, methods=["GET"]),
            Route("/generate", self._jobs.generate, methods=["POST"]),
            Route("/jobs/{id}", self._jobs.job, methods=["GET"]),
            WebSocketRoute("/ws/{id}", self._jobs.follow),
        )

    @property
    def _state(self) -> State:
        return self._board.state

    @property
    def _known(self) -> Catalogue:
        return self._board.catalogue

    async def projects(self, request: Request) -> Response:
        """All projects, whoever made them."""
        return told(views.projects(self._state, self._known))

    async def project(self, request: Request) -> Response:
        """A project."""
        return told(views.project(self._state, self._known, self._project(request)))

    async def make_project(self, request: Request) -> Response:
        """Make a project. One that is there already and says the same is answered as it is."""
        asked = await body.read(request, shapes.ProjectAsked)
        key = slug(asked.name)
        async with self._clerk.turn:
            known = self._state.projects.get(key)
            id_ = known.spec.id if known is not None else self._ids.free("project", key)
            spec = m.Project(
                name=asked.name,
                description=asked.description or "",
                style=names.said(asked.style),
                metadata=asked.metadata or {},
                id=id_,
            )
            if known is None:
                file = places.project_file(id_ or "")
                names.style(self._state, file, key, spec)
                await self._clerk.make(file, spec, key)
            elif not _same(known.spec, spec):
                raise _taken("project", key, known.file)
        return told(views.project(self._state, self._known, self._state.projects[key]))

    async def change_project(self, request: Request) -> Response:
        """Change a project that was made over HTTP and that nobody has changed by hand."""
        asked = await body.read(request, shapes.ProjectChanged)
        async with self._clerk.turn:
            one = self._project(request)
            spec = _changed(one, asked)
            key = slug(spec.name)
            there = self._state.projects.get(key)
            if there is not None and there.key != one.key:
                raise _taken("project", key, there.file)
            names.style(self._state, one.file, one.key, spec)
            await self._clerk.change(one.file, spec, key, known=one.spec)
        return told(views.project(self._state, self._known, self._state.projects[key]))

    async def make_character(self, request: Request) -> Response:
        """Make a character. One that is there already and says the same is answered as it is."""
        asked = await body.read(request, shapes.CharacterAsked)
        async with self._clerk.turn:
            owner = names.project(self._state, self._ids, asked.project_id, status=422)
            place = places.home(self._state, owner)
            key = character_key(owner.key, asked.name)
            known = self._state.characters.get(key)
            id_ = known.spec.id if known is not None else self._ids.free("character", key)
            spec = m.Character(
                name=asked.name,
                project=place.named,
                description=asked.description or "",
                appearance=asked.appearance,
                personality=asked.personality or "",
                backstory=asked.backstory or "",
                relationships=asked.relationships or {},
                reference_prompts=asked.reference_prompts or (),
                id=id_,
            )
            if known is None:
                file = f"{place.folder}characters/{id_}.yaml"
                await self._clerk.make(file, spec, key)
            elif not _same(known.spec, spec):
                raise _taken("character", key, known.file)
        return told(views.character(self._state, self._known, self._state.characters[key]))

    async def character(self, request: Request) -> Response:
        """A character."""
        found = names.character(self._state, self._ids, request.path_params["id"], status=404)
        return told(views.character(self._state, self._known, found))

    async def bible(self, request: Request) -> Response:
        """A character's bible."""
        found = names.character(self._state, self._ids, request.path_params["id"], status=404)
        return told(views.bible(self._known, found))

    def _project(self, request: Request) -> ProjectState:
        return names.project(self._state, self._ids, request.path_params["id"], status=404)


def _changed(one: ProjectState, asked: shapes.ProjectChanged) -> m.Project:
    """A project's manifest with what is to be different."""
    spec = one.spec
    if asked.name is not UNSET:
        spec = replace(spec, name=asked.name)
    if asked.description is not UNSET:
        spec = replace(spec, description=asked.description or "")
    if asked.style is not UNSET:
        spec = replace(spec, style=names.said(asked.style))
    if asked.metadata is not UNSET:
        spec = replace(spec, metadata=asked.metadata or {})
    return spec


def _same(one: Struct, other: Struct) -> bool:
    """Whether two manifests say the same, also in the order of what they list."""
    return msgspec.json.encode(one) == msgspec.json.encode(other)


def _taken(kind: str, key: str, file: str) -> Refused:
    return Refused(
        409, f"the {kind} {key!r} is already declared by {file}: take another name", file=file
    )
