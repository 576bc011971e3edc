"""What ran when on which worker: the timeline of a night.

Owns the spans of time in which workers drew, with how each ended, and what else went wrong; both
bounded, the oldest let go. Reads the journal once, when somebody first asks, up to where the server
began; what came later it is told. Lives in one event loop, but for that reading.
"""

import asyncio
import logging
from collections import deque
from datetime import datetime, timedelta
from itertools import takewhile
from pathlib import Path
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace
from starlette.concurrency import run_in_threadpool

from pipeline.core import events as e
from pipeline.errors import AnimeError
from pipeline.history import event_of
from pipeline.journal import replay
from pipeline.server.view import picture_id

MOST = 20_000
"""Spans that are kept: three workers draw so many in a night of pictures of five seconds."""
TROUBLES = 500

_TYPES = {
    "runner_started", "render_started", "image_rendered", "render_failed", "worker_lost",
    "job_cancelled", "job_withdrawn", "render_requested",
}  # fmt: skip

_log = logging.getLogger(__name__)

_Place = tuple[str, int, int]
_End = Literal["drawn", "failed", "lost", "stopped"]
_Fact = tuple[str, e.Event]


class Span(Struct, frozen=True, kw_only=True):
    """A worker at a picture, from `began` to `ended` (None: it still draws).

    `lost` is a picture whose worker, or whose program, ended before it was done; `stopped` one that
    is no longer asked for. `why` says what went wrong, if anything did.
    """

    worker: str
    job: str
    picture: str
    take: int
    index: int
    began: str
    ended: str | None = None
    how: Literal["drawing"] | _End = "drawing"
    why: str = ""


class Trouble(Struct, frozen=True, kw_only=True):
    """Something that went wrong, and when; `job` where it was a job's picture."""

    at: str
    worker: str | None
    job: str | None
    text: str


class Story(Struct, frozen=True, kw_only=True):
    """The timeline from `since` on; `starts` are the starts of the program, `last` is when
    something last ended, also before `since`."""

    since: str
    now: str
    last: str | None
    starts: tuple[str, ...]
    spans: tuple[Span, ...]
    troubles: tuple[Trouble, ...]


class Fold:
    """Spans and troubles, folded from facts in their order."""

    def __init__(self) -> None:
        self.spans: deque[Span] = deque(maxlen=MOST)
        self.troubles: deque[Trouble] = deque(maxlen=TROUBLES)
        self.starts: deque[str] = deque(maxlen=TROUBLES)
        self.open: dict[_Place, Span] = {}
        self._last = ""

    def fold(self, at: str, event: e.Event) -> None:
        """One more fact; most say nothing of the timeline."""
        match event:
            case e.RunnerStarted():
                self.starts.append(at)
                # A program that was killed left them so, some time after its last sign of life.
                self._end_all(self._last, "lost", why="the program ended before it was done")
            case e.RenderStarted():
                self._begin(at, event)
            case e.ImageRendered():
                self._end((event.job, event.take, event.index), at, "drawn")
            case e.RenderFailed():
                place = (event.job, event.take, event.index)
                worker = self.open[place].worker if place in self.open else None
                self._end(place, at, "failed", event.error)
                self._trouble(at, worker, event.job, event.error)
            case e.WorkerLost():
                text = f"{event.cause.replace('_', ' ')}: {event.detail}"
                self._end_all(at, "lost", worker=event.worker, why=text)
                self._trouble(at, event.worker, event.job, text)
            case e.JobCancelled(job=job) | e.JobWithdrawn(key=job) | e.RenderRequested(job=job):
                self._end_all(at, "stopped", job=job)
            case _:
                return
        self._last = at

    def _begin(self, at: str, event: e.RenderStarted) -> None:
        place = (event.job, event.take, event.index)
        # A worker draws one picture at a time, and a picture is drawn by one worker.
        self._end_all(at, "stopped", worker=event.worker)
        self._end(place, at, "stopped")
        self.open[place] = Span(
            worker=event.worker, job=event.job, picture=picture_id(*place), take=event.take,
            index=event.index, began=at,
        )  # fmt: skip

    def _end_all(
        self, at: str, how: _End, *, worker: str | None = None, job: str | None = None,
        why: str = "",
    ) -> None:  # fmt: skip
        for place, span in list(self.open.items()):
            if worker in (None, span.worker) and job in (None, span.job):
                self._end(place, at, how, why)

    def _end(self, place: _Place, at: str, how: _End, why: str = "") -> None:
        span = self.open.pop(place, None)
        if span is not None:
            self.spans.append(replace(span, ended=max(at, span.began), how=how, why=why))

    def _trouble(self, at: str, worker: str | None, job: str | None, text: str) -> None:
        self.troubles.append(Trouble(at=at, worker=worker, job=job, text=text))


class Night:
    """The timeline of one journal; `seq` is the last fact in it that is not told by `heard`."""

    def __init__(self, journal: Path, seq: int) -> None:
        self._journal = journal
        self._seq = seq
        self._fold: Fold | None = None
        self._later: list[_Fact] = []
        self._reading = asyncio.Lock()

    def heard(self, seq: int, at: str, event: e.Event, kind: str) -> None:
        """A fact is on disk."""
        if seq <= self._seq or kind not in _TYPES:
            return
        if self._fold is None:
            self._later.append((at, event))
        else:
            self._fold.fold(at, event)

    async def story(self, now: datetime, hours: float) -> Story:
        """What ran in the last so many hours."""
        async with self._reading:
            if self._fold is None:
                read = await run_in_threadpool(_read, self._journal, self._seq)
                for at, event in self._later:
                    read.fold(at, event)
                self._later.clear()
                self._fold = read
        return _told(self._fold, now, hours)


def _read(journal: Path, last: int) -> Fold:
    """The fold of the journal's lines up to seq `last`."""
    fold = Fold()
    try:
        for line in takewhile(lambda line: line.seq <= last, replay(journal)):
            if line.type in _TYPES:
                fold.fold(line.at, event_of(line))
    except AnimeError as error:
        # The runner finds and says it; the timeline begins where the journal can be read again.
        _log.warning("the timeline lacks what the journal cannot give: %s", error)
    return fold


def _told(fold: Fold, now: datetime, hours: float) -> Story:
    since = _stamp(now - timedelta(hours=hours))
    spans = [span for span in fold.spans if span.ended is not None and span.ended >= since]
    return Story(
        since=since,
        now=_stamp(now),
        last=fold.spans[-1].ended if fold.spans else None,
        starts=tuple(at for at in fold.starts if at >= since),
        spans=(*spans, *fold.open.values()),
        troubles=tuple(trouble for trouble in fold.troubles if trouble.at >= since),
    )


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
