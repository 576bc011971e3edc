"""Which jobs' pictures are stale, seen little by little: to see it of one is to compile it.

Owns the jobs of which it has to be seen again: those that changed, and all there are where
something was declared. Says what it finds to the catalogue, which counts. Keeps nobody waiting.
"""

import time
from collections.abc import Callable

from pipeline.core.models import model_of
from pipeline.core.state import JobState, State
from pipeline.core.status import stale
from pipeline.server.catalogue import Catalogue
from pipeline.server.view import Counted


class Doubts:
    """What is to be seen, of the jobs of one catalogue. `shown` says whether a job is stale whose
    view is at hand, else None."""

    def __init__(
        self, state: State, catalogue: Catalogue, shown: Callable[[JobState], bool | None]
    ) -> None:
        self._state = state
        self._catalogue = catalogue
        self._shown = shown
        self._some: dict[str, None] = {}
        self._all: list[str] = []
        self.declared()

    def changed(self, key: str) -> None:
        """A job is another one."""
        self._some[key] = None

    def declared(self) -> None:
        """Something is declared that any job may rest on."""
        self._all = [*self._catalogue.rest, *self._catalogue.going]

    def seen(self, key: str, *, stale: bool) -> None:
        """A job was looked at for another reason."""
        if self._catalogue.knows(key):
            self._catalogue.mark(key, stale=stale)
        self._some.pop(key, None)

    @property
    def counted(self) -> Counted:
        """How far it has been seen."""
        return Counted(stale=len(self._catalogue.stale), all=not self._some and not self._all)

    def look(self, seconds: float) -> bool | None:
        """Go on looking, for about so long. Returns whether a count has become another one; None
        where nothing is left to see."""
        if not self._some and not self._all:
            return None
        end, changed = time.monotonic() + seconds, False
        while self._some or self._all:
            # The newest first, as these are looked at most.
            key = self._some.popitem()[0] if self._some else self._all.pop()
            if self._catalogue.knows(key):
                changed |= self._catalogue.mark(key, stale=self._is_stale(self._state.jobs[key]))
            if time.monotonic() >= end:
                break
        return changed

    def _is_stale(self, job: JobState) -> bool:
        if (known := self._shown(job)) is not None:
            return known
        last = job.takes[-1] if job.takes else None
        if last is None or job.withdrawn or not last.images or last.restored:
            return stale(self._state, job)
        # With another model all is another picture; to see that is to compile nothing.
        return last.model != model_of(self._state, job) or stale(self._state, job)
