"""The names most like one that is not there, out of as many as an inbox can have.

Owns that this stays cheap: a thousand jobs that wait are each told the nearest of a thousand names.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from functools import lru_cache
from heapq import nlargest

COMPARED = 16
"""Names compared letter by letter; the others share fewer pairs of letters."""
HANDFUL = 6
"""So many names can be told whole, where none is like it."""


def near(name: str, names: Iterable[str], count: int = 3) -> tuple[str, ...]:
    """At most `count` names that look like this one; all of a handful where none does."""
    known = sorted(names)
    likely = known
    if len(known) > COMPARED:
        pairs = _pairs(name)
        likely = nlargest(COMPARED, known, key=lambda each: _share(pairs, _pairs(each)))
    close = get_close_matches(name, likely, n=count, cutoff=0.5)
    return tuple(close or (known if len(known) <= HANDFUL else ()))


def _share(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / (len(one) + len(other))


@lru_cache(maxsize=8192)
def _pairs(name: str) -> frozenset[str]:
    """Letters in twos, with the ends, so that a short name has some as well."""
    ended = f" {name} "
    return frozenset(ended[at : at + 2] for at in range(len(ended) - 1))
