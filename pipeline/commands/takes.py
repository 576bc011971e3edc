"""The takes of a job, as `anime takes` lists them. Owns the list; reads the journal only."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from msgspec import Struct

from pipeline.commands.steer import Refused, key_of
from pipeline.core.keys import on_shelf
from pipeline.core.state import JobState, Take
from pipeline.core.targets import Refusal, find_job
from pipeline.history import restore
from pipeline.telling import clean, counted


class Picture(Struct, frozen=True, kw_only=True):
    """A picture that was drawn; `shelved` is whether `file` is on the shelf, not beside the
    manifest, and `discarded` whether it is no longer kept."""

    index: int
    label: str
    seed: int
    file: str
    sha256: str
    shelved: bool
    discarded: bool


class Listed(Struct, frozen=True, kw_only=True):
    """A take: `count` pictures were asked for, `pictures` are there; `restored` is whether it was
    made the current one again."""

    number: int
    at: str
    reason: str
    current: bool
    restored: bool
    count: int
    pictures: tuple[Picture, ...]
    failed: dict[int, str]


class Takes(Struct, frozen=True, kw_only=True):
    """All takes of a job, by their numbers."""

    job: str
    takes: tuple[Listed, ...]


def takes_of(inbox: Path, name: str) -> Takes:
    """The takes of the job of that name.

    Raises:
        Refused: there is no such job.
        JournalDamaged, JournalFailed, UnknownEvent: the journal cannot be read.
    """
    state = restore(inbox)
    name = key_of(inbox, name)
    # A withdrawn job has its takes still.
    job = state.jobs.get(name) or find_job(state, name)
    if isinstance(job, Refusal):
        raise Refused(job.message, job.hint or None)
    listed = (_listed(job, take) for take in job.takes)
    return Takes(job=job.key, takes=tuple(sorted(listed, key=lambda take: take.number)))


def report(found: Takes) -> Iterator[str]:
    """The list for a person: a line for each take, and below it where its pictures stand."""
    if not found.takes:
        yield f"{clean(found.job)} has no take yet"
    for take in found.takes:
        when = f"{datetime.fromisoformat(take.at).astimezone():%Y-%m-%d %H:%M:%S}"
        count = counted(len(take.pictures), "picture")
        of = "" if len(take.pictures) == take.count else f" of {take.count}"
        marks = (["current"] if take.current else []) + (["restored"] if take.restored else [])
        told = [f"take {take.number}", when, take.reason, count + of, *marks]
        yield "  ".join(told)
        for picture in take.pictures:
            label = f"  {picture.label}" if picture.label else ""
            gone = "  discarded" if picture.discarded else ""
            yield clean(f"    {picture.file}  seed {picture.seed}{label}{gone}")
        for index in sorted(take.failed):
            yield clean(f"    picture {index} failed: {take.failed[index]}")


def _listed(job: JobState, take: Take) -> Listed:
    pictures = (
        Picture(
            index=index, label=take.cells[index - 1].label, seed=image.seed, file=image.file,
            sha256=image.sha256, shelved=on_shelf(image.file),
            discarded=image.discarded,
        )
        for index, image in sorted(take.images.items())
    )  # fmt: skip
    return Listed(
        number=take.number,
        at=take.at,
        reason=take.reason,
        current=take is job.takes[-1],
        restored=take.restored,
        count=len(take.cells),
        pictures=tuple(pictures),
        failed=take.failed,
    )
