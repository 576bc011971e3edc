"""`anime reproduce`: a picture drawn again from its record, and whether the pixels are the same.

Owns the comparison. The drawing is that of every run: a keeper and one worker, in processes of
their own, in a folder that goes away afterwards. Writes nothing but the picture that is to be kept.
"""

import os
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import ClassVar, assert_never

from msgspec import Struct
from msgspec.structs import replace

from pipeline import __version__
from pipeline.commands.borrowing import NotDrawn, borrow
from pipeline.commands.scaffold import CannotWrite, DiskRefuses
from pipeline.core import observed as o
from pipeline.core.record import Record, excesses
from pipeline.core.resolved import Made, Model, Resolved, Task
from pipeline.errors import AnimeError
from pipeline.inscription import pixels_in, read
from pipeline.limits import allow_open_files
from pipeline.model import NOTHING_TOLD, Told, describe, name_of
from pipeline.modelfiles import ModelFiles
from pipeline.pool import WorkerPool
from pipeline.telling import clean
from pipeline.weights import ModelError

PATIENCE = 0.2
"""Seconds between two looks at the worker."""
_FILE = "picture.png"
_CONDITIONS = ("device", "dtype", "threads", "batch", "torch", "diffusers", "lean")


class NotOurs(AnimeError):
    """The picture has no record of ours, or one that asks for what cannot be drawn."""


class NoWorker(AnimeError):
    """The model does not load, or the device is not there."""

    exit_code: ClassVar[int] = 3


class Reproduced(Struct, frozen=True, kw_only=True):
    """Whether the picture's pixels are those of a new drawing, and what to say of it."""

    same: bool
    lines: tuple[str, ...]


def reproduce(
    image: Path,
    model: Path,
    keep: Path | None = None,
    inbox: Path | None = None,
    *,
    told: Told = NOTHING_TOLD,
    others: Iterable[ModelFiles] = (),
) -> Reproduced:
    """Draw the picture again with a model and what is `told` of it, or with that of `others` that
    it was drawn with; `keep` is where the new one stays. The files that it was drawn with are
    looked for in `inbox`, by their content.

    Raises:
        NotRead, NotOurs: there is nothing to draw by.
        ModelError, NoWorker: the model cannot be had.
        NotDrawn: it cannot be drawn.
        CannotWrite: something stands where the new one is to be kept.
    """
    record = _record(image)
    if keep is not None and os.path.lexists(keep):
        raise CannotWrite(f"{keep} is there already", "take another name")
    now = pixels_in(image.resolve())
    files, described = _suited(record, ModelFiles(path=model, told=told), others)
    with tempfile.TemporaryDirectory(prefix="anime-reproduce-") as folder:
        resolved = borrow(record.resolved, inbox, Path(folder))
        painted = _paint(Path(folder), record, files, resolved)
        drawn = Path(folder) / painted.file
        again = pixels_in(drawn)
        if keep is not None:
            _keep(drawn, keep)
    lines = list(_said(image, record, now, again))
    found = list(_differences(record, described, painted.made))
    if found:
        lines.append("  although this differs:" if again == now else "  what differs:")
        lines += [f"    {line}" for line in found]
    elif again not in (now, record.pixels):
        lines.append("  nothing that the record knows differs; another processor may round so")
    if keep is not None:
        lines.append(f"the new picture is {keep}")
    return Reproduced(same=again == now, lines=tuple(map(clean, lines)))


def _suited(
    record: Record, usual: ModelFiles, others: Iterable[ModelFiles]
) -> tuple[ModelFiles, Model]:
    """The model that it was drawn with, if that is among them, else the usual one. Those of its
    name are looked at first: what is in a model takes long to read."""
    mine: Model | None = None
    for each in sorted([usual, *others], key=lambda each: not _is_called(each, record.model)):
        try:
            described = describe(each.path, told=each.told)
        except ModelError:
            if each is usual:
                raise
            continue
        if described.sha256 == record.resolved.model:
            # What shows reference pictures is named once, for all models.
            shown_by = usual.told.ip_adapter, usual.told.image_encoder
            told = replace(each.told, ip_adapter=shown_by[0], image_encoder=shown_by[1])
            return replace(each, sha256=described.sha256, told=told), described
        if each is usual:
            mine = described
    assert mine is not None
    return replace(usual, sha256=mine.sha256), mine


def _is_called(files: ModelFiles, name: str) -> bool:
    try:
        return name_of(files.path) == name
    except ModelError:
        return False  # What is wrong with it is said where it is wanted.


def _record(image: Path) -> Record:
    record = read(image.resolve()).record
    if record is None:
        raise NotOurs(
            f"{image} has no record of ours, so that nothing says exactly how it was drawn",
            f"anime recipe {image} makes a job of what other tools wrote into it",
        )
    if too_much := list(excesses(record)):
        raise NotOurs(f"the record of {image} asks for what cannot be: {', '.join(too_much)}")
    return record


def _task(record: Record, resolved: Resolved) -> Task:
    """The task as it was, but for the place: nothing that a picture says names a file."""
    return Task(
        job=record.job,
        take=record.take,
        index=record.index,
        seed=record.seed,
        resolved=resolved,
        digest=record.digest,
        file=_FILE,
        manifest=record.manifest,
        commit=record.commit,
        lean=record.made.lean,
        batch=record.made.batch,
        place=record.made.place,
    )


def _paint(
    folder: Path,
    record: Record,
    files: ModelFiles,
    resolved: Resolved,
) -> o.Painted:
    """Have one worker draw it, with the record's number of threads."""
    allow_open_files()
    woken = threading.Event()
    device = "cpu" if record.made.device == "cpu" else "auto"
    pool = WorkerPool(
        folder, files, workers=1, device=device, threads=record.made.threads, wake=woken.set,
    )  # fmt: skip
    try:
        pool.start()
        submitted = False
        while True:
            for report in pool.poll():
                if (painted := _heard(report)) is not None:
                    return painted
            pool.step(time.monotonic())
            if not submitted and (free := pool.free()):
                pool.submit(free[0], _task(record, resolved))
                submitted = True
            woken.wait(PATIENCE)
            woken.clear()
    finally:
        pool.kill()


def _heard(report: o.Report) -> o.Painted | None:
    """The picture, if the report is of that."""
    match report:
        case o.Painted():
            return report
        case o.Failed(error=error):
            raise NotDrawn(f"it cannot be drawn: {error}")
        case o.Lost(detail=detail, cause=cause, task=Task()):
            raise NotDrawn(f"the worker that drew it died ({cause}): {detail}", "try it again")
        case o.Broken(error=error, hint=hint) | o.Unusable(error=error, hint=hint):
            raise NoWorker(error, hint or None)
        case o.Stopped() | o.Began() | o.Stepped() | o.WorkerWarm() | o.Lost() | o.Switched():
            return None
        case _:
            assert_never(report)


def _keep(drawn: Path, keep: Path) -> None:
    try:
        with open(keep, "xb") as stream:
            stream.write(drawn.read_bytes())
    except FileExistsError:
        raise CannotWrite(f"{keep} is there already", "take another name") from None
    except OSError as error:
        raise DiskRefuses(f"{keep} cannot be written: {error.strerror or error}") from error


def _said(image: Path, record: Record, now: str, again: str) -> Iterator[str]:
    if again == now:
        yield f"the same pixels: {image}"
        return
    yield f"other pixels: {image}"
    if now != record.pixels:
        what = "those of the record" if again == record.pixels else "not those of the record either"
        yield f"  the picture has been changed since it was drawn; the new pixels are {what}"


def _differences(record: Record, model: Model, made: Made) -> Iterator[str]:
    """What is not as it was then, whether it changed the pixels or not."""
    if record.resolved.model != model.sha256:
        yield (
            f"model: then {record.model} ({record.resolved.model[:12]}), "
            f"now {model.name} ({model.sha256[:12]})"
        )
    for name in _CONDITIONS:
        then, now = getattr(record.made, name), getattr(made, name)
        if then != now:
            yield f"{name}: then {then}, now {now}"
    if record.version and record.version != __version__:
        yield f"anime: then {record.version}, now {__version__}"
    if record.resolved.digest != record.digest:
        yield "record: its digest is not that of the inputs beside it"
