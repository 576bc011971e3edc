"""The demo: the example production, drawn from nothing, with a contact sheet of it.

Owns the folder it draws in, and removes that only if a demo made it. Drawing itself is a run like
any other.
"""

import os
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from pipeline.commands.standing import holder
from pipeline.contact import Card, write_sheet
from pipeline.core.events import Event
from pipeline.core.evolve import evolve
from pipeline.core.observed import Live, Stepped
from pipeline.core.state import JobState, State
from pipeline.core.styles import style_names
from pipeline.errors import AnimeError
from pipeline.history import PRIVATE, restore
from pipeline.journal import InboxHeld, Line
from pipeline.journal.lock import LOCK_NAME
from pipeline.settings import Settings
from pipeline.telling import counted
from pipeline.terminal import Terminal
from pipeline.wiring import produce

EXAMPLES = Path(__file__).parents[1] / "examples"
"""Those of the clone, by a link that a wheel has the files of."""
FOLDER = Path("demo")
SHEET = "contact-sheet.png"
MARKER = ".anime-demo"
_OTHER = (PRIVATE, "*.error.txt", "*.png", "*.svg", "README.md", "pre-commit")
"""What stands beside the examples and is none, and what a run leaves if somebody made it there."""
_MARKED = "`anime demo` made this folder, and makes it anew each time.\n"


class NoDemo(AnimeError):
    """The demo's folder cannot be made."""

    exit_code: ClassVar[int] = 3


def prepare(folder: Path, examples: Path) -> None:
    """Make the demo's folder anew, with a copy of the example production.

    Raises:
        NoDemo: there are no examples, or something else stands there.
        InboxHeld: a demo is running there at this moment.
    """
    if not examples.is_dir():
        raise NoDemo(
            f"there are no examples in {examples}", "name a folder of manifests with --examples"
        )
    if os.path.lexists(folder):
        _remove(folder)
    try:
        shutil.copytree(examples, folder, ignore=shutil.ignore_patterns(*_OTHER))
        (folder / MARKER).write_text(_MARKED, encoding="utf-8")
    except OSError as error:
        raise NoDemo(f"{folder} cannot be made: {error}", "make room, or use --folder") from error


def _remove(folder: Path) -> None:
    empty = folder.is_dir() and not folder.is_symlink() and not any(folder.iterdir())
    if folder.is_symlink() or not (empty or (folder / MARKER).is_file()):
        raise NoDemo(
            f"{folder} was not made by a demo, so it stays as it is",
            "move it away, or name another place with --folder",
        )
    held = holder(folder / PRIVATE)
    if held is not None:
        raise InboxHeld(
            lock=folder / PRIVATE / LOCK_NAME, pid=held.pid, host=held.host, started=held.started
        )
    shutil.rmtree(folder)


def demo(settings: Settings, *, keep: bool, terminal: Terminal) -> int:
    """Draw all of the prepared folder `settings.inbox`; returns the exit code.

    With `keep` the page is served, and the run stays until it is stopped.
    """
    began = time.monotonic()

    def finished(state: State) -> None:
        _finish(settings.inbox, state, time.monotonic() - began, terminal.note)

    if not keep:
        with terminal:
            code = produce(settings, once=True, page=False, audience=terminal, note=terminal.note)
        finished(restore(settings.inbox))
        return code
    watched = _Finish(terminal, restore(settings.inbox), finished)
    with terminal:
        return produce(settings, once=False, page=True, audience=watched, note=terminal.note)


def _finish(folder: Path, state: State, seconds: float, note: Callable[[str, str], None]) -> None:
    cards = cards_of(folder, state)
    note("pictures", f"{counted(len(cards), 'picture')} in {seconds:.1f} s, in {folder}")
    if cards:
        several = counted(len({card.style for card in cards if card.style}), "style")
        cast = counted(len(state.characters), "character")
        subtitle = f"{cast} · {counted(len(cards), 'picture')} · {several}"
        write_sheet(cards, folder / SHEET, title="anime demo", subtitle=subtitle)
        note("sheet", str(folder / SHEET))


def cards_of(folder: Path, state: State) -> list[Card]:
    """The finished pictures of all jobs in force, in the order they were asked for."""
    jobs = sorted(state.jobs.values(), key=lambda job: job.order)
    return [
        Card(
            file=folder / image.file,
            name=image.file.removesuffix(".png").rpartition("/")[2],
            style=_style(state, job),
        )
        for job in jobs
        if job.takes and not job.withdrawn
        for _, image in sorted(job.takes[-1].images.items())
        if (folder / image.file).is_file()
    ]


def _style(state: State, job: JobState) -> str:
    """The style the job was drawn in; '' for none."""
    project = state.projects.get(job.project) if job.project else None
    said = job.spec.style or (project.spec.style if project else None)
    return ", ".join(name for name in style_names(said) if name.casefold() != "none")


class _Finish:
    """Tells the terminal everything, and says once that all is drawn."""

    def __init__(self, terminal: Terminal, state: State, finished: Callable[[State], None]) -> None:
        self._terminal, self._state, self._finished = terminal, state, finished
        self._said = False

    def recorded(self, line: Line, event: Event) -> None:
        """A fact is on disk."""
        self._terminal.recorded(line, event)
        if self._said:
            return
        evolve(self._state, line.seq, line.at, event)
        if self._state.finished and not self._state.owed:
            self._said = True
            # Drawing the sheet takes longer than an audience may.
            threading.Thread(target=self._finished, args=(self._state,), name="sheet").start()

    def ticked(self, tick: Stepped) -> None:
        """A step is done."""
        self._terminal.ticked(tick)

    def changed(self, live: Live) -> None:
        """What the workers do is different now."""
        self._terminal.changed(live)
