"""The state and its journal, kept in step: fold in memory, make durable, and only then tell.

Owns the journal's only pen. Never decides. Between `fold` and `commit` the state is ahead of the
disk and nobody has been told; until a commit has done, the state is not to be acted on.
"""

import logging
from collections.abc import Sequence

from pipeline.audience import Audience
from pipeline.core import events as e
from pipeline.core.ripple import spread
from pipeline.core.state import State
from pipeline.journal import Entry, Journal

log = logging.getLogger(__name__)


class Ledger:
    """`jobs` and `files` are what the events folded since they were last emptied have reached."""

    def __init__(self, *, journal: Journal, state: State, audience: Audience) -> None:
        """`state` is the fold of what the journal holds now."""
        self.state = state
        self.jobs: set[str] = set()
        self.files: set[str] = set()
        self._journal, self._audience = journal, audience
        self._batch: list[e.Event] = []
        self._at = ""

    def fold(self, events: Sequence[e.Event]) -> None:
        """Fold events that the next commit makes durable, and note how far they reach."""
        for event in events:
            self._at = self._at or self._journal.now()
            reach = spread(self.state, self.state.seq + 1, self._at, event)
            self._batch.append(event)
            self.jobs |= reach.jobs
            self.files |= reach.files

    def commit(self) -> None:
        """Make the folded events durable in one flush, then tell of them.

        Raises:
            JournalFull: none of them is on the disk, but the same commit may be tried again.
            JournalFailed: none of them is on the disk; the run has to end.
        """
        if not self._batch:
            return
        entries = [
            Entry(type=name, fields=fields, v=e.VERSION)
            for name, fields in map(e.encode, self._batch)
        ]
        lines = self._journal.append(entries, at=self._at)
        for line, event in zip(lines, self._batch, strict=True):
            log.debug("%d %s", line.seq, line.type)
            self._audience.recorded(line, event)
        self._batch, self._at = [], ""
