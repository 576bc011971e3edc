"""The line between the keeper and one worker: which models it is to take and to let go of.

Owns what is said on it, and the worker's thread that hears it, which ends the process with the
keeper. The worker's answers are `READY`, once it can take a model, then `Holds` after each change;
any other text is why it cannot go on.
"""

import os
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from msgspec import Struct

READY = "ready"
"""What a worker says once it can take a model: giving one earlier would wait for its imports."""


class Holds(Struct, frozen=True, kw_only=True):
    """A worker's word: it has these models, by their sha256, and has warmed up with each."""

    models: tuple[str, ...]


class Give(Struct, frozen=True, kw_only=True):
    """The keeper's word: a model follows, by its sha256, and `called` so by itself."""

    model: str
    called: str


class Leave(Struct, frozen=True, kw_only=True):
    """The keeper's word: let go of this model."""

    model: str


class Given(Struct, frozen=True, kw_only=True):
    """A model that came: what `pipeline.render.model.attach` makes a pipeline of."""

    model: str
    called: str
    parcel: Any


class Broke(Struct, frozen=True, kw_only=True):
    """What came could not be read."""

    error: Exception


def hear(
    line: Connection,
    fetch: Callable[[Connection], Any],
    post: Callable[[Given | Leave | Broke], None],
) -> None:
    """Post what the keeper says, from a thread of its own; `fetch` reads a model off the line."""

    def work() -> None:
        while True:
            try:
                said = line.recv()
                if isinstance(said, Give):
                    parcel = fetch(line)
                    said = Given(model=said.model, called=said.called, parcel=parcel)
                    del parcel
            except (EOFError, OSError):
                os._exit(0)  # The keeper is gone.
            except Exception as error:  # What the driver says of its memory may be anything.
                said = Broke(error=error)
            post(said)
            del said  # This thread is to hold no model.

    threading.Thread(target=work, daemon=True).start()
