"""The takes of a job, as `anime takes` lists them. Owns the list; reads the journal only."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from msgspec import Struct

from pipeline.commands.steer import Refused, key_of
from pipeline.core.keys import on_shelf
from pipeline.core.state import JobState, Take, Verdict
from pipeline.core.targets import Refusal, find_job
from pipeline.history import restore
from pipeline.telling import clean, counted

Verdicts = frozenset[Verdict | None]
"""What may have been said of the pictures that are wanted; None in it is nothing at all."""


class Picture(Struct, frozen=True, kw_only=True):
    """A picture that was drawn; `shelved` is whether `file` is on the shelf, not beside the
    manifest, and `discarded` whether it is no longer kept; `verdict` is what a
    person said of it."""

    index: int
    label: str
    seed: int
    file: str
    sha256: str
    shelved: bool
    discarded: bool
    verdict: Verdict | None


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


def takes_of(inbox: Path, name: str, wanted: Verdicts | None = None) -> Takes:
    """The takes of the job of that name; with `wanted` only those with such pictures, and of them
    only these.

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
    return _takes(job, wanted)


def all_takes(inbox: Path, wanted: Verdicts) -> tuple[Takes, ...]:
    """The takes of every job that has such pictures, withdrawn ones too.

    Raises:
        JournalDamaged, JournalFailed, UnknownEvent: the journal cannot be read.
    """
    jobs = sorted(restore(inbox).jobs.values(), key=lambda job: job.key)
    return tuple(found for job in jobs if (found := _takes(job, wanted)).takes)


def _takes(job: JobState, wanted: Verdicts | None) -> Takes:
    listed = [_listed(job, take, wanted) for take in job.takes]
    if wanted is not None:
        listed = [take for take in listed if take.pictures]
    return Takes(job=job.key, takes=tuple(sorted(listed, key=lambda take: take.number)))


def report(found: Takes, *, named: bool = False) -> Iterator[str]:
    """The list for a person: a line for each take, and below it where its pictures stand. `named`
    has the job's name above them."""
    if named:
        yield clean(found.job)
    if not found.takes:
        yield f"{clean(found.job)} has no such take"
    for take in found.takes:
        when = f"{datetime.fromisoformat(take.at).astimezone():%Y-%m-%d %H:%M:%S}"
        count = counted(len(take.pictures), "picture")
        of = "" if len(take.pictures) == take.count else f" of {take.count}"
        marks = (["current"] if take.current else []) + (["restored"] if take.restored else [])
        told = [f"take {take.number}", when, take.reason, count + of, *marks]
        yield "  ".join(told)
        for picture in take.pictures:
            label = f"  {picture.label}" if picture.label else ""
            gone = "discarded" if picture.discarded else None
            said = "".join(f"  {mark}" for mark in (picture.verdict, gone) if mark)
            yield clean(f"    {picture.file}  seed {picture.seed}{label}{said}")
        for index in sorted(take.failed):
            yield clean(f"    picture {index} failed: {take.failed[index]}")


def _listed(job: JobState, take: Take, wanted: Verdicts | None) -> Listed:
    pictures = (
        Picture(
            index=index, label=take.cells[index - 1].label, seed=image.seed, file=image.file,
            sha256=image.sha256, shelved=on_shelf(image.file),
            discarded=image.discarded, verdict=image.verdict,
        )
        for index, image in sorted(take.images.items())
        if wanted is None or image.verdict in wanted
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
