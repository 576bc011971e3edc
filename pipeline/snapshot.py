"""The state as of some line of the journal, kept beside it so that a start need not fold from the
first line on.

A cache and nothing more: it counts only if its own hash fits, if the same code wrote it, and if the
journal has, at the place it speaks of, the line it speaks of. At the least doubt everything is
folded anew, and deleting it changes nothing. It is not flushed: a spoilt one is none.

Owns `.pipeline/cache/state.snapshot`: a line of JSON, then the state as MessagePack.
"""

import logging
import os
from functools import cache
from hashlib import sha256
from importlib import resources
from pathlib import Path
from typing import Final

import msgspec
import msgspec.structs
from msgspec import Struct

from pipeline import disk
from pipeline.core.jobs import Jobs
from pipeline.core.state import State
from pipeline.journal import JournalFailed, Mark, has

log = logging.getLogger(__name__)

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


class _Head(Struct, frozen=True, kw_only=True):
    """`code` is what folded it, `sha256` that of the state's bytes."""

    mark: Mark
    code: str
    sha256: str


class Snapshot(Struct, frozen=True, kw_only=True):
    """A state and the place in the journal that it is the fold of."""

    mark: Mark
    state: State


def load(private: Path, journal: Path) -> Snapshot | None:
    """The snapshot in a private folder, unless there is any doubt about it."""
    try:
        with disk.open_plain(private / SNAPSHOT) as stream:
            head = msgspec.json.decode(stream.readline(4096), type=_Head)
            packed = stream.read()
        if head.code != code() or head.sha256 != sha256(packed).hexdigest():
            return None
        if not has(journal, head.mark):
            return None
        state = _unpacked(packed)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, JournalFailed):
        return None
    return Snapshot(mark=head.mark, state=state) if state.seq == head.mark.seq else None


def _unpacked(packed: bytes) -> State:
    found = msgspec.msgpack.decode(packed, type=_Packed)
    tables = {name: getattr(found, name) for name in _Packed.__struct_fields__}
    return State(**tables | {"jobs": Jobs(tables["jobs"])})


def renew(private: Path, state: State, mark: Mark, *, worth: int = WORTH) -> None:
    """Keep a state that is the fold up to `mark`, if the snapshot there is `worth` lines older.

    Where the disk does not let it there is none, or the older one: nothing depends on it.
    """
    if state.seq != mark.seq or mark.seq - _kept(private) < worth:
        return
    packed = msgspec.msgpack.encode(state)
    head = _Head(mark=mark, code=code(), sha256=sha256(packed).hexdigest())
    target = private / SNAPSHOT
    part = target.with_name(f".anime-{os.getpid()}-0.part")
    try:
        target.parent.mkdir(exist_ok=True)
        try:
            with open(part, "wb") as stream:
                stream.write(msgspec.json.encode(head) + b"\n")
                stream.write(packed)
            os.replace(part, target)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        log.info("no snapshot of the state was kept: %s", error)


def _kept(private: Path) -> int:
    """The line up to which the snapshot there goes; 0 where there is none that this code wrote."""
    try:
        with disk.open_plain(private / SNAPSHOT) as stream:
            head = msgspec.json.decode(stream.readline(4096), type=_Head)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return 0
    return head.mark.seq if head.code == code() else 0


@cache
def code() -> str:
    """What folds events into a state, as one sha256: every source in `pipeline.core`, and the
    version of the library that gives the state its bytes."""
    found = sha256(msgspec.__version__.encode())
    for source in sorted(resources.files("pipeline.core").iterdir(), key=lambda each: each.name):
        if source.name.endswith(".py"):
            found.update(f"\0{source.name}\0".encode() + source.read_bytes())
    return found.hexdigest()
