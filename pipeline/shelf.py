"""Pictures on their way between manifest and shelf, as the journal would have them.

Owns the order of disk and journal on that way: a picture stands where it goes to before an event
says so, and leaves its old place after. Never draws, and never decides what belongs where.
"""

import logging
import os
from collections.abc import Callable
from pathlib import Path

from pipeline import pictures
from pipeline.core import events as e
from pipeline.core import observed as o
from pipeline.core.commands import Restore
from pipeline.core.decide import sheet_shelved
from pipeline.core.keys import on_shelf, shelf_file
from pipeline.core.obey import put_back, restorable, restored
from pipeline.core.pending import (
    absent,
    displaced,
    leftovers,
    sheet_owed,
    sheet_task,
    stray_sheets,
    strays,
    task_of,
)
from pipeline.core.state import Image, JobState, State, Take
from pipeline.core.targets import Refusal

log = logging.getLogger(__name__)

Record = Callable[[list[e.Event]], None]
"""Folds events and makes them durable."""


def tidy(root: Path, state: State, key: str, record: Record, *, in_work: bool) -> None:
    """Let stand beside a manifest what its current take has, and that alone; what else the program
    drew goes to the shelf. `in_work` is whether a worker draws a picture of the job now."""
    if not in_work:
        _own_up(root, state.jobs[key], record)
    _shelve(root, state.jobs[key], record)
    _shelve_sheets(root, state.jobs[key], record)
    for image in absent(state.jobs[key]):
        _return(root, state.jobs[key], image, record)
    _return_sheet(root, state.jobs[key], record)
    _sweep(root, state.jobs[key])


def _own_up(root: Path, job: JobState, record: Record) -> None:
    """Say of a picture that it is on the shelf where that is all that is left to do."""
    for take, image in displaced(job):
        shelf = shelf_file(job.key, take.number, image.index)
        # Mostly nothing is there, and the picture itself need not be read.
        if not os.path.lexists(root / shelf) or pictures.stands(root, image.file, image.sha256):
            continue
        if pictures.stands(root, shelf, image.sha256):
            record([e.ImageShelved(job=job.key, take=take.number, index=image.index, file=shelf)])


def _shelve(root: Path, job: JobState, record: Record) -> None:
    for take, image in strays(job):
        shelf = shelf_file(job.key, take.number, image.index)
        if pictures.shelve(root, image.file, image.sha256, shelf):
            record([e.ImageShelved(job=job.key, take=take.number, index=image.index, file=shelf)])
            pictures.remove(root, image.file, image.sha256)


def _shelve_sheets(root: Path, job: JobState, record: Record) -> None:
    for take, sheet in stray_sheets(job):
        shelf = shelf_file(job.key, take.number, 0)
        if pictures.shelve(root, sheet.file, sheet.sha256, shelf):
            record([e.SheetShelved(job=job.key, take=take.number, file=shelf)])
            pictures.remove(root, sheet.file, sheet.sha256)


def _return(root: Path, job: JobState, image: Image, record: Record) -> None:
    take = job.takes[-1]
    try:
        one = _put_back(root, job, take, image)
    except (pictures.PictureError, OSError) as error:
        log.warning("%s cannot be put back: %s", image.file, error)
        return
    record(put_back(job, take.number, one))
    pictures.remove(root, image.file, image.sha256)


def _return_sheet(root: Path, job: JobState, record: Record) -> None:
    take = sheet_owed(job)
    if take is None or take.sheet is None or take.sheet.discarded:
        return
    task = sheet_task(job, take)
    try:
        placed = pictures.reuse(root, take.sheet.file, take.sheet.sha256, task)
    except (pictures.PictureError, OSError) as error:
        log.info("the sheet of %s is composed again: %s", job.key, error)
        return
    back = e.SheetRestored(job=job.key, take=take.number, file=placed.file)
    record([*sheet_shelved(job, task, shelved=placed.shelved), back])
    pictures.remove(root, take.sheet.file, take.sheet.sha256)


def _sweep(root: Path, job: JobState) -> None:
    """Take away what still stands in its old place because the program died before it was gone.

    Only what is on the shelf as well: a person may have moved the picture itself."""
    for file, kept in leftovers(job):
        if pictures.stands(root, kept.file, kept.sha256):
            pictures.remove(root, file, kept.sha256)


def restore(root: Path, state: State, look: o.Commanded, record: Record) -> set[str]:
    """Obey a `Restore`, if that is what is commanded and can be: its pictures are moved first, and
    the answer follows. Returns the jobs to tidy."""
    if not isinstance(look.said, Restore):
        return set()
    found = restorable(state, look.said.job, look.said.take)
    if isinstance(found, Refusal):
        return set()
    job, take = found
    seen = _put_back_all(root, look.command, job, take)
    record(restored(state, seen))
    for one in seen.placed:
        # It stands beside the manifest by now.
        image = take.images[one.index]
        pictures.remove(root, image.file, image.sha256)
    return {job.key}


def _put_back_all(root: Path, command: str, job: JobState, take: Take) -> o.Restored:
    """Let the pictures of an older take stand beside the manifest again, and those that stand there
    on the shelf. Nothing is touched unless all of them are there and as they were drawn."""
    placed: list[o.Replaced] = []
    images = [take.images[index] for index in sorted(take.images)]
    try:
        for image in images:
            _check(root, image)
        for image in images:
            if on_shelf(image.file):
                placed.append(_put_back(root, job, take, image))
    except (pictures.PictureError, OSError) as error:
        why, hint = _told(error)
        return o.Restored(
            command=command, job=job.key, take=take.number, placed=tuple(placed),
            error=f"take {take.number} of {job.key} cannot be restored: {why}", hint=hint,
        )  # fmt: skip
    return o.Restored(command=command, job=job.key, take=take.number, placed=tuple(placed))


def _put_back(root: Path, job: JobState, take: Take, image: Image) -> o.Replaced:
    task = task_of(job, take, image.index)
    placed = pictures.reuse(root, image.file, image.sha256, task)
    return o.Replaced(
        index=image.index, file=placed.file, shelf=task.shelf if placed.shelved else None
    )


def _check(root: Path, image: Image) -> None:
    try:
        same = pictures.sha256_of(root / image.file) == image.sha256
    except FileNotFoundError:
        raise pictures.PictureError(f"{image.file} is gone", "it has to be drawn again") from None
    if not same:
        raise pictures.PictureError(
            f"{image.file} was changed since it was drawn", "move it elsewhere"
        )


def _told(error: Exception) -> tuple[str, str]:
    if isinstance(error, pictures.PictureError):
        return error.message, error.hint or ""
    return str(error), ""
