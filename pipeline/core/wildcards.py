"""Wildcards: `__name__` in a prompt becomes a line of `wildcards/name.txt`, chosen by the seed.

Pure. The same seed always chooses the same lines of the same file. A line may have wildcards of its
own. Twice the same wildcard in a picture's prompts is chosen twice.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence

DEEPEST = 8
"""So often a line may have wildcards in it whose lines have wildcards, and so on."""
MOST_CHOICES = 200
LONGEST = 20_000
"""Choices of one picture, and characters that come of them."""

_WILDCARD = re.compile(r"__([^\s,_](?:[^\s,]*?[^\s,_])?)__")

Lines = Callable[[str], Sequence[str] | None]


class Endless(Exception):
    """A wildcard chooses wildcards without end, or comes to more than a prompt can be."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def lines_of(text: str) -> tuple[str, ...]:
    """What a wildcard's file has to choose from: its lines without empty ones and `#` comments."""
    found = (" ".join(line.split()) for line in text.splitlines())
    return tuple(line for line in found if line and not line.startswith("#"))


def wildcards_in(texts: Iterable[str]) -> list[str]:
    """The names of the wildcards in texts, each once, in order."""
    found = (name for text in texts if "__" in text for name in _WILDCARD.findall(text))
    return list(dict.fromkeys(found))


class Choice:
    """The lines that one seed chooses, text by text, for the prompts of one picture.

    Raises Endless where that comes to no end.
    """

    def __init__(self, seed: int, lines: Lines) -> None:
        self._seed, self._lines = seed, lines
        self._counts: dict[str, int] = {}
        self._made = self._length = 0

    def __call__(self, text: str) -> str:
        """The text with a line for each wildcard that has any; others stay as they are."""
        return self._filled(text, 0) if "__" in text else text

    def _filled(self, text: str, depth: int) -> str:
        return _WILDCARD.sub(lambda found: self._line(found[1], depth) or found[0], text)

    def _line(self, name: str, depth: int) -> str | None:
        known = self._lines(name)
        if not known:
            return None
        self._made += 1
        count = self._counts[name] = self._counts.get(name, 0) + 1
        drawn = hashlib.sha256(f"{self._seed}/{name}/{count}".encode()).digest()
        line = known[int.from_bytes(drawn[:8]) % len(known)]
        self._length += len(line)
        if depth > DEEPEST or self._made > MOST_CHOICES or self._length > LONGEST:
            raise Endless(name)
        return self._filled(line, depth + 1)
