"""Sheets: the pictures of a job that asks for one, labelled, on one contact sheet beside them.

Owns the thread that composes them, so that the runner waits for no pixel, and putting a sheet in
its place. What is owed is derived from the state; a sheet lost to a crash is composed again.
"""

import io
import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from pipeline import pictures
from pipeline.core import events as e
from pipeline.core.decide import sheet_shelved
from pipeline.core.pending import sheet_owed, sheet_task
from pipeline.core.state import JobState, State, Take

log = logging.getLogger(__name__)

Record = Callable[[list[e.Event]], None]
_Key = tuple[str, int]


class Sheets:
    """Composes what is owed, one sheet at a time; `wake` is called when one is ready."""

    def __init__(self, root: Path, wake: Callable[[], None]) -> None:
        self._root, self._wake = root, wake
        self._thread: ThreadPoolExecutor | None = None
        self._composing: dict[_Key, Future[bytes]] = {}

    @property
    def busy(self) -> bool:
        """Whether a sheet is being composed, or waits to be put in its place."""
        return bool(self._composing)

    def want(self, state: State, key: str) -> None:
        """Begin the job's sheet, if one is owed and nobody is at it."""
        job = state.jobs[key]
        take = sheet_owed(job)
        if take is None or (key, take.number) in self._composing:
            return
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="sheets")
        title, subtitle = _titles(state, job, take)
        future = self._thread.submit(_compose, self._root, take, title, subtitle)
        self._composing[key, take.number] = future
        future.add_done_callback(lambda _: self._wake())

    def place(self, state: State, record: Record) -> None:
        """Put the sheets that are ready in their places, and record it."""
        for (key, number), future in list(self._composing.items()):
            if not future.done():
                continue
            del self._composing[key, number]
            take = sheet_owed(state.jobs[key])
            if take is None or take.number != number:
                continue
            try:
                record(_placed(self._root, state.jobs[key], take, future.result()))
            except (OSError, ValueError, pictures.PictureError) as error:
                log.warning("%s: its sheet cannot be had: %s", key, error)

    def stop(self) -> None:
        """End the thread; what was not placed is owed still."""
        if self._thread is not None:
            self._thread.shutdown(wait=False, cancel_futures=True)
            self._thread = None


def _placed(root: Path, job: JobState, take: Take, data: bytes) -> list[e.Event]:
    task = sheet_task(job, take)
    placed = pictures.place(root, task, data)
    composed = e.SheetComposed(
        job=job.key, take=take.number, file=placed.file, sha256=placed.sha256
    )
    return [*sheet_shelved(job, task, shelved=placed.shelved), composed]


def _titles(state: State, job: JobState, take: Take) -> tuple[str, str]:
    project = state.projects.get(job.project) if job.project is not None else None
    words = [str(job.spec.sheet), project.spec.name if project else "", f"take {take.number}"]
    return ", ".join(job.spec.everybody), " · ".join(word for word in words if word)


def _compose(root: Path, take: Take, title: str, subtitle: str) -> bytes:
    # Pillow is for those who ask for a sheet; the runner starts without it.
    from pipeline.contact import Card, draw_sheet

    cards = [
        Card(
            file=root / take.images[number].file,
            name=cell.label,
            style="",
            note=f"seed {cell.seed}",
        )
        for number, cell in enumerate(take.cells, start=1)
    ]
    stream = io.BytesIO()
    draw_sheet(cards, title=title, subtitle=subtitle).save(stream, format="PNG", optimize=True)
    return stream.getvalue()
