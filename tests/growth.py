"""Whether work keeps to the size of what it is given, without a word about seconds.

Compares a text with a quarter of it, in one run: in proportion is 4 times the work, its square is
16. The least of several goes is what counts, because whatever else a machine does only adds.
"""

from collections.abc import Callable
from math import inf
from time import process_time

LARGE = 2**20
GOES = 5
NOTHING = 0.02
"""CPU seconds that no work of the square of `LARGE` could do with."""


def keeps_to_its_size(work: Callable[[str], object], piece: str, size: int = LARGE) -> None:
    """A text of `size` characters, made of one piece, takes about 4 times what a quarter takes.

    Raises:
        AssertionError: it takes more than 8 times as much.
    """
    small, large = piece * (size // 4 // len(piece)), piece * (size // len(piece))
    least = {small: inf, large: inf}
    for _ in range(GOES):
        for text in (small, small, large):
            least[text] = min(least[text], _seconds(work, text))
        if least[large] < max(NOTHING, 8 * least[small]):
            return
    raise AssertionError(f"{least[large]:.2f} CPU seconds; a quarter takes {least[small]:.2f}")


def _seconds(work: Callable[[str], object], text: str) -> float:
    began = process_time()
    work(text)
    return process_time() - began
