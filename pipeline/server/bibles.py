"""What projects and characters say in whole: the bible, for who opens one.

Owns the shape of these two answers. The page's snapshot has only what it lists of them.
"""

from msgspec import Struct

from pipeline.core.manifest import Character, Project, split_tags
from pipeline.core.state import State
from pipeline.server.view import character_view, project_view


class CharacterBible(Struct, frozen=True, kw_only=True):
    """A character's manifest in whole; wardrobes are split into tags."""

    id: str
    key: str
    file: str
    spec: Character
    expression: tuple[str, ...]
    negative: tuple[str, ...]
    trigger: tuple[str, ...]
    outfits: dict[str, tuple[str, ...]]
    expressions: dict[str, tuple[str, ...]]


class ProjectBible(Struct, frozen=True, kw_only=True):
    """A project's manifest in whole."""

    id: str
    key: str
    file: str
    spec: Project


def character(state: State, name: str) -> CharacterBible | None:
    """The character of that public id, if it is in force."""
    for key, known in state.characters.items():
        if character_view(known).id == name:
            spec = known.spec
            return CharacterBible(
                id=name, key=key, file=known.file, spec=spec,
                expression=split_tags(spec.expression), negative=split_tags(spec.negative),
                trigger=split_tags(spec.trigger),
                outfits={word: split_tags(tags) for word, tags in spec.outfits.items()},
                expressions={word: split_tags(tags) for word, tags in spec.expressions.items()},
            )  # fmt: skip
    return None


def project(state: State, name: str) -> ProjectBible | None:
    """The project of that public id, if it is in force."""
    for key, known in state.projects.items():
        if project_view(known).id == name:
            return ProjectBible(id=name, key=key, file=known.file, spec=known.spec)
    return None
