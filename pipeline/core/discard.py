"""Which pictures may go to make room: those of older takes on the shelf, and never the current one;
sheets go as pictures do.

Pure. A picture that several takes have goes only if each of them may go. What has been retouched
shows on the disk alone, so that whoever discards looks there first.
"""

from collections.abc import Iterable, Iterator

from msgspec import Struct

from pipeline.core.keys import on_shelf
from pipeline.core.state import Image, JobState, State, Take


class Spare(Struct, frozen=True, kw_only=True):
    """A picture that may go: `file` is relative to the inbox, `at` when it was drawn; number 0 is a
    sheet."""

    job: str
    take: int
    index: int
    file: str
    sha256: str
    at: str


def spare(
    state: State, jobs: Iterable[str], *, keep: int = 1, before: str | None = None
) -> Iterator[Spare]:
    """The pictures of these jobs that may go, take by take.

    `keep` takes of each job stay: the current one, and the newest beside it. `before` is a moment
    as the journal writes it; what was drawn later stays.
    """
    for key in jobs:
        job = state.jobs[key]
        kept = _kept(job, keep)
        claimed = {
            image.file
            for take in job.takes
            for image in take.pictures
            if not image.discarded and (take.number in kept or not _older(image, before))
        }
        said: set[str] = set()
        for take in job.takes:
            for image in take.pictures:
                if image.discarded or not on_shelf(image.file) or image.file in claimed | said:
                    continue
                said.add(image.file)
                yield _spare(job, take, image)


def discarded(state: State, jobs: Iterable[str]) -> Iterator[Spare]:
    """The pictures of these jobs that were discarded before, whose files may still be there."""
    for key in jobs:
        job = state.jobs[key]
        alive = {image.file for take in job.takes for image in take.pictures if not image.discarded}
        for take in job.takes:
            for image in take.pictures:
                if image.discarded and on_shelf(image.file) and image.file not in alive:
                    yield _spare(job, take, image)


def _kept(job: JobState, keep: int) -> set[int]:
    """The numbers of the takes that stay: the last is the current one, whatever its number."""
    if not job.takes:
        return set()
    current = job.takes[-1].number
    others = sorted((take.number for take in job.takes[:-1] if take.images), reverse=True)
    return {current, *others[: max(0, keep - 1)]}


def _older(image: Image, before: str | None) -> bool:
    return before is None or image.at < before


def _spare(job: JobState, take: Take, image: Image) -> Spare:
    return Spare(
        job=job.key, take=take.number, index=image.index, file=image.file, sha256=image.sha256,
        at=image.at,
    )  # fmt: skip
