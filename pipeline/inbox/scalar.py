"""What a plain word of YAML means: the core schema of YAML 1.2, and nothing of 1.1.

Owns the patterns of https://yaml.org/spec/1.2.2/#103-core-schema and the limits of numbers.
So `no` and `on` are words, `010` is ten, `12:30`, `1_000` and `2024-01-31` are text, and `1e3` is
a number. Never sees a place in a file.
"""

import math
import re

Value = str | int | float | bool | None

_NULL = ("", "~", "null", "Null", "NULL")
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"0o[0-7]+")
_HEX = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_UNWRITABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufeff\ufffe\uffff]")

LONGEST_NUMBER = 40
"""Digits beyond which a number is refused unread: reading 5,000 of them is an error in Python."""
SMALLEST_INT, LARGEST_INT = -(2**63), 2**64 - 1
"""What msgspec can write to JSON."""

_PREFIX = "tag:yaml.org,2002:"


class RefusedError(Exception):
    """A scalar that no manifest may hold; message and hint are its arguments."""


def resolve(text: str) -> Value:
    """The value of a plain (unquoted) scalar; `RefusedError` for a number JSON cannot hold."""
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if text[0] not in "+-.0123456789":
        return text
    if _NOT_FINITE.fullmatch(text):
        raise RefusedError(
            f"{text} is not a finite number", 'as text, put it in quotes: "' + text + '"'
        )
    for pattern, base in ((_INT, 10), (_OCTAL, 8), (_HEX, 16)):
        if pattern.fullmatch(text):
            return _integer(text, base)
    return _number(text) if _FLOAT.fullmatch(text) else text


def tagged(tag: str, text: str) -> Value:
    """The value of a scalar with an explicit tag; `RefusedError` for all but the core tags."""
    name = tag.removeprefix(_PREFIX)
    if tag in ("!", f"{_PREFIX}str"):
        return text
    kinds: dict[str, type | tuple[type, ...]] = {
        "null": type(None), "bool": bool, "int": int, "float": (int, float)
    }  # fmt: skip
    if not tag.startswith(_PREFIX) or name not in kinds:
        raise RefusedError(f"the tag {shown(tag)} means nothing here", way_past(tag))
    value = resolve(text)
    if not isinstance(value, kinds[name]) or (isinstance(value, bool) and name != "bool"):
        raise RefusedError(f"{text!r} is not of the type !!{name}", "take the tag away")
    return value


def shown(tag: str) -> str:
    """A tag as a person writes it."""
    return "!!" + tag.removeprefix(_PREFIX) if tag.startswith(_PREFIX) else tag


def way_past(tag: str) -> str:
    """What to do about a tag that is not known."""
    return f"take {shown(tag)} away, or put the text in quotes"


def unwritable(text: str) -> re.Match[str] | None:
    """The first character that no text of a manifest may hold; tab and newline may stand."""
    return _UNWRITABLE.search(text)


def unwritable_replaced(text: str) -> str:
    """`text` with U+FFFD for each such character."""
    return _UNWRITABLE.sub("\ufffd", text)


def _integer(text: str, base: int) -> int:
    if len(text) <= LONGEST_NUMBER and SMALLEST_INT <= (value := int(text, base)) <= LARGEST_INT:
        return value
    raise RefusedError("this number is too large", "write a smaller one; as text, put it in quotes")


def _number(text: str) -> float:
    if len(text) <= LONGEST_NUMBER and math.isfinite(value := float(text)):
        return value
    raise RefusedError(
        "this number is too large or has too many digits",
        "write a smaller one; as text, put it in quotes",
    )
