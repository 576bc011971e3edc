"""What a YAML text says, as values that remember where they stood.

Owns the shapes that the reader makes and the judge reads. Never knows what a manifest is.
"""

from __future__ import annotations

from msgspec import Struct


class Mark(Struct, frozen=True, order=True):
    """A place in a text; both count from 1, in code points."""

    line: int
    column: int


class Finding(Struct, frozen=True, kw_only=True):
    """Something wrong at a place in the text at hand."""

    mark: Mark
    message: str
    hint: str = ""


class Scalar(Struct, frozen=True, kw_only=True):
    """A single value; `text` is how it is written, without quotes."""

    mark: Mark
    value: str | int | float | bool | None
    text: str


class Sequence(Struct, frozen=True, kw_only=True):
    """A list."""

    mark: Mark
    items: tuple[Node, ...]


class Entry(Struct, frozen=True, kw_only=True):
    """A key of a mapping: where the key stands, and its value."""

    mark: Mark
    node: Node


class Mapping(Struct, frozen=True, kw_only=True):
    """A mapping; a key is always text, as it is written: `1:` has the key "1"."""

    mark: Mark
    entries: dict[str, Entry]


Node = Scalar | Sequence | Mapping
Path = tuple[str | int, ...]
"""From the root of a document: keys, and indices from 0."""


class Tree(Struct, frozen=True, kw_only=True):
    """One document, and what is wrong with its YAML alone (a duplicate key, an unknown tag)."""

    root: Node
    findings: tuple[Finding, ...] = ()


class Text(Struct, frozen=True, kw_only=True):
    """All of a file: the documents that hold something, and its lines.

    `broken` says why reading stopped; the documents before that place are there nevertheless.
    """

    documents: tuple[Tree, ...] = ()
    lines: tuple[str, ...] = ()
    broken: Finding | None = None


def find(root: Node, path: Path) -> Mark:
    """Where the value at `path` stands; as much of the path as is there decides."""
    node = root
    for step in path:
        match node:
            case Mapping(entries=entries) if step in entries:
                node = entries[str(step)].node
            case Sequence(items=items) if isinstance(step, int) and step < len(items):
                node = items[step]
            case _:
                break
    return node.mark
