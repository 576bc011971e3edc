"""What a run has settled: as of some line of the journal everything was decided, and the files of
the inbox were as they are noted here. The next start reads only those that are otherwise by now,
and decides again only what the lines since then have reached. A cache, as `pipeline.kept` has them.

Owns `.pipeline/cache/inbox.settled`, which holds the files as MessagePack.
"""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Final, Self

import msgspec
import yaml
from msgspec import Struct

from pipeline import __version__, kept, snapshot
from pipeline.core import events as e
from pipeline.core.evolve import evolve
from pipeline.core.ripple import spread
from pipeline.core.state import State
from pipeline.history import event_of, fold, journal_path
from pipeline.inbox.files import Known
from pipeline.journal import START, Mark, replay

SETTLED: Final = "cache/inbox.settled"
"""Its name in the private folder."""

READ: Final = 500
"""So many files that had to be read are worth being noted."""

Files = dict[str, Known]
"""Files as they were last read, by their raw paths."""


class Resumed(Struct, frozen=True, kw_only=True):
    """A state, and what of it is to be decided again: `jobs`, `manifests` by their public names,
    and whatever is not among `files` or is otherwise by now."""

    state: State
    jobs: Collection[str]
    manifests: Collection[str] = ()
    files: Files = {}

    @classmethod
    def anew(cls, state: State) -> Self:
        """A state of which nothing is known to be settled."""
        return cls(state=state, jobs=state.jobs.keys())


def resume(inbox: Path) -> Resumed:
    """The state of an inbox, with what an earlier run has settled of it.

    Raises:
        JournalDamaged, JournalFailed, UnknownEvent: the journal cannot be read to its end.
    """
    journal = journal_path(inbox)
    known = snapshot.load(journal.parent, journal)
    state, after = (State(), START) if known is None else (known.state, known.mark)
    noted = _load(journal)
    if noted is None or noted[0].seq < after.seq:
        return Resumed.anew(fold(replay(journal, after=after), state))
    mark, files = noted
    manifests, jobs, named = set[str](), set[str](), set[str]()
    same = True
    for line in replay(journal, after=after):
        event = event_of(line)
        if line.seq <= mark.seq:
            evolve(state, line.seq, line.at, event)
            continue
        if isinstance(event, e.RunnerStarted):
            same = same and event.version == __version__
        reach = spread(state, line.seq, line.at, event)
        manifests |= reach.files
        jobs |= reach.jobs
        named.add(getattr(event, "file", ""))
    if not same:
        # Another version has decided since, in its own way.
        return Resumed.anew(state)
    anew = named | state.rejected.keys()
    for raw in [raw for raw, each in files.items() if each.file in anew]:
        del files[raw]
    return Resumed(state=state, jobs=jobs & state.jobs.keys(), manifests=manifests, files=files)


def keep(
    private: Path,
    state: State,
    mark: Mark,
    remember: Callable[[], Files],
    *,
    read: int,
    worth: int = snapshot.WORTH,
) -> None:
    """Keep a state in which everything is decided, and the files that it is decided from, if what
    is kept of them is `worth` lines older, or if there were many files to `read`."""
    file = private / SETTLED
    oldest = min(snapshot.age(private), kept.age(file, _code()))
    if read >= READ or mark.seq - oldest >= worth:
        # First, since it counts only if the snapshot does not go further.
        kept.keep(file, mark, _code(), msgspec.msgpack.encode(remember()))
    snapshot.renew(private, state, mark, worth=worth)


def _load(journal: Path) -> tuple[Mark, Files] | None:
    found = kept.load(journal.parent / SETTLED, journal, _code())
    if found is None:
        return None
    try:
        return found[0], msgspec.msgpack.decode(found[1], type=Files)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _code() -> str:
    found = kept.code_of("pipeline.core", "pipeline.inbox", "pipeline")
    return f"{found} {yaml.__version__}"
