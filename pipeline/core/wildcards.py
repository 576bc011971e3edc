"""Wildcards: `__name__` in a prompt becomes a line of `wildcards/name.txt`, chosen by the seed.

Pure. The same seed always chooses the same lines of the same file. A line may have wildcards of its
own. Twice the same wildcard in a text is chosen twice.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence

from msgspec.structs import replace

from pipeline.core.prompt import Part

DEEPEST = 8
"""So often a line may have wildcards in it whose lines have wildcards, and so on."""

_WILDCARD = re.compile(r"__([A-Za-z0-9][A-Za-z0-9_-]*?)__")

Lines = Callable[[str], Sequence[str] | None]


def lines_of(text: str) -> tuple[str, ...]:
    """What a wildcard's file has to choose from: its lines without empty ones and `#` comments."""
    found = (" ".join(line.split()) for line in text.splitlines())
    return tuple(line for line in found if line and not line.startswith("#"))


def wildcards_in(texts: Iterable[str]) -> list[str]:
    """The names of the wildcards in texts, each once, in order."""
    return list(dict.fromkeys(name for text in texts for name in _WILDCARD.findall(text)))


def chosen(parts: Iterable[Part], seed: int, lines: Lines) -> tuple[Part, ...]:
    """The parts with a line for each wildcard that has any; others stay as they are."""
    counts: dict[str, int] = {}

    def line(name: str, depth: int) -> str | None:
        known = lines(name)
        if not known or depth > DEEPEST:
            return None
        counts[name] = counts.get(name, 0) + 1
        drawn = hashlib.sha256(f"{seed}/{name}/{counts[name]}".encode()).digest()
        return filled(known[int.from_bytes(drawn[:8]) % len(known)], depth + 1)

    def filled(text: str, depth: int) -> str:
        return _WILDCARD.sub(lambda found: line(found[1], depth) or found[0], text)

    done = []
    for part in parts:
        text = filled(part.text, 0)
        if text != part.text:
            part = replace(part, text=text, origin=f"{part.origin}, {part.text}")  # noqa: PLW2901
        done.append(part)
    return tuple(done)
