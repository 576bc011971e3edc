"""A whole run put together: journal, inbox, workers, page and runner, and their end in order.

Owns which parts there are and the signals. Never decides anything about a job, and never imports
torch; the page's code only where a page is wanted.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

from pipeline import __version__, pictures
from pipeline.audience import Audience, Audiences
from pipeline.core import events as e
from pipeline.core.pending import first_model
from pipeline.core.state import State
from pipeline.history import PRIVATE, inbox_at, journal_path
from pipeline.inbox.watch import Inbox
from pipeline.journal import Journal, JournalFull
from pipeline.limits import allow_open_files, threads_each
from pipeline.notify import notifier
from pipeline.parts import Pool
from pipeline.pool import Manner, Several, WorkerPool
from pipeline.room import Room
from pipeline.runner import Runner
from pipeline.settings import Settings
from pipeline.settled import resume
from pipeline.stock import Stock, take_stock

STARTED_PAUSED = "started paused, as the settings ask (on_start)"
INTERRUPTED = 130
ROOM = 2.0
"""Seconds between two looks whether there is room to begin."""


def produce(
    settings: Settings,
    *,
    once: bool,
    page: bool,
    audience: Audience,
    note: Callable[[str, str], None],
    clock: Callable[[], datetime] | None = None,
) -> int:
    """Run an inbox until it is stopped, or until all that is owed is drawn; returns the exit code.

    `note` is given a verb and a text for what is said once, such as the page's address. `clock` is
    the wall clock that dates events, the system's by default; nothing hangs on it but dates.

    Raises:
        NoInbox, InboxHeld, JournalDamaged, JournalFailed, ModelError, CannotListen, NeedsToken,
            NoWorkers, and of a cluster NoRay, Unprotected, CannotReach: by then nothing of the run
            is left behind.
    """
    root = inbox_at(settings.inbox).resolve()
    allow_open_files()
    with ExitStack() as ending:
        clock = clock or _now
        cluster = _cluster(settings.cluster, ending) if settings.cluster else None
        journal = ending.enter_context(_journal(root / PRIVATE, clock, once=once, note=note))
        if journal.cut is not None:
            cut = journal.cut
            note("cut", f"a torn end of the journal ({cut.size} bytes), kept as {cut.saved}")
        hashes = root / PRIVATE / "cache" / "model-hashes.json"
        stock = take_stock(settings, hashes)
        resumed = resume(root)
        state = resumed.state
        audiences: list[Audience] = [audience]
        if page:
            audiences.append(_page(settings, root, state.copy(), ending, note))
        # A large inbox is looked through here: who opens the page need not wait for that.
        first = first_model(state, stock.usual.sha256, stock.files)
        pictures.sweep(root)
        inbox = Inbox(
            root, polling=settings.polling, adapters=stock.adapters, known=resumed.files
        )  # fmt: skip
        inbox.start()
        ending.callback(inbox.stop)
        started = e.RunnerStarted(
            version=__version__, **stock.started, workers=settings.workers, device=settings.device,
            pid=os.getpid(), pause_after=settings.pause_after, batch_size=settings.batch,
            warm="" if first == stock.usual.sha256 else first,
        )  # fmt: skip
        several = Several(
            others=stock.others, first=first,
            room=Room(weights=stock.weights, most=settings.models_resident),
        )  # fmt: skip
        given: dict[str, Any] = {
            "workers": settings.workers, "device": settings.device, "wake": inbox.wake,
            "several": several, "manner": Manner(
                previews=settings.previews if page else 0, batch=settings.batch,
                start_method=settings.start_method, denoising=settings.denoising,
            ),
        }  # fmt: skip
        usual, threads = stock.files[stock.usual.sha256], settings.threads
        pool: Pool = (
            WorkerPool(root, usual, threads=threads, hashes=hashes, **given)
            if cluster is None
            # As many on all nodes as a worker would have here: their number changes rounding.
            else cluster(root, usual, threads=threads or threads_each(settings.workers), **given)
        )
        manager = notifier(os.environ, state)
        if manager is not None:
            ending.callback(manager.close)
            audiences.append(manager)

        def turned(now: float) -> None:
            if manager is not None:
                manager.turned(now, pool.live())

        runner = Runner(
            root=root, inbox=inbox, journal=journal, pool=pool, resumed=resumed,
            audience=Audiences(audiences), opening=[started, *_start(settings, state)], once=once,
            grace=settings.grace, unload_after=60 * settings.unload_after, turned=turned,
        )  # fmt: skip
        with _stopping(runner.stop) as caught:
            note("watching", f"{root} with model {stock.usual.name}{_others(stock)}")
            code = runner.run()
    interrupted = signal.SIGINT in caught or (once and caught)
    return INTERRUPTED if interrupted else code


def _cluster(address: str, ending: ExitStack) -> Callable[..., Pool]:
    """What makes a pool of all nodes' workers, until `ending` ends; Ray is imported only here."""
    from pipeline.cluster import ClusterPool
    from pipeline.cluster.rays import connect

    fleet = connect(address)
    ending.callback(fleet.close)
    return partial(ClusterPool, fleet=fleet)


def _others(stock: Stock) -> str:
    usual = stock.usual.sha256
    names = [each.name for each in stock.offered if each.model and each.model.sha256 != usual]
    return f", and {', '.join(names)} where asked for" if names else ""


def _journal(
    private: Path,
    clock: Callable[[], datetime],
    *,
    once: bool,
    note: Callable[[str, str], None],
) -> Journal:
    """The open journal; where there is no room to begin, it is waited for, unless it runs once."""
    told = ""
    while True:
        try:
            return Journal.open(private, clock=clock)
        except JournalFull as error:
            if once:
                raise
            if error.message != told:
                note("waiting", f"for room: {error.message}")
            told = error.message
            time.sleep(ROOM)


def _page(
    settings: Settings,
    root: Path,
    state: State,
    ending: ExitStack,
    note: Callable[[str, str], None],
) -> Audience:
    """The page, listening, until `ending` ends; `state` is to be its own."""
    from pipeline.server import Server

    server = Server(
        inbox=root, journal=journal_path(root), state=state,
        host=settings.host, port=settings.port, token=settings.token, also=settings.names,
    )  # fmt: skip
    url = server.start()
    ending.callback(server.stop)
    note("page", url)
    return server


def _start(settings: Settings, state: State) -> Sequence[e.Event]:
    """What `on_start` makes of the queue; a pause that somebody asked for stays."""
    if settings.on_start == "paused" and state.paused is None:
        return [e.QueuePaused(reason=STARTED_PAUSED, by="settings")]
    if settings.on_start == "run" and state.paused_by in ("settings", "disk"):
        return [e.QueueResumed()]
    return []


@contextmanager
def _stopping(stop: Callable[[], None]) -> Iterator[list[int]]:
    """Turns SIGINT, SIGTERM and SIGHUP into `stop`; yields those that came, as they come."""
    caught: list[int] = []

    def handle(number: int, frame: FrameType | None) -> None:
        caught.append(number)
        stop()

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _now() -> datetime:
    return datetime.now(UTC)
