"""Did you mean: the known word nearest to one that is not known.

Owns the comparison only; what is said with it is up to the caller.
"""

import re
from collections.abc import Iterable
from difflib import get_close_matches

SHORTEST = 4
"""Letters that make an abbreviation: `Euler a` is `euler_ancestral`."""
LONGEST = 64
"""Letters compared; nothing we name is longer."""


def nearest(word: str, known: Iterable[str], count: int = 1) -> list[str]:
    """The known words most like `word`, best first; letter case, signs and `++` for `pp` aside."""
    by_plain: dict[str, str] = {}
    for candidate in known:
        by_plain.setdefault(_plain(candidate), candidate)
    plain = _plain(word)
    begun = [each for each in by_plain if len(plain) >= SHORTEST and each.startswith(plain)]
    longer = [each for each in by_plain if len(each) >= SHORTEST and plain.startswith(each)]
    alike = get_close_matches(plain, by_plain, n=count, cutoff=0.6)
    found = [*(begun if len(begun) == 1 else ()), *sorted(longer, key=len, reverse=True), *alike]
    return [by_plain[each] for each in dict.fromkeys(found)][:count]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`did you mean karras?`, or '' if nothing is near."""
    found = nearest(word, known)
    return f"did you mean {found[0]}?" if found else ""


def _plain(word: str) -> str:
    return re.sub(r"[\W_]+", "", word[:LONGEST].casefold().replace("++", "pp"))
