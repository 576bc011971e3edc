"""The words of findings: types, values and ranges as a person calls them.

Owns phrases only; whether something is wrong is decided in `pipeline.inbox.judge`.
"""

import re

from msgspec import inspect

from pipeline.inbox.tree import Mapping, Node, Path, Scalar, Sequence

_LONGEST_VALUE = 60
_NUMBER = re.compile(r"\s*([-+]?[0-9]+(?:\.[0-9]+)?)\s*[^\W\d]*\s*", re.ASCII)
"""A number that may have a unit behind it."""


def label(path: Path) -> str:
    """A path as a person says it: `defaults.steps`, `characters item 2`."""
    words = ""
    for step in path:
        if isinstance(step, int):
            words += f" item {step + 1}"
        else:
            words += f".{step}" if words else step
    return clipped(words.strip()) or "this"


def value(node: Node) -> str:
    """A value in a message: as it is written, shortened, in quotes if it has blanks."""
    match node:
        case Mapping():
            return "a mapping"
        case Sequence():
            return "a list"
        case Scalar(value=None):
            return "nothing"
        case Scalar(value=str() as text):
            return quoted(text)
        case Scalar(text=text):
            return clipped(text)


def quoted(text: str) -> str:
    """`text` on one line, shortened, in quotes unless it is a plain word."""
    short = clipped(" ".join(text.split()))
    return (
        short
        if short and all(char.isalnum() or char in "_-.*/" for char in short)
        else f"'{short}'"
    )


def clipped(text: str) -> str:
    """`text`, cut with an ellipsis if it is long."""
    return text if len(text) <= _LONGEST_VALUE else text[:_LONGEST_VALUE] + "…"


def number(value: float) -> str:
    """A bound as a person writes it."""
    return str(int(value)) if value == int(value) else str(value)


def kind(type_: inspect.Type) -> str:
    """What a value of a type is called: `a whole number`."""
    match type_:
        case inspect.Metadata(type=inner):
            return kind(inner)
        case inspect.UnionType(types=types):
            return either(
                kind(member) for member in types if not isinstance(member, inspect.NoneType)
            )
        case inspect.StrType() | inspect.LiteralType() | inspect.EnumType():
            return "text"
        case inspect.BoolType():
            return "true or false"
        case inspect.IntType():
            return "a whole number"
        case inspect.FloatType():
            return "a number"
        case inspect.CollectionType() | inspect.TupleType():
            return "a list"
        case inspect.DictType() | inspect.StructType():
            return "a mapping"
        case inspect.NoneType():
            return "nothing"
        case _:
            return "something else"


def either(words: object) -> str:
    """`a`, `a or b`, `a, b or c`; each word once."""
    each = list(dict.fromkeys(str(word) for word in words))  # type: ignore[attr-defined]
    return f"{', '.join(each[:-1])} or {each[-1]}" if len(each) > 1 else "".join(each)


def bounds(type_: inspect.IntType | inspect.FloatType) -> str:
    """The range of a number: `between 1 and 150`."""
    if type_.ge is not None and type_.le is not None:
        return f"between {number(type_.ge)} and {number(type_.le)}"
    parts = [
        f"{words} {number(bound)}"
        for words, bound in (
            ("at least", type_.ge),
            ("more than", type_.gt),
            ("at most", type_.le),
            ("less than", type_.lt),
            ("a multiple of", type_.multiple_of),
        )
        if bound is not None
    ]
    return " and ".join(parts)


def example(value: object) -> str:
    """A value as it stands in a manifest, in brief."""
    match value:
        case bool():
            return "true" if value else "false"
        case list() | tuple():
            return f"[{', '.join(map(example, value))}]"
        case dict():
            return f"{{{', '.join(f'{key}: {example(each)}' for key, each in value.items())}}}"
        case _:
            return str(value)


def way_out(node: Node, type_: inspect.Type, field: str, such_as: str = "") -> str:
    """What to type instead of a value of the wrong type; `such_as` is one that is right."""
    wanted = kind(type_)
    plain = not such_as or wanted == "true or false"
    write = f"write {wanted}" if plain else f"write {wanted}, such as {such_as}"
    match node:
        case Scalar(value=None):
            if not field:
                return "write a value, or take it away"
            return f"write a value after '{field}:', or take the line away"
        case Scalar(value=str() as text) if wanted in ("a whole number", "a number"):
            found = _NUMBER.fullmatch(text.replace(",", ".").replace("_", ""))
            whole = found is not None and (wanted == "a number" or "." not in found[1])
            return f"write {found[1]}" if found is not None and whole else write
        case Scalar(value=float() as odd) if wanted == "a whole number":
            return f"write {round(odd)}"
        case Scalar(value=str() as text) if wanted == "true or false":
            words = {"yes": "true", "on": "true", "true": "true", "no": "false", "off": "false"}
            return f"write {words.get(text.lower(), 'true or false')}"
        case Scalar(text=text) if "text" in wanted:
            return f'put it in quotes: "{clipped(text)}"'
        case Scalar(text=text) if "list" in wanted:
            return f"write it as a list: [{clipped(text)}]"
        case Scalar() if wanted == "a mapping":
            return f"put its fields below '{field}:', indented, each as 'key: value'"
        case Sequence(items=[Scalar(text=text)]) if wanted != "a mapping" and "list" not in wanted:
            return f"take the brackets or the '- ' away: {clipped(text)}"
        case _:
            return write
