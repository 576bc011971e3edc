"""A run as a person at the terminal sees it: what was drawn, what went wrong, what is in work.

Owns the look. On a terminal the workers' progress moves at the bottom; elsewhere there are plain
lines only. Text of jobs and manifests is never markup. A terminal that goes away stops nothing.
"""

from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console, Group
from rich.live import Live as Moving
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from pipeline.core import events as e
from pipeline.core.events import Event
from pipeline.core.observed import Live, Stepped, WorkerLive
from pipeline.journal import Line
from pipeline.telling import VERB_WIDTH, Told, clean, counted, told
from pipeline.voice import Voice

_STYLES = {"good": "green", "bad": "bold red", "plain": "cyan", "quiet": "dim"}
_BAR = 24
"""Columns of a progress bar."""


class _Console(Console):
    """A console that goes quiet, instead of ending the program, once nobody reads it."""

    def on_broken_pipe(self) -> None:
        self.quiet = True


class Terminal(Voice):
    """Writes to `stream`; from enter to exit the progress is on the terminal."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._console = _Console(
            file=stream, markup=False, highlight=False, emoji=False, soft_wrap=True
        )
        self._lively = self._console.is_terminal
        self._workers: tuple[WorkerLive, ...] = ()
        self._steps: dict[str, tuple[int, int]] = {}
        self._drawn = self._troubles = 0
        self._gone = False
        self._moving: Moving | None = None

    def __enter__(self) -> Self:
        if self._lively:
            self._moving = Moving(
                get_renderable=self._progress, console=self._console, refresh_per_second=8,
                transient=True, redirect_stdout=False, redirect_stderr=False,
            )  # fmt: skip
            self._moving.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        moving, self._moving = self._moving, None
        if moving is not None:
            with suppress(OSError):
                moving.stop()

    def changed(self, live: Live) -> None:
        """What the workers do is different now."""
        busy = {worker.name for worker in live.workers if worker.phase == "rendering"}
        self._steps = {name: steps for name, steps in self._steps.items() if name in busy}
        self._workers = live.workers
        super().changed(live)

    def recorded(self, line: Line, event: Event) -> None:
        """A fact is on disk."""
        match event:
            case e.ImageRendered() | e.ImageReused():
                self._drawn += 1
            case e.RenderFailed() | e.JobQuarantined() | e.ManifestRejected():
                self._troubles += 1
            case _:
                pass
        one = told(event)
        if one.tone != "quiet":
            self.show(one)

    def ticked(self, tick: Stepped) -> None:
        """A step is done."""
        self._steps = self._steps | {tick.worker: (tick.step, tick.steps)}

    def show(self, one: Told) -> None:
        """Write a line and what stands below it; once the stream is gone, nothing."""
        if self._gone:
            return
        text = Text()
        text.append(f"{one.verb:<{VERB_WIDTH - 2}}", _STYLES[one.tone])
        text.append("  " + one.subject)
        if one.more:
            text.append("  " + "  ".join(one.more), "dim")
        for line in one.below:
            text.append(f"\n{'':{VERB_WIDTH}}{line}")
        try:
            self._console.print(text)
            self._console.file.flush()
        except (OSError, ValueError):
            # Nobody reads any more; the run goes on.
            self._gone = True

    def _progress(self) -> Group:
        table = Table.grid(padding=(0, 1))
        table.add_column(no_wrap=True)
        table.add_column(width=_BAR)
        table.add_column(no_wrap=True, justify="right", min_width=7)
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        for worker in self._workers:
            table.add_row(*self._row(worker))
        trouble = f" · {counted(self._troubles, 'problem')}" if self._troubles else ""
        foot = Text(f"{counted(self._drawn, 'picture')} so far{trouble}", "dim")
        return Group(*self._lines(table), foot)

    def _lines(self, table: Table) -> Sequence[Table | Text]:
        return [table] if self._workers else [Text("loading the model …", "dim")]

    def _row(self, worker: WorkerLive) -> tuple[Text, ProgressBar | Text, Text, Text]:
        name = Text(worker.name, "dim")
        if worker.task is None or worker.phase != "rendering":
            return name, Text(""), Text(""), Text(worker.phase, "dim")
        step, steps = self._steps.get(worker.name, (worker.step, worker.steps))
        total = steps or worker.task.resolved.steps
        bar = ProgressBar(total=total, completed=step, width=_BAR)
        return name, bar, Text(f"{step}/{total}"), Text(clean(worker.task.file))
