"""What a run would do now, without doing it: the files as they stand, folded over the journal.

Owns the rehearsal and how a plan reads. Finding, deciding and resolving are the runner's own code.
Takes no lock and writes nothing but the model's remembered hashes.
"""

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import msgspec
from msgspec import Struct

from pipeline import __version__
from pipeline.adapters import Adapters
from pipeline.commands.checking import looks_of, shown
from pipeline.core import events as e
from pipeline.core import observed as o
from pipeline.core.commands import Restore
from pipeline.core.decide import decide, request
from pipeline.core.declare import file_gone, file_seen
from pipeline.core.ip_adapters import ReferenceModel
from pipeline.core.obey import restorable, restored
from pipeline.core.pending import first_model
from pipeline.core.plan import Plan, Planned, plan
from pipeline.core.problem import Problem
from pipeline.core.resolved import Model, Offered
from pipeline.core.ripple import spread
from pipeline.core.state import State
from pipeline.core.targets import Refusal
from pipeline.history import PRIVATE
from pipeline.inbox import files
from pipeline.orders import Orders
from pipeline.pictures import stands
from pipeline.room import Room, free_memory, has_gpu
from pipeline.settings import Settings
from pipeline.settled import Resumed, resume
from pipeline.stock import take_stock
from pipeline.telling import VERB_WIDTH, clean, counted, lines

MOST_PASSES = 10
_ORDER = ("render", "reuse", "stale", "waiting", "held", "failed", "quarantined", "cancelled",
          "done")  # fmt: skip


class Rehearsed(Struct, frozen=True, kw_only=True):
    """A plan, and what is wrong with manifests."""

    inbox: str
    plan: Plan
    problems: tuple[Problem, ...]


def rehearse(settings: Settings) -> Rehearsed:
    """The plan of the inbox that the settings name.

    Raises:
        ModelError: the model is not there or not whole.
        JournalDamaged, JournalFailed, UnknownEvent: the journal cannot be read.
    """
    root = settings.inbox
    hashes = root / PRIVATE / "cache/model-hashes.json"
    stock = take_stock(settings, hashes)
    state = rehearsed(
        root, stock.usual, workers=settings.workers, adapters=stock.adapters, models=stock.offered,
        reference_model=stock.reference_model,
    )  # fmt: skip
    room = Room(
        weights=stock.weights,
        most=settings.models_resident,
        free=0 if settings.device == "cuda" or (settings.device == "auto" and has_gpu())
        else free_memory(),
    )  # fmt: skip
    found = plan(state, lambda drawn: stands(root, drawn.file, drawn.sha256), room.fits)
    problems = [shown(each, root, Path.cwd()) for of in state.rejected.values() for each in of]
    return Rehearsed(inbox=str(root), plan=found, problems=tuple(problems))


def rehearsed(
    root: Path,
    model: Model,
    *,
    workers: int,
    adapters: Adapters | None = None,
    models: tuple[Offered, ...] = (),
    reference_model: ReferenceModel | None = None,
) -> State:
    """The state that the inbox would come to, were a run begun now with that model, and with these
    that manifests may name."""
    resumed = resume(root)
    state = resumed.state
    known = [each.model.sha256 for each in models if each.model is not None]
    started = e.RunnerStarted(
        version=__version__, model=model, workers=workers, device="none", pid=0, models=models,
        warm=first_model(state, model.sha256, known), reference_model=reference_model,
    )  # fmt: skip
    read = partial(looks_of, root, adapters or Adapters())
    unread, raws = _walk(root, resumed)
    looks = read(raws)
    reached = _Reached(state, resumed.jobs)
    reached.fold([started])
    there = unread.keys() | {look.file for look in looks}
    for file in sorted((state.files.keys() | state.rejected.keys()) - there):
        reached.fold(file_gone(state, file))
    for _ in range(MOST_PASSES):
        before = state.seq
        for look in looks:
            reached.fold(file_seen(state, look))
        more = sorted(reached.files & unread.keys())
        looks += read([unread.pop(file) for file in more])
        if state.seq == before and not more:
            break
    reached.request()
    _obey(root, state)
    return state


class _Reached:
    """Folds what would be recorded, at no time at all; `jobs` and `files` are what that reaches."""

    def __init__(self, state: State, jobs: Iterable[str] = ()) -> None:
        self.state, self.jobs, self.files = state, set(jobs), set[str]()

    def fold(self, events: Iterable[e.Event]) -> None:
        for event in events:
            reach = spread(self.state, self.state.seq + 1, "", event)
            self.jobs |= reach.jobs
            self.files |= reach.files

    def request(self) -> None:
        """Ask for the takes that the jobs need now."""
        for key in sorted(self.jobs):
            self.fold(request(self.state, self.state.jobs[key]))


def _obey(root: Path, state: State) -> None:
    """Obey the commands that wait, as a run does before it hands anything out."""
    for look in Orders(root).look():
        reached = _Reached(state)
        reached.fold(decide(state, look))
        if isinstance(look, o.Commanded) and look.command not in state.answered:
            reached.fold(_restored(root, state, look))
        reached.request()


def _restored(root: Path, state: State, look: o.Commanded) -> list[e.Event]:
    """What follows where the pictures of a take that is to be restored are as they were drawn."""
    if not isinstance(look.said, Restore):
        return []
    found = restorable(state, look.said.job, look.said.take)
    if isinstance(found, Refusal):
        return []
    job, take = found
    if not all(stands(root, image.file, image.sha256) for image in take.images.values()):
        return []
    return restored(
        state, o.Restored(command=look.command, job=job.key, take=take.number, placed=())
    )


def _walk(root: Path, resumed: Resumed) -> tuple[dict[str, str], list[str]]:
    """The raw paths of files that an earlier run has settled, by their public names, and of those
    that are to be read."""
    unread, raws = {}, []
    for raw in files.walk(root, "", lambda *_: None):
        known = resumed.files.get(raw)
        settled = known is not None and known.signature == _signature(root, raw)
        if known is None or not settled or known.file in resumed.manifests:
            raws.append(raw)
        else:
            unread[known.file] = raw
    return unread, sorted(raws)


def _signature(root: Path, raw: str) -> files.Signature | None:
    try:
        return files.signature(root, raw)
    except OSError:
        return None


def exit_code(found: Rehearsed) -> int:
    """1 if something is wrong or waits, else 5 if something would be drawn, else 0."""
    if found.problems or any(each.word == "waiting" for each in found.plan.jobs):
        return 1
    return 5 if found.plan.render or found.plan.reuse else 0


def report(found: Rehearsed, *, every: bool) -> Iterator[str]:
    """The plan for a person; jobs that are done only if `every` one is wanted."""
    for word in _ORDER:
        for each in found.plan.jobs:
            if each.word == word and (every or word != "done"):
                yield from _line(each)
    for problem in found.problems:
        first, *below = lines(problem)
        yield f"{'invalid':<{VERB_WIDTH}}{first}"
        yield from (f"{'':{VERB_WIDTH}}{line}" for line in below)
    yield from _total(found.plan)


def _line(each: Planned) -> Iterator[str]:
    count = counted(each.render, "picture") if each.render else ""
    copied = f"{each.reuse} reused" if each.reuse else ""
    told = ", ".join(part for part in (count, copied) if part)
    told = f"{told} with {clean(each.model)}" if told and each.model else told
    head = f"{each.word:<{VERB_WIDTH}}{clean(each.job)}"
    why = "; ".join(map(clean, each.why))
    yield "  ".join(part for part in (head, told, f"({why})" if each.word == "stale" else why)
                    if part)  # fmt: skip


def _total(found: Plan) -> Iterator[str]:
    stale = sum(each.word == "stale" for each in found.jobs)
    parts = [f"{counted(found.render, 'picture')} to draw"]
    if found.reuse:
        parts.append(f"{found.reuse} to reuse")
    if found.render:
        parts.append("about " + _duration(found.seconds) if found.seconds is not None
                     else "no picture yet to tell how long one takes")  # fmt: skip
    yield ", ".join(parts)
    if found.switches:
        count = counted(len(found.switches), "switch", "switches")
        yield f"{count} of the model: {' → '.join(map(clean, found.switches))}"
    if stale:
        yield f"{counted(stale, 'job')} stale: 'anime render --stale' draws them again"
    if found.paused is not None:
        yield f"the queue is paused: {clean(found.paused)}"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"


def as_json(found: Rehearsed) -> bytes:
    """The plan for programs."""
    return msgspec.json.encode(found)
