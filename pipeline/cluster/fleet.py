"""What the pool needs of whatever carries orders to nodes and words back.

Owns the Protocol only. `pipeline.cluster.rays` does it with Ray.
"""

from collections.abc import Callable, Iterable
from typing import Protocol

from pipeline.cluster.words import Order, Setup, Word

Heard = tuple[str, Word | None]
"""What came from which post; None is its end, however it came about: it is not heard again."""


class Fleet(Protocol):
    """Opens a station on every GPU, or node, that there is or will be; `Opening` is the first word
    of each.

    Each time a station is opened it is at another post, a name that is never given again. Nothing
    of this waits but `close`.
    """

    def start(self, setup: Setup, wake: Callable[[], None]) -> None:
        """Open stations from now on, each told `setup` with a name of its own; `wake` is called
        from another thread whenever something was heard."""

    def heard(self) -> Iterable[Heard]:
        """What was heard since the last time, in the order of each post."""

    def send(self, post: str, order: Order) -> None:
        """Have an order carried out there; orders of one post arrive in their order, or never."""

    def name(self, post: str) -> str:
        """What the station there is called: its node's name, and a number where it has several."""

    def close(self) -> None:
        """End all stations, and be heard no more."""
