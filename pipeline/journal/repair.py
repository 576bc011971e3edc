"""Mending a damaged journal: what stands against it, and what would have to go.

Owns the judgement of what can be kept, and the files with `.damaged-<n>` behind their names. Never
deletes, never guesses: all whole batches from the first on stay, and whatever follows them is set
aside as it is, durably, before it is cut. A torn tail is no damage: the writer cuts it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final

import msgspec

from pipeline.journal import aside, lock
from pipeline.journal import mark as marks
from pipeline.journal.errors import JournalDamaged, told
from pipeline.journal.files import REAL, Files
from pipeline.journal.line import Line
from pipeline.journal.mark import START, Mark
from pipeline.journal.reader import Walk
from pipeline.journal.segments import view

_KIND: Final = "damaged"


class Damage(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with a journal, and what mending it would come to.

    `file`, and `line` and `offset` in it, say where, `why` what; `keep` is the end of what stays,
    `size` the bytes behind that, which are to be set aside, and `acknowledged` the end that was
    remembered: these count through all files.
    """

    file: Path
    line: int
    offset: int
    why: str
    keep: Mark
    size: int
    acknowledged: Mark

    @property
    def lost(self) -> int:
        """How many of the lines that were acknowledged do not stay."""
        return max(0, self.acknowledged.seq - self.keep.seq)


class Repaired(msgspec.Struct, frozen=True, kw_only=True):
    """A mended journal: `saved` have the bytes that did not stay, in their order; `mark` the
    acknowledged end that was remembered, None if there was none."""

    damage: Damage
    saved: tuple[Path, ...]
    mark: Path | None


class Survey:
    """One look at a whole journal, which needs no lock.

    Go through `lines` once. Afterwards `good` is the end of the last whole batch; `torn` says what
    is wrong with a torn tail of `torn_bytes`, and `damage` what else does not add up: at most one
    of them is.
    """

    def __init__(self, path: Path, *, files: Files = REAL) -> None:
        self.path = path
        self.good = START
        self.acknowledged = START
        self.torn: str | None = None
        self.torn_bytes = 0
        self.damage: JournalDamaged | None = None
        self._files = files

    def lines(self) -> Iterator[Line]:
        """All lines of whole batches in order; raises JournalFailed if it cannot be read."""
        with told(self.path, "reading"):
            # As in replay, the mark first.
            self.acknowledged = marks.read(self.path.parent, self._files)
            with view(self.path, self._files) as now:
                walk = Walk.over(now, acknowledged=self.acknowledged)
                try:
                    for batch in walk.batches(now.chunks()):
                        self.good = walk.good
                        yield from batch
                except JournalDamaged as damage:
                    self.damage = damage
                self.torn = walk.torn
                self.torn_bytes = now.size - walk.good.offset if walk.torn is not None else 0


def damage_of(path: Path, *, files: Files = REAL) -> Damage | None:
    """What is wrong with the journal at `path`; None if it is whole, up to a torn tail.

    Raises JournalFailed if it cannot be read. Changes nothing and needs no lock, but beside a
    running writer what it says is soon old.
    """
    survey = Survey(path, files=files)
    for _ in survey.lines():
        pass
    damage = survey.damage
    if damage is None:
        return None
    with told(path, "reading"), view(path, files) as now:
        # The end of the whole batches by the chain alone, whatever was acknowledged: a journal that
        # is whole in itself was written so, by whomever, and of that all stays.
        walk = Walk(now.locate)
        with suppress(JournalDamaged):
            for _ in walk.batches(now.chunks()):
                pass
        return Damage(
            file=damage.path,
            line=damage.line,
            offset=damage.offset,
            why=damage.why,
            keep=walk.good,
            size=now.size - walk.good.offset,
            acknowledged=survey.acknowledged,
        )


def gone(path: Path, damage: Damage, *, files: Files = REAL) -> Iterator[bytes]:
    """The bytes that mending would set aside; raises JournalFailed."""
    with told(path, "reading"), view(path, files) as now:
        yield from now.chunks(damage.keep.offset)


def repair(path: Path, *, started: str, files: Files = REAL) -> Repaired | None:
    """Mend the journal at `path`; None if nothing was wrong, and then nothing was changed.

    `started` is the moment, for whoever finds the inbox held. Raises InboxHeld, JournalFull and
    JournalFailed; at whatever point it ends, nothing is lost, and it may be tried again.
    """
    with ExitStack() as opened:
        opened.callback(files.close, lock.take(path.parent, started=started, files=files))
        damage = damage_of(path, files=files)
        if damage is None:
            return None
        with told(path, "mending"):
            saved = _set_aside(path, damage, files) if damage.size else ()
            mark = _forget(path.with_name(marks.ACKNOWLEDGED_NAME), damage, files)
    return Repaired(damage=damage, saved=saved, mark=mark)


def _set_aside(path: Path, damage: Damage, files: Files) -> tuple[Path, ...]:
    """Set the files behind what stays aside whole, and of the file where it ends the rest.

    The last file goes first: at whatever point this ends, what is left is damaged as before, or
    already mended. A sealed segment that is shortened is the open file again.
    """
    end = damage.keep.offset
    with view(path, files) as now:
        holding, *behind = [part for part in (*now.sealed, now.open) if end < part.end]
    saved = [aside.move(part.path, _KIND, files=files) for part in reversed(behind) if part.size]
    if end == holding.start and holding.path != path:
        saved.append(aside.move(holding.path, _KIND, files=files))
    else:
        saved.append(_shorten(holding.path, end - holding.start, files))
        if holding.path != path:
            # Where the open file is still there, it is empty.
            files.rename(holding.path, path)
            files.sync_folder(path.parent)
    return tuple(reversed(saved))


def _shorten(path: Path, size: int, files: Files) -> Path:
    """Save what does not stay, then cut it off."""
    files.seal(path, sealed=False)
    with ExitStack() as opened:
        fd = files.open(path, os.O_RDWR)
        opened.callback(files.close, fd)
        saved = aside.save(path, fd, size, _KIND, files=files)
        files.ftruncate(fd, size)
        files.fdatasync(fd)
    return saved


def _forget(path: Path, damage: Damage, files: Files) -> Path | None:
    """Let the acknowledged end be that of what stays, after a copy of what it was.

    Unlike after an append it is flushed: an older one would not fit the journal any more.
    """
    with ExitStack() as opened:
        fd = files.open(path, os.O_RDWR | os.O_CREAT)
        opened.callback(files.close, fd)
        known = damage.acknowledged != START
        saved = aside.save(path, fd, 0, _KIND, files=files) if known else None
        files.write_at(fd, marks.encode(damage.keep), 0)
        files.fdatasync(fd)
    files.sync_folder(path.parent)
    return saved
