"""A station as an actor: what Ray starts on a node, and calls.

Owns the bytes that go in and out, the order of orders, and what is asked of a node before anything
is drawn there. Imports no Ray: an actor is a plain class.
"""

import os
import threading

from pipeline.cluster.places import cache_in, folders_in
from pipeline.cluster.station import Station
from pipeline.cluster.words import Broke, order_of, pack, setup_of

MODE, TOKEN = "RAY_AUTH_MODE", "token"
UNPROTECTED = Broke(
    error="Ray runs there without token authentication: whoever reaches it can run any code",
    hint=f"export {MODE}={TOKEN} there and start Ray again",
)


class Post:
    """Methods are called from several threads. `setup` is a `pipeline.cluster.words.Setup`."""

    def __init__(self, setup: bytes) -> None:
        self._lock = threading.Lock()
        self._due = 1
        self._early: dict[int, bytes] = {}
        self._station: Station | None = None
        self._refusal = None if os.environ.get(MODE) == TOKEN else UNPROTECTED
        if self._refusal is None:
            self._station = Station(
                setup_of(setup), folders=folders_in(os.environ), cache=cache_in(os.environ)
            )

    def order(self, number: int, order: bytes) -> None:
        """Have an order carried out; they are numbered from 1, and Ray may swap two calls."""
        with self._lock:
            self._early[number] = order
            while (due := self._early.pop(self._due, None)) is not None:
                self._due += 1
                if self._station is not None:
                    self._station.order(order_of(due))

    def listen(self, patience: float) -> bytes:
        """What there is to say, a list of words; none if there was nothing for so many seconds."""
        if self._station is not None:
            return pack(self._station.listen(patience))
        if self._refusal is not None:
            said, self._refusal = self._refusal, None
            return pack([said])
        threading.Event().wait(patience)
        return pack([])
