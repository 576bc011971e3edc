"""`anime log verify` and `anime log repair`: whether the journal is whole, and mending it.

Owns what is said of it. What is damage, and what can be kept, is the journal's to judge; a line
that is whole and that this version cannot read is no damage, and is never set aside.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from pipeline.commands.standing import holder
from pipeline.core.evolve import evolve
from pipeline.core.state import State
from pipeline.errors import AnimeError
from pipeline.history import UnknownEvent, event_of, fold, journal_path
from pipeline.journal import Damage, InboxHeld, Survey, damage_of, gone
from pipeline.journal import repair as mend
from pipeline.journal.line import stamp
from pipeline.journal.lock import LOCK_NAME
from pipeline.journal.reader import pieces
from pipeline.telling import clean, counted, local


class Trouble(Struct, frozen=True, kw_only=True):
    """Why a journal is refused: `damaged`, or `unknown` to this version; at which line."""

    kind: str
    line: int
    offset: int
    message: str
    hint: str | None
    code: int


class Verified(Struct, frozen=True, kw_only=True):
    """A journal that was gone through: `lines` and `bytes` are those of whole batches up to its
    end, or to the trouble; `torn_bytes` a torn tail's, and `torn` what is wrong with it."""

    journal: str
    lines: int
    bytes: int
    at: str
    torn: str | None
    torn_bytes: int
    trouble: Trouble | None


class Mended(Struct, frozen=True, kw_only=True):
    """What mending came to, or would come to without `done`; `damage` is None if nothing is wrong.

    `kinds` counts by type the lines that can still be made out in what is set aside; `lost` is how
    many acknowledged lines do not stay. `saved` and `mark` are the files that were set aside.
    """

    journal: str
    done: bool
    damage: Damage | None = None
    lost: int = 0
    kinds: dict[str, int] = {}
    saved: tuple[str, ...] = ()
    mark: str | None = None


def verify(inbox: Path) -> Verified:
    """Go through the whole journal: every line, what it says, and that it can be folded.

    Raises:
        JournalFailed: it cannot be read.
    """
    path = journal_path(inbox)
    survey = Survey(path)
    state, trouble, offset = State(), None, 0
    for line in survey.lines():
        try:
            evolve(state, line.seq, line.at, event_of(line))
        except UnknownEvent as error:
            trouble = _trouble("unknown", line.seq, offset, error)
            break
        offset += len(line.raw) + 1
    damage = survey.damage
    if damage is not None:
        trouble = _trouble("damaged", damage.line, damage.offset, damage)
    return Verified(
        journal=str(path), lines=state.seq, bytes=offset, at=state.at, torn=survey.torn,
        torn_bytes=survey.torn_bytes, trouble=trouble,
    )  # fmt: skip


def _trouble(kind: str, line: int, offset: int, error: AnimeError) -> Trouble:
    return Trouble(
        kind=kind, line=line, offset=offset, message=error.message, hint=error.hint,
        code=error.exit_code,
    )  # fmt: skip


def repair(inbox: Path, *, yes: bool, clock: Callable[[], datetime]) -> Mended:
    """Mend the journal, or without `yes` say what that would come to.

    Raises:
        InboxHeld: a runner holds the inbox.
        UnknownEvent: a newer version wrote what is whole of it, and is the one to mend it.
        JournalFull, JournalFailed: it cannot be read or written; nothing is lost.
    """
    path = journal_path(inbox)
    _refuse_if_held(path.parent)
    damage = damage_of(path)
    if damage is None:
        return Mended(journal=str(path), done=False)
    _know_the_rest(path)
    kinds = _kinds(gone(path, damage))
    if not yes:
        return Mended(journal=str(path), done=False, damage=damage, lost=damage.lost, kinds=kinds)
    done = mend(path, started=stamp(clock()))
    if done is None:
        return Mended(journal=str(path), done=False)
    return Mended(
        journal=str(path), done=True, damage=done.damage, lost=done.damage.lost,
        kinds=kinds, saved=tuple(map(str, done.saved)),
        mark=None if done.mark is None else str(done.mark),
    )  # fmt: skip


def _refuse_if_held(private: Path) -> None:
    held = holder(private)
    if held is not None:
        raise InboxHeld(
            lock=private / LOCK_NAME, pid=held.pid, host=held.host, started=held.started
        )


def _know_the_rest(path: Path) -> None:
    """Raise UnknownEvent if what is whole of the journal is of a newer version."""
    fold(Survey(path).lines())


class _Head(Struct):
    type: str


def _kinds(chunks: Iterable[bytes]) -> dict[str, int]:
    """The types of the lines in those bytes, counted; "" for what is no line any more.

    They are counted by what they say: of none it is sure any more that it is as it was written.
    """
    found = Counter[str]()
    decoder = msgspec.json.Decoder(_Head)
    for raw, _ in pieces(chunks):
        try:
            found[decoder.decode(raw).type] += 1
        except (msgspec.DecodeError, UnicodeDecodeError):
            found[""] += 1
    return dict(found)


def verified(found: Verified) -> Iterator[str]:
    """For a person: how much is whole, then what is not, and the way out."""
    yield f"journal    {clean(found.journal)}"
    moment = f", up to {local(found.at)}" if found.at else ""
    yield f"whole      {counted(found.lines, 'line')}, {found.bytes:,} bytes{moment}"
    if found.torn is not None:
        yield (
            f"torn       {found.torn_bytes:,} bytes from byte {found.bytes}: {clean(found.torn)}; "
            "nobody was told of them; they are just being written, or the next run sets them aside"
        )
    if found.trouble is not None:
        yield f"{found.trouble.kind:<10} {clean(found.trouble.message)}"
        if found.trouble.hint is not None:
            yield f"{'':10} {clean(found.trouble.hint)}"


def mended(found: Mended) -> Iterator[str]:
    """For a person: what was wrong, what stays, what is or would be set aside, and where."""
    yield f"journal    {clean(found.journal)}"
    damage = found.damage
    if damage is None:
        yield "whole      there is nothing to mend"
        return
    keep = damage.keep
    where = f"{damage.file.name}:{damage.line} (byte {damage.offset})"
    yield f"damaged    {clean(where)}: {clean(damage.why)}"
    yield f"stays      {counted(keep.seq, 'line')}, {keep.offset:,} bytes"
    if damage.size:
        kinds = [
            f"{number} {name}" if name else f"{counted(number, 'line')} that cannot be read"
            for name, number in found.kinds.items()
        ]
        yield f"goes       {damage.size:,} bytes from byte {keep.offset}: {clean(', '.join(kinds))}"
    if damage.lost:
        yield f"lost       {counted(damage.lost, 'line')} of those that were acknowledged"
    for file in (*found.saved, *([found.mark] if found.mark else [])):
        yield f"kept as    {clean(file)}"
    if found.done:
        yield "mended     the next run goes on from what stays"
    else:
        yield "to do      nothing was changed; with --yes what goes is set aside in a file beside"
