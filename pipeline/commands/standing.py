"""How an inbox stands, read from its journal beside a running runner or without one.

Owns the summary that `anime status` shows. Takes no lock and writes nothing.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from pipeline.alive import alive
from pipeline.core.models import Standby, name_of, standby
from pipeline.core.problem import Problem
from pipeline.core.state import JobState, State
from pipeline.core.status import Status, status, waits_for
from pipeline.history import PRIVATE, restore
from pipeline.journal.lock import LOCK_NAME, Holder
from pipeline.telling import VERB_WIDTH, clean, counted, lines, local

_ORDER: tuple[Status, ...] = (
    "done", "rendering", "queued", "held", "waiting", "failed", "quarantined", "cancelled",
    "withdrawn",
)  # fmt: skip

_AGAIN: dict[Status, str] = {
    "failed": "anime retry JOB, or change its manifest",
    "quarantined": "anime retry JOB, or change its manifest",
    "cancelled": "anime retry JOB, or change its manifest",
}
"""The way out of a status that a job does not leave by itself."""


class Job(Struct, frozen=True, kw_only=True):
    """A job: `why` says what stands against it, `pictures` are relative to the inbox; `model` is
    what its model is called, where the settings name several."""

    key: str
    status: Status
    why: str
    pictures: tuple[str, ...]
    owed: int
    model: str | None = None


class Standing(Struct, frozen=True, kw_only=True):
    """An inbox at a moment: `seq` and `at` are those of the journal's last line. `models` has how
    each model of the settings stands, and `switches` counts those of the run."""

    inbox: str
    runner: Holder | None
    seq: int
    at: str
    model: str | None
    paused: str | None
    finished: int
    counts: dict[str, int]
    jobs: tuple[Job, ...]
    rejected: dict[str, tuple[Problem, ...]]
    models: tuple[Standby, ...] = ()
    switches: int = 0


def standing(inbox: Path) -> Standing:
    """How the inbox stands now.

    Raises:
        JournalDamaged, JournalFailed, UnknownEvent: the journal cannot be read.
    """
    runner = holder(inbox / PRIVATE)
    return standing_of(inbox, restore(inbox), runner, running=runner is not None)


def standing_of(inbox: Path, state: State, runner: Holder | None, *, running: bool) -> Standing:
    """A state as the standing of an inbox; `running` is whether what it draws is being drawn."""
    jobs = tuple(_job(state, job, running=running) for job in state.jobs.values())
    return Standing(
        inbox=str(inbox),
        runner=runner,
        seq=state.seq,
        at=state.at,
        model=state.model.name if state.model else None,
        paused=state.paused,
        finished=state.finished,
        counts=dict(Counter(job.status for job in jobs)),
        jobs=jobs,
        rejected=state.rejected,
        models=tuple(
            replace(each, state="cold") if each.state == "warm" and not running else each
            for each in standby(state)
        ),
        switches=state.switches,
    )


def summary(found: Standing) -> Iterator[str]:
    """The standing as lines for a person: the whole first, then what needs somebody."""
    held = found.runner
    yield f"inbox     {clean(found.inbox)}"
    runner = f"pid {held.pid} on {held.host} since {held.started}" if held else "none"
    yield f"runner    {clean(runner)}"
    yield from _models(found)
    yield from _counts(found)
    yield from _troubles(found)
    for word, way in _AGAIN.items():
        if found.counts.get(word):
            yield f"{'try again':<{VERB_WIDTH - 2}}  a {word} job: {way}"
    yield from _rejections(found)


def summary_then(found: Standing) -> Iterator[str]:
    """The standing of an earlier moment as lines for a person, without advice for now."""
    yield f"inbox     {clean(found.inbox)}"
    moment = f", {local(found.at)}" if found.at else ""
    yield f"as of     line {found.seq} of the journal{moment}"
    yield from _counts(found)
    yield from _troubles(found)
    yield from _rejections(found)


def _models(found: Standing) -> Iterator[str]:
    """How the models stand, where the settings name some."""
    for number, each in enumerate(found.models):
        owed = sum(job.owed for job in found.jobs if job.model == each.name)
        told = [each.state, counted(owed, "picture") + " owed"] + ([each.why] if each.why else [])
        yield f"{'models' if not number else '':<10}{clean(each.name)}: {clean(', '.join(told))}"
    if found.switches:
        yield f"switches  {found.switches} since the run began"


def _counts(found: Standing) -> Iterator[str]:
    counts = [f"{found.counts[word]} {word}" for word in _ORDER if found.counts.get(word)]
    yield f"jobs      {', '.join(counts) or 'none'}"
    yield f"pictures  {found.finished}"
    if found.paused is not None:
        yield f"paused    {clean(found.paused)}"


def _troubles(found: Standing) -> Iterator[str]:
    for job in found.jobs:
        if job.why:
            yield f"{job.status:<{VERB_WIDTH - 2}}  {clean(job.key)}  {clean(job.why)}"


def _rejections(found: Standing) -> Iterator[str]:
    for file, problems in found.rejected.items():
        yield f"{'rejected':<{VERB_WIDTH - 2}}  {clean(file)}  {counted(len(problems), 'problem')}"
        for problem in problems:
            for line in lines(problem):
                yield f"{'':{VERB_WIDTH}}{line}"


def _job(state: State, job: JobState, *, running: bool) -> Job:
    word = status(state, job)
    if word == "rendering" and not running:
        # Its runner is gone without a word; the next one draws it again.
        word = "queued"
    take = job.takes[-1] if job.takes else None
    why = ""
    match word:
        case "quarantined":
            why = job.quarantined or ""
        case "failed" if take is not None:
            why = next(iter(take.failed.values()), "")
        case "waiting":
            why = str(waits_for(state, job) or "")
        case _:
            pass
    return Job(
        key=job.key,
        status=word,
        why=why,
        pictures=tuple(take.images[n].file for n in sorted(take.images)) if take else (),
        owed=len(take.owed) if take and not job.withdrawn else 0,
        model=name_of(state, job),
    )


def holder(folder: Path) -> Holder | None:
    """Who holds the inbox whose private folder this is, or None if nobody does.

    Looked up in the kernel's list of locks, since trying the lock could turn away a runner that
    starts at that moment; where there is no such list, by whether the process is alive.
    """
    path = folder / LOCK_NAME
    try:
        said = msgspec.json.decode(path.read_bytes(), type=Holder)
        inode = path.stat().st_ino
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
    try:
        locks = Path("/proc/locks").read_text(encoding="ascii")
    except OSError:
        return said if alive(said.pid) else None
    held = any(
        fields[1] == "FLOCK" and fields[5].endswith(f":{inode}")
        for line in locks.splitlines()
        if len(fields := line.split()) >= 6
    )
    return said if held else None
