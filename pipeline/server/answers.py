"""What the runner answered to commands, for whoever gave one over HTTP and waits.

Owns the last answers and those who wait, in one event loop. Never gives a command and never reads
the journal: it is told each fact.
"""

import asyncio
from collections import OrderedDict

from pipeline.core import events as e

KEPT = 1000
"""Answers that are remembered: one may be recorded before whoever gave the command looks."""


class Answers:
    """Answers by the name of their command, the last ones."""

    def __init__(self, kept: int = KEPT) -> None:
        self._most = kept
        self._known: OrderedDict[str, e.CommandAnswered] = OrderedDict()
        self._waiting: dict[str, asyncio.Future[e.CommandAnswered]] = {}

    def heard(self, event: e.Event) -> None:
        """A fact is on disk."""
        if not isinstance(event, e.CommandAnswered):
            return
        self._known[event.command] = event
        if len(self._known) > self._most:
            self._known.popitem(last=False)
        waiting = self._waiting.pop(event.command, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(event)

    async def of(self, name: str, seconds: float) -> e.CommandAnswered | None:
        """The answer to the command of that name, or None if none comes in so many seconds."""
        if name in self._known:
            return self._known[name]
        waiting = self._waiting[name] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(seconds):
                answer: e.CommandAnswered = await waiting
                return answer
        except TimeoutError:
            return None
        finally:
            self._waiting.pop(name, None)
