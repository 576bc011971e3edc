"""Who says what happens in a run, line by line: the part that all who say it share.

Owns which words are said once and not for every fact, and that the log of the program's own parts
comes the same way. Never says how a line looks.
"""

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from pipeline.core.events import Event
from pipeline.core.observed import Live, Stepped
from pipeline.journal import Line
from pipeline.telling import Told, Tone, clean


class Voice(logging.Handler, ABC):
    """An Audience that also takes the log, so that both share the lines.

    Use it as a context for as long as it speaks.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._draining = False
        self._lost: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing is left to be said."""

    @contextmanager
    def hearing(self) -> Iterator[None]:
        """Takes the warnings of the whole program for as long as this lasts."""
        root = logging.getLogger()
        root.addHandler(self)
        try:
            yield
        finally:
            root.removeHandler(self)

    @abstractmethod
    def show(self, one: Told) -> None:
        """Write a line and what stands below it; once nobody reads it, nothing."""

    @abstractmethod
    def recorded(self, line: Line, event: Event) -> None:
        """A fact is on disk."""

    def ticked(self, tick: Stepped) -> None:
        """A step is done."""

    def changed(self, live: Live) -> None:
        """What the workers do, or what the program suffers from, is different now."""
        if live.draining and not self._draining:
            self.note("stopping", "when the pictures in work are done; once more stops at once")
        self._draining = live.draining
        if live.inbox_lost != self._lost:
            self._lost = live.inbox_lost
            if self._lost is None:
                self.note("back", "the inbox is whole again")
            else:
                self.show(Told(verb="lost", subject=clean(self._lost), tone="bad"))

    def note(self, verb: str, subject: str) -> None:
        """A line of the program's own, such as where the page is."""
        self.show(Told(verb=verb, subject=clean(subject)))

    def emit(self, record: logging.LogRecord) -> None:
        """A line of the log."""
        tone: Tone = "bad" if record.levelno >= logging.ERROR else "plain"
        verb = record.levelname.lower()
        self.show(Told(verb=verb, subject=clean(record.getMessage()), tone=tone))
