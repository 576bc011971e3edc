"""`anime gc --takes`: older takes' pictures go, to make room; what goes is recorded first.

Owns the order of journal and disk on that way. An event says that a picture is no longer kept, and
only then its file goes: a crash between the two leaves a file that nobody counts on, which goes the
next time, and never a journal that counts on a file that is gone. Needs the inbox for itself.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from msgspec import Struct

from pipeline import pictures
from pipeline.audience import Audiences
from pipeline.commands.steer import Refused, key_of
from pipeline.core import events as e
from pipeline.core.discard import Spare, discarded, spare
from pipeline.core.state import State
from pipeline.core.targets import Refusal, find
from pipeline.history import PRIVATE, journal_path, restore
from pipeline.journal import Journal
from pipeline.journal.line import stamp
from pipeline.ledger import Ledger
from pipeline.telling import clean, counted

BATCH = 256
"""Pictures that are recorded together."""


class Found(Struct, frozen=True, kw_only=True):
    """A picture that may go, and how it stands: `ready` as it was drawn; `leftover` of an earlier
    time that was cut short; `retouched` or `gone`, and then it is left alone."""

    spare: Spare
    stands: Literal["ready", "leftover", "retouched", "gone"]
    size: int


class Collected(Struct, frozen=True, kw_only=True):
    """What was looked at. `done` is whether what could go has gone."""

    found: tuple[Found, ...]
    done: bool

    @property
    def going(self) -> tuple[Found, ...]:
        """What has gone, or would."""
        return tuple(one for one in self.found if one.stands in ("ready", "leftover"))


def collect(
    inbox: Path,
    names: Sequence[str] = (),
    *,
    keep: int = 1,
    days: int | None = None,
    yes: bool = False,
    clock: Callable[[], datetime],
) -> Collected:
    """Discard the pictures of older takes; without `yes`, only look which.

    `names` are jobs, projects and characters, none stands for all; `keep` takes of each job stay,
    and what was drawn within so many `days`.

    Raises:
        Refused: nothing has one of these names.
        InboxHeld: a runner is there, and it is the only writer of the journal.
        JournalDamaged, JournalFailed, JournalFull, UnknownEvent: as for a run.
    """
    before = None if days is None else stamp(clock() - timedelta(days=days))
    if not yes or not journal_path(inbox).exists():
        state = restore(inbox)
        looked = _look(inbox, state, _jobs(inbox, state, names), keep, before)
        return Collected(found=tuple(looked), done=False)
    with Journal.open(inbox / PRIVATE, clock=clock) as journal:
        state = restore(inbox)
        ledger = Ledger(journal=journal, state=state, audience=Audiences(()))
        found = list(_look(inbox, state, _jobs(inbox, state, names), keep, before))
        for start in range(0, len(found), BATCH):
            _discard(inbox, ledger, found[start : start + BATCH])
    return Collected(found=tuple(found), done=True)


def _discard(inbox: Path, ledger: Ledger, found: Iterable[Found]) -> None:
    going = [one for one in found if one.stands in ("ready", "leftover")]
    ledger.fold([_event(one.spare) for one in going if one.stands == "ready"])
    ledger.commit()
    for one in going:
        # Looked at once more: somebody may have retouched it since.
        pictures.remove(inbox, one.spare.file, one.spare.sha256)


def _event(one: Spare) -> e.ImageDiscarded:
    return e.ImageDiscarded(job=one.job, take=one.take, index=one.index, file=one.file)


def _jobs(inbox: Path, state: State, names: Sequence[str]) -> list[str]:
    """The keys of the jobs that are meant, withdrawn ones too, each once."""
    if not names:
        return list(state.jobs)
    keys: dict[str, None] = {}
    for name in (key_of(inbox, name) for name in names):
        target = find(state, name)
        if not isinstance(target, Refusal):
            keys |= dict.fromkeys(target.jobs)
        elif name in state.jobs:
            # A withdrawn job has its takes still.
            keys[name] = None
        else:
            raise Refused(target.message, target.hint or None)
    return list(keys)


def _look(
    inbox: Path, state: State, jobs: list[str], keep: int, before: str | None
) -> Iterator[Found]:
    for one in spare(state, jobs, keep=keep, before=before):
        yield _found(inbox, one, "ready")
    for one in discarded(state, jobs):
        found = _found(inbox, one, "leftover")
        if found.stands == "leftover":
            yield found


def _found(inbox: Path, one: Spare, ready: Literal["ready", "leftover"]) -> Found:
    path = inbox / one.file
    try:
        size = path.lstat().st_size
        same = pictures.sha256_of(path) == one.sha256
    except OSError:
        return Found(spare=one, stands="gone", size=0)
    return Found(spare=one, stands=ready if same else "retouched", size=size)


def report(collected: Collected) -> Iterator[str]:
    """For a person: a line for each picture, then how much room that makes."""
    verb = "discarded" if collected.done else "would go"
    for one in collected.found:
        match one.stands:
            case "ready" | "leftover":
                yield clean(f"{verb}  {one.spare.file}  {one.size:,} bytes")
            case "retouched":
                yield clean(f"kept       {one.spare.file}  it was changed since it was drawn")
            case "gone":
                pass
    going = collected.going
    room = f"{counted(len(going), 'picture')}, {sum(one.size for one in going):,} bytes"
    if not going:
        yield "nothing to discard"
    elif collected.done:
        yield f"{room} discarded"
    else:
        yield f"{room} would go; with --yes they do"
