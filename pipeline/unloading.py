"""When the workers give the memory of the device back, and when they take it again.

Owns that decision and since when the queue is idle. Never ends a picture that is in work.
"""

import logging

from pipeline.core.pending import pending
from pipeline.core.state import State
from pipeline.parts import Pool

log = logging.getLogger(__name__)


class Unloading:
    """`after` is how many seconds nothing is drawn before the model is unloaded by itself; 0 is
    never."""

    def __init__(self, pool: Pool, after: float) -> None:
        self._pool, self._after = pool, after
        self._unloaded = False
        self._idle_since: float | None = None

    def step(self, state: State, now: float, *, busy: bool) -> None:
        """Unload, or load again, where it is time; `busy` is whether a worker draws, `now`
        monotonic seconds."""
        if not (self._after or state.unload or self._unloaded):
            return  # Nobody asks for it: what is owed need not be looked for.
        idle = not busy and not pending(state, set(), 1)
        if not idle:
            self._idle_since = None
        elif self._idle_since is None:
            self._idle_since = now
        wanted = idle and (state.unload or self._long_idle(now))
        if wanted == self._unloaded:
            return
        self._unloaded = wanted
        if wanted:
            log.info("the model is unloaded: %s", state.paused or "nothing to draw")
            self._pool.rest()
        else:
            log.info("the model is loaded again")
            self._pool.rouse()

    def _long_idle(self, now: float) -> bool:
        since = self._idle_since
        return self._after > 0 and since is not None and now - since >= self._after
