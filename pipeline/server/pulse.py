"""Waiting for something to be different: whoever asks is woken whenever anything is told.

Owns those who wait, in one event loop. Never knows what was told.
"""

import asyncio
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")


class Pulse:
    """Everybody who waits for the next word."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Future[None]] = set()

    def beat(self) -> None:
        """Something was told."""
        waiting, self._waiting = self._waiting, set()
        for each in waiting:
            if not each.done():
                each.set_result(None)

    async def wait(self, seconds: float) -> bool:
        """Return at the next word, or after so many seconds; whether there was one."""
        each = asyncio.get_running_loop().create_future()
        self._waiting.add(each)
        try:
            async with asyncio.timeout(seconds):
                await each
        except TimeoutError:
            return False
        finally:
            self._waiting.discard(each)
        return True

    async def until(self, look: Callable[[], _T | None], seconds: float) -> _T | None:
        """What `look` finds, as soon as it finds anything; None after so many seconds."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while (found := look()) is None:
            left = end - loop.time()
            if left <= 0:
                return None
            await self.wait(left)
        return found
