"""The state as of some line of the journal, kept beside it so that a start need not fold from the
first line on. A cache, as `pipeline.kept` has them.

Owns `.pipeline/cache/state.snapshot`, which holds the state as MessagePack.
"""

from pathlib import Path
from typing import Final

import msgspec
import msgspec.structs
from msgspec import Struct

from pipeline import kept
from pipeline.core.jobs import Jobs
from pipeline.core.state import State
from pipeline.journal import Mark

SNAPSHOT: Final = "cache/state.snapshot"
"""Its name in the private folder."""
WORTH: Final = 2000
"""So many lines behind a snapshot are worth a new one."""


_Packed = msgspec.defstruct(
    "_Packed",
    [
        (each.name, dict[str, msgspec.Raw] if each.name == "jobs" else each.type)
        for each in msgspec.structs.fields(State)
    ],
)
"""A state whose jobs are still to be unpacked."""


class Snapshot(Struct, frozen=True, kw_only=True):
    """A state and the place in the journal that it is the fold of."""

    mark: Mark
    state: State


def load(private: Path, journal: Path) -> Snapshot | None:
    """The snapshot in a private folder, unless there is any doubt about it."""
    found = kept.load(private / SNAPSHOT, journal, code())
    if found is None:
        return None
    mark, packed = found
    try:
        state = _unpacked(packed)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return Snapshot(mark=mark, state=state) if state.seq == mark.seq else None


def _unpacked(packed: memoryview) -> State:
    found = msgspec.msgpack.decode(packed, type=_Packed)
    tables = {name: getattr(found, name) for name in _Packed.__struct_fields__}
    return State(**tables | {"jobs": Jobs(tables["jobs"])})


def renew(private: Path, state: State, mark: Mark, *, worth: int = WORTH) -> bool:
    """Keep a state that is the fold up to `mark`, if the snapshot there is `worth` lines older;
    whether there is a new one.

    Where the disk does not let it there is none, or the older one: nothing depends on it.
    """
    if state.seq != mark.seq or mark.seq - age(private) < worth:
        return False
    return kept.keep(private / SNAPSHOT, mark, code(), msgspec.msgpack.encode(state))


def age(private: Path) -> int:
    """The line up to which the snapshot there goes; 0 where there is none that this code wrote."""
    return kept.age(private / SNAPSHOT, code())


def code() -> str:
    """What folds events into a state, as one sha256."""
    return kept.code_of("pipeline.core")
