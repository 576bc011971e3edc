"""Where a new manifest belongs: the project that is asked for, or that its characters live in.

Owns the choice of project and folder, and what is said where there is none. Never writes.
"""

import re
from collections.abc import Iterable, Sequence

from msgspec import Struct

from pipeline.core.keys import character_key, folder_of, slug
from pipeline.core.state import State
from pipeline.errors import AnimeError
from pipeline.inbox.nearest import nearest


class CannotPlace(AnimeError):
    """A project or a character that is named is not there, or more than one could be meant."""


class Place(Struct, frozen=True, kw_only=True):
    """Where a manifest goes: `project` is the key of the one it belongs to, if any, and `folder`
    has a slash behind it, or is '' for the inbox itself. `named` is the project's name where the
    folder alone does not make the manifest the project's."""

    project: str | None
    folder: str = ""
    named: str | None = None


def place_of(state: State, project: str | None, cast: Sequence[str] = ()) -> Place:
    """The place of a manifest of this project, or of the inbox's own, with these characters.

    Raises:
        CannotPlace: there is no such project, or it does not know one of the characters.
    """
    place = Place(project=state.folders.get(""))
    if project is not None:
        found = state.projects.get(slug(project))
        if found is None:
            known = [one.spec.name for one in state.projects.values()]
            way = f"anime new project {_shell(project)}"
            raise _unknown(f"project {project!r} in this inbox", project, known, way)
        owned = [folder for folder, key in state.folders.items() if key == found.key]
        folder = owned[0] if owned else folder_of(found.file)
        place = Place(
            project=found.key,
            folder=f"{folder}/" if folder else "",
            named=None if owned else found.spec.name,
        )
    for name in cast:
        if not _visible(state, place.project, name):
            raise _stranger(state, place.project, name)
    return place


def home_of(state: State, cast: Sequence[str]) -> Place:
    """The place of a manifest with these characters: the inbox's own, if it knows them all, else
    the one project that does.

    Raises:
        CannotPlace: a character is nowhere, or no project or several have them all.
    """
    own = state.folders.get("")
    strangers = [name for name in cast if not _visible(state, own, name)]
    homes = [_homes(state, name) for name in strangers]
    for name, home in zip(strangers, homes, strict=True):
        if not home:
            raise _stranger(state, None, name)
    if not homes:
        return place_of(state, None)
    shared = sorted(set.intersection(*homes))
    if len(shared) == 1:
        return place_of(state, shared[0], cast)
    if shared:
        are = "is" if len(strangers) == 1 else "are"
        raise CannotPlace(
            f"{' and '.join(strangers)} {are} in {' and in '.join(shared)}",
            f"say which is meant: --project {shared[0]}",
        )
    raise CannotPlace(
        f"no project has all of {', '.join(strangers)}",
        f"name them with their project: --character {min(homes[0])}/{slug(strangers[0])}",
    )


def _visible(state: State, project: str | None, name: str) -> bool:
    """Whether a job of this project may name the character so."""
    if "/" in name:
        return "/".join(map(slug, name.split("/"))) in state.characters
    return character_key(project, name) in state.characters or slug(name) in state.characters


def _homes(state: State, name: str) -> set[str]:
    """The projects with a character of this name."""
    keys = (key.rpartition("/") for key in state.characters)
    return {project for project, _, key in keys if project and key == slug(name)}


def _stranger(state: State, project: str | None, name: str) -> CannotPlace:
    """The error for a character that a job of this project, or of any, does not know."""
    homes = sorted(_homes(state, name))
    if homes:
        return CannotPlace(
            f"{name} is in {' and in '.join(homes)}, not in {project}",
            f"name them with their project: --character {homes[0]}/{slug(name)}",
        )
    if "/" in name:
        known = list(state.characters)
    else:
        known = [
            bible.spec.name
            for key, bible in state.characters.items()
            if project is None or key.rpartition("/")[0] in ("", project)
        ]
    where = f"in the project {project!r}" if project else "in this inbox"
    own, _, short = name.rpartition("/")
    own = own or project or ""
    way = f"anime new character {_shell(short)}" + (f" --project {_shell(own)}" if own else "")
    return _unknown(f"character {name!r} {where}", name, known, way)


def _unknown(what: str, name: str, known: Iterable[str], way: str) -> CannotPlace:
    """The error for what is not there: the nearest known one, never the word itself, or how to
    make it."""
    near = [one for one in nearest(name, known) if slug(one) != slug(name)]
    hint = f"did you mean {near[0]}?" if near else f"make it first: {way}"
    return CannotPlace(f"there is no {what}", hint)


def _shell(name: str) -> str:
    return name if re.fullmatch(r"[\w-]+", name) else f"'{name}'"
