"""Who watches a run: the page and the terminal, told of every fact and every tick.

Owns the Protocol only. An audience is told after a fact is durable, from the runner's thread, and
must return at once; whatever it does with it, the runner does not wait and does not know.
"""

from collections.abc import Sequence
from typing import Protocol

from pipeline.core.events import Event
from pipeline.core.observed import Live, Stepped
from pipeline.journal import Line


class Audience(Protocol):
    """Whoever is told; none of the three may wait or fail."""

    def recorded(self, line: Line, event: Event) -> None:
        """A fact is on disk."""

    def ticked(self, tick: Stepped) -> None:
        """A step is done; streamed, never journalled."""

    def changed(self, live: Live) -> None:
        """What the workers do, or what the program suffers from, is different now."""


class Audiences:
    """Several as one."""

    def __init__(self, audiences: Sequence[Audience]) -> None:
        self._audiences = tuple(audiences)

    def recorded(self, line: Line, event: Event) -> None:
        for audience in self._audiences:
            audience.recorded(line, event)

    def ticked(self, tick: Stepped) -> None:
        for audience in self._audiences:
            audience.ticked(tick)

    def changed(self, live: Live) -> None:
        for audience in self._audiences:
            audience.changed(live)
