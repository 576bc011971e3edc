"""A mapping against the fields it may have: unknown, misspelt and missing ones, and its kind.

Owns what is said of fields; what is said of their values is `pipeline.inbox.judge`'s.
"""

import enum
from collections.abc import Callable
from collections.abc import Mapping as Words
from typing import Any, Protocol

from msgspec import inspect, structs

from pipeline.inbox import say
from pipeline.inbox.elsewhere import known_as
from pipeline.inbox.nearest import nearest
from pipeline.inbox.tree import Entry, Mapping, Mark, Node, Path, Scalar


class Bad(enum.Enum):
    """Stands for a value that has a finding, so that it is left out of what is built."""

    BAD = enum.auto()


BAD = Bad.BAD


class Walker(Protocol):
    """What walks the values: `pipeline.inbox.judge.Judge`."""

    needed: Words[str, str]
    kinds: Words[str, inspect.StructType]

    @property
    def full(self) -> bool: ...

    def walk(self, node: Node, type_: inspect.Type, path: Path) -> Any: ...

    def find(self, mark: Mark, message: str, hint: Callable[[], str] | str = "") -> Bad: ...

    def mistyped(self, node: Node, type_: inspect.Type, path: Path) -> Bad: ...


def struct(judge: Walker, node: Node, type_: inspect.StructType, path: Path) -> Any:
    """The fields of `node` that are right, as a dict with its tag, or `BAD` if it is no mapping."""
    if not isinstance(node, Mapping):
        return judge.mistyped(node, type_, path)
    fields = {each.encode_name: each for each in type_.fields}
    built: dict[str, Any] = {}
    excused: set[str] = set()
    if type_.tag_field is not None:
        built[type_.tag_field] = type_.tag
    for key, entry in node.entries.items():
        if key in fields:
            value = judge.walk(entry.node, fields[key].type, (*path, key))
            if value is not BAD:
                built[key] = value
        elif key != type_.tag_field and not judge.full:
            excused.update(_unknown(judge, key, entry, node, type_, path))
    _missing(judge, node, type_, excused, path)
    return built


def tagged(
    judge: Walker, node: Mapping, types: list[inspect.StructType], path: Path
) -> Any:  # fmt: skip
    """One of several mappings, told apart by a field such as `kind`. A wrong or missing one is
    guessed if that is safe, so that the other fields are judged at the same time."""
    field = types[0].tag_field or "kind"
    by_tag = {str(each.tag): each for each in types}
    judge.kinds = by_tag
    entry = node.entries.get(field)
    if entry is None:
        return _tagless(judge, node, field, by_tag, path)
    text = entry.node.text if isinstance(entry.node, Scalar) else ""
    if text in by_tag:
        return struct(judge, node, by_tag[text], path)
    guess = nearest(text, by_tag)
    judge.find(
        entry.node.mark,
        f"{field} must be {say.either(by_tag)}, not {say.value(entry.node)}",
        f"did you mean {guess[0]}?" if guess else f"write '{field}: {_likeliest(node, by_tag)[0]}'",
    )
    if guess:
        struct(judge, node, by_tag[guess[0]], path)
    return BAD


def _tagless(
    judge: Walker, node: Mapping, field: str, by_tag: dict[str, inspect.StructType], path: Path
) -> Bad:
    known = {each.encode_name for type_ in by_tag.values() for each in type_.fields}
    misspelt = next((key for key in nearest(field, node.entries, 3) if key not in known), None)
    if misspelt is not None:
        mark = node.entries[misspelt].mark
        judge.find(mark, f"there is no field {say.quoted(misspelt)}", f"did you mean {field}?")
        entries = {field if key == misspelt else key: each for key, each in node.entries.items()}
        mended = structs.replace(node, entries=entries)
        tagged(judge, mended, list(by_tag.values()), path)
        return BAD
    best, sure = _likeliest(node, by_tag)
    judge.find(
        node.mark, f"the {field} is missing: {say.either(by_tag)}", f"add a line '{field}: {best}'"
    )
    if sure:
        struct(judge, node, by_tag[best], path)
    return BAD


def _likeliest(node: Mapping, by_tag: dict[str, inspect.StructType]) -> tuple[str, bool]:
    """The kind with most of the fields that are there, and whether no other has as many."""
    shares = {
        tag: sum(each.encode_name in node.entries for each in type_.fields)
        for tag, type_ in by_tag.items()
    }
    # Where several have as many, the last: a job is what most manifests are.
    best = max(reversed(shares), key=lambda tag: shares[tag])
    return best, list(shares.values()).count(shares[best]) == 1


def _unknown(
    judge: Walker, key: str, entry: Entry, node: Mapping, type_: inspect.StructType, path: Path
) -> list[str]:
    """Says that a key is not known; returns the field it probably meant."""
    names = [each.encode_name for each in type_.fields]
    near = nearest(key, names)
    owners = judge.kinds if all(isinstance(step, str) for step in path) else {}
    if odd := next((char for char in key if not char.isprintable()), ""):
        hint = f"take the invisible character U+{ord(odd):04X} out of the key"
    elif home := next((each.encode_name for each in type_.fields if key in _inside(each)), None):
        near, hint = [], f"put it under '{home}:', indented"
    elif owner := next((kind for kind, each in owners.items() if key in _names(each)), None):
        near = []
        hint = f"it is a field of a {owner}" + (f", not of {say.label(path)}" if path else "")
    elif known := known_as(key, names):
        near, hint = [], known
    elif near:
        already = " It is there already" if near[0] in node.entries else ""
        hint = f"did you mean {near[0]}?{already}"
    else:
        hint = f"its fields are {', '.join(names)}"
    judge.find(entry.mark, f"{_noun(type_, path)} has no field {say.quoted(key)}", hint)
    return near


def _names(type_: inspect.StructType) -> set[str]:
    return {each.encode_name for each in type_.fields}


def _inside(field: inspect.Field) -> set[str]:
    """The fields that the value of a field has, if that is a mapping of fields."""
    type_ = field.type.type if isinstance(field.type, inspect.Metadata) else field.type
    return _names(type_) if isinstance(type_, inspect.StructType) else set()


def _missing(
    judge: Walker, node: Mapping, type_: inspect.StructType, excused: set[str], path: Path
) -> None:
    for each in type_.fields:
        name = each.encode_name
        reason = "" if path else judge.needed.get(name, "")
        entry = node.entries.get(name)
        if name in excused or not (each.required or reason):
            continue
        if entry is None:
            mark = node.mark
        elif reason and not each.required and _is_nothing(entry.node):
            mark = entry.node.mark
        else:
            continue
        message = f"{_noun(type_, path)}{reason} needs {'an' if name[0] in 'aeiou' else 'a'} {name}"
        judge.find(mark, message, f"add a line '{name}: …'")


def _is_nothing(node: Node) -> bool:
    return isinstance(node, Scalar) and node.value is None


def _noun(type_: inspect.StructType, path: Path) -> str:
    return say.label(path) if path else f"a {type_.tag or type_.cls.__name__.lower()}"
