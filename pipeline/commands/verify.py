"""`anime verify`: whether every finished picture still is on the disk, as it was drawn.

Owns the comparison, beside a runner or without one, and its words. Reads alone; drawing again is a
command to the runner. A finding is looked at once more with the journal as it is by then: a picture
that was moved meanwhile is no finding.
"""

import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from msgspec import Struct

from pipeline.commands.standing import holder
from pipeline.commands.steer import Refused, key_of
from pipeline.core.state import State
from pipeline.core.targets import Refusal, find
from pipeline.core.vanished import Counted, counted_on
from pipeline.history import PRIVATE, restore
from pipeline.telling import clean, counted
from pipeline.vanished import Stands, stands

SETTLING = 0.5
"""Seconds within which a runner has recorded what it has put in place."""
_WORDS: dict[Stands, str] = {
    "gone": "it is not there",
    "changed": "it is not as it was drawn",
    "unreadable": "it cannot be read",
}


class Finding(Struct, frozen=True, kw_only=True):
    """A picture that is not as the journal has it; `current` is whether it is one of the job's
    current take, `sha256` that of the file as it was drawn."""

    job: str
    take: int
    index: int
    file: str
    sha256: str
    stands: Stands
    current: bool


class Verified(Struct, frozen=True, kw_only=True):
    """What was looked at: so many pictures, and those among them that are not as they were."""

    checked: int
    found: tuple[Finding, ...]

    @property
    def redrawable(self) -> bool:
        """Whether drawing again would change anything."""
        return any(one.stands == "gone" for one in self.found)


def verify(inbox: Path, name: str | None = None) -> Verified:
    """Compare the pictures of a job, project or character, or all, with the journal.

    Jobs whose manifest is gone are left out.

    Raises:
        Refused: nothing has that name.
        JournalDamaged, JournalFailed, UnknownEvent: the journal cannot be read.
    """
    counted = list(_counted(inbox, restore(inbox), name))
    found = _amiss(inbox, counted)
    if found:
        if holder(inbox / PRIVATE) is not None:
            # A picture is in place before the journal says so.
            time.sleep(SETTLING)
        doubtful = {(one.file, one.sha256) for one in found}
        again = _counted(inbox, restore(inbox), name)
        found = _amiss(inbox, (one for one in again if (one.file, one.sha256) in doubtful))
    return Verified(
        checked=len(counted),
        found=tuple(
            Finding(
                job=one.job, take=one.take, index=one.index, file=one.file, sha256=one.sha256,
                stands=how, current=one.current,
            )
            for one, how in found.items()
        ),
    )  # fmt: skip


def _counted(inbox: Path, state: State, name: str | None) -> Iterator[Counted]:
    meant = find(state, None if name is None else key_of(inbox, name))
    if isinstance(meant, Refusal):
        raise Refused(meant.message, meant.hint or None)
    for key in meant.jobs:
        yield from counted_on(state.jobs[key])


def _amiss(inbox: Path, counted: Iterable[Counted]) -> dict[Counted, Stands]:
    found = ((one, stands(inbox, one)) for one in counted)
    return {one: how for one, how in found if how != "whole"}


def report(found: Verified, *, asked: bool = False) -> Iterator[str]:
    """For a person: a line for each finding, then the whole, and the way out unless it was asked
    for."""
    for one in found.found:
        older = "" if one.current else "  older take"
        place = f"take {one.take} of {one.job} [{one.index}]{older}"
        yield clean(f"{one.stands:<10}  {one.file}  {place}  {_WORDS[one.stands]}")
    if not found.found:
        yield f"{counted(found.checked, 'picture')}, all as they were drawn"
        return
    yield f"{len(found.found)} of {counted(found.checked, 'picture')} not as drawn"
    if found.redrawable and not asked:
        yield "anime verify --redraw draws again what has gone of current takes"
