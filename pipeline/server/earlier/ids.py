"""By what id the HTTP interface speaks of what: projects, characters and jobs, whoever made them.

Owns the table from id to key, but for jobs, of which there may be very many: theirs is
`pipeline.server.finder`'s. An id is made of kind and key, or stands in the manifest; of two that
have the same the first one keeps it. Never decides anything.
"""

from collections.abc import Callable
from typing import Literal

from pipeline.core import events as e
from pipeline.core.digest import id_of, public_id
from pipeline.core.state import State

Kind = Literal["project", "character", "job"]


class Ids:
    """The ids of all there is; a withdrawn job keeps its id, as it may still have pictures. `job`
    has the key of a job by its id."""

    def __init__(self, state: State, job: Callable[[str], str | None]) -> None:
        self._job = job
        self._keys: dict[tuple[Kind, str], str] = {}
        self._ids: dict[tuple[Kind, str], str] = {}
        for project in state.projects.values():
            self._learn("project", project.key, project.spec.id)
        for bible in state.characters.values():
            self._learn("character", bible.key, bible.spec.id)

    def heard(self, event: e.Event) -> None:
        """A fact is on disk."""
        match event:
            case e.ProjectDeclared(key=key, spec=spec):
                self._learn("project", key, spec.id)
            case e.CharacterDeclared(key=key, spec=bible):
                self._learn("character", key, bible.id)
            case e.ProjectWithdrawn(key=key):
                self._forget("project", key)
            case e.CharacterWithdrawn(key=key):
                self._forget("character", key)
            case _:
                pass

    def key(self, kind: Kind, id_: str) -> str | None:
        """The key behind an id."""
        return self._job(id_) if kind == "job" else self._keys.get((kind, id_))

    def free(self, kind: Literal["project", "character"], key: str) -> str:
        """The id for something new of that key: the one made of it, unless something that was
        renamed still has that."""
        count, found = 1, public_id(kind, key)
        while self._keys.get((kind, found), key) != key:
            count += 1
            found = public_id(kind, f"{key}~{count}")
        return found

    def _learn(self, kind: Kind, key: str, own: str | None) -> None:
        self._forget(kind, key)
        found = id_of(kind, key, own)
        if self._keys.setdefault((kind, found), key) == key:
            self._ids[kind, key] = found

    def _forget(self, kind: Kind, key: str) -> None:
        known = self._ids.pop((kind, key), None)
        if known is not None:
            del self._keys[kind, known]
