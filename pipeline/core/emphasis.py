"""How much the words of a prompt count: `(word)`, `(word:1.3)`, `[word]`, `BREAK`, as in A1111.

Pure. `(…)` is 1.1 times, `[…]` one part in 1.1, `(…:x)` x times; they nest and multiply. A bracket
after a backslash stands for itself, and so does one without its partner. `BREAK` parts what the
text encoder is given at once.
"""

import re
from collections.abc import Iterator

from msgspec import Struct

STEP = 1.1
LARGEST = 10.0
"""A weight is held between its negative and this."""
DEEPEST = 16
"""Brackets inside brackets that count; what is deeper stands for itself."""

_MARK = re.compile(
    r"\\([()\[\]\\])|(\()|(\[)|:\s*([+-]?(?:\d+\.?\d*|\.\d+))\s*\)|(\))|(\])|([^\\()\[\]:]+|.)",
    re.DOTALL,
)
_BREAK = re.compile(r"[\s,]*\bBREAK\b[\s,]*")


class Stressed(Struct, frozen=True):
    """A stretch of a prompt and its weight."""

    text: str
    weight: float = 1.0


def stressed(prompt: str) -> tuple[Stressed, ...]:
    """The stretches of a prompt, in order, neighbours of one weight joined; a prompt without
    brackets is one stretch of weight 1."""
    found: list[list[str | float]] = []
    opened: dict[str, list[int]] = {"(": [], "[": []}
    deeper = {"(": 0, "[": 0}
    for match in _MARK.finditer(prompt):
        escaped, opens, open_square, factor, closes, close_square, text = match.groups()
        start = opens or open_square
        end = "(" if closes or factor is not None else "[" if close_square else ""
        if start and len(opened["("]) + len(opened["["]) < DEEPEST:
            opened[start].append(len(found))
        elif end and not deeper[end] and opened[end]:
            by = float(factor) if factor is not None else STEP if closes else 1 / STEP
            _multiply(found, opened[end].pop(), by)
        else:
            if start:
                deeper[start] += 1
            elif end and deeper[end]:
                deeper[end] -= 1
            found.append([escaped or text or match.group(), 1.0])
    if opened["("] or opened["["]:
        # An open bracket without its partner is meant as one: nothing is stressed by it.
        found = _with_strays(prompt)
    return tuple(_joined(found))


def chunks(prompt: str) -> tuple[tuple[Stressed, ...], ...]:
    """The stretches between one `BREAK` and the next, also inside brackets; at least one chunk, and
    none that is empty beside others. The commas around `BREAK` belong to it."""
    found: list[list[Stressed]] = [[]]
    for each in stressed(prompt):
        first, *others = _BREAK.split(each.text)
        found[-1] += [Stressed(first, each.weight)] if first else []
        found += [[Stressed(text, each.weight)] if text else [] for text in others]
    return tuple(tuple(chunk) for chunk in found if chunk) or ((),)


def plain(prompt: str) -> str:
    """A prompt without the marks of its weights."""
    return "".join(each.text for each in stressed(prompt))


def is_stressed(prompt: str) -> bool:
    """Whether any mark changes what the prompt says."""
    return any(each.weight != 1.0 for each in stressed(prompt)) or plain(prompt) != prompt


def _multiply(found: list[list[str | float]], start: int, factor: float) -> None:
    for stretch in found[start:]:
        weight = float(stretch[1]) * factor
        stretch[1] = min(max(weight, -LARGEST), LARGEST)


def _with_strays(prompt: str) -> list[list[str | float]]:
    """The prompt again, every open bracket that is never closed escaped."""
    strays, opened = set[int](), dict[str, list[int]]()
    for match in re.finditer(r"\\.|[()\[\]]", prompt):
        mark = match.group()
        if mark in "([":
            opened.setdefault(mark, []).append(match.start())
        elif mark in ")]":
            partners = opened.get("(" if mark == ")" else "[", [])
            if partners:
                partners.pop()
    for places in opened.values():
        strays.update(places)
    text = "".join(f"\\{char}" if at in strays else char for at, char in enumerate(prompt))
    return [[each.text, each.weight] for each in stressed(text)]


def _joined(found: list[list[str | float]]) -> Iterator[Stressed]:
    text, weight = "", 1.0
    for piece, own in found:
        if own != weight:
            if text:
                yield Stressed(text, weight)
            text, weight = "", float(own)
        text += str(piece)
    if text:
        yield Stressed(text, weight)
