"""Mending a damaged journal: what stands against it, and what would have to go.

Owns the judgement of what can be kept, `events.jsonl.damaged-<n>` and `acknowledged.damaged-<n>`.
Never deletes, never guesses: all whole batches from the first on stay, and whatever follows them
is set aside as it is, durably, before it is cut. A torn tail is no damage: the writer cuts it.
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
from pipeline.journal.reader import Walk, read_chunks

_KIND: Final = "damaged"


class Damage(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with a journal, and what mending it would come to.

    `line` and `offset` say where, `why` what; `keep` is the end of what stays, `size` the bytes
    behind that, which are to be set aside, and `acknowledged` the end that was remembered.
    """

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
    """A mended journal: `saved` has the bytes that did not stay, None if there were none; `mark`
    the acknowledged end that was remembered, None if there was none."""

    damage: Damage
    saved: Path | None
    mark: Path | None


class Survey:
    """One look at a whole journal, which needs no lock.

    Go through `lines` once. Afterwards `good` is the end of the last whole batch; `torn` says what
    is wrong with a torn tail and `damage` what else does not add up: at most one of them is.
    """

    def __init__(self, path: Path, *, files: Files = REAL) -> None:
        self.path = path
        self.good = START
        self.acknowledged = START
        self.torn: str | None = None
        self.damage: JournalDamaged | None = None
        self._files = files

    def lines(self) -> Iterator[Line]:
        """All lines of whole batches in order; raises JournalFailed if it cannot be read."""
        with told(self.path, "reading"):
            # As in replay, the mark first.
            self.acknowledged = marks.read(self.path.parent, self._files)
            walk = Walk(self.path, acknowledged=self.acknowledged)
            try:
                for batch in walk.batches(read_chunks(self.path, self._files)):
                    self.good = walk.good
                    yield from batch
            except JournalDamaged as damage:
                self.damage = damage
            self.torn = walk.torn


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
    keep = _whole(path, files)
    return Damage(
        line=damage.line,
        offset=damage.offset,
        why=damage.why,
        keep=keep,
        size=_size(path, files) - keep.offset,
        acknowledged=survey.acknowledged,
    )


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
            saved = _set_aside(path, damage, files) if damage.size else None
            mark = _forget(path.with_name(marks.ACKNOWLEDGED_NAME), damage, files)
    return Repaired(damage=damage, saved=saved, mark=mark)


def _whole(path: Path, files: Files) -> Mark:
    """The end of the whole batches by the chain alone, whatever was acknowledged.

    A journal that is whole in itself was written so, by whomever: of that, all stays.
    """
    walk = Walk(path)
    with told(path, "reading"), suppress(JournalDamaged):
        for _ in walk.batches(read_chunks(path, files)):
            pass
    return walk.good


def _size(path: Path, files: Files) -> int:
    with told(path, "reading"), ExitStack() as opened:
        try:
            fd = files.open(path, os.O_RDONLY)
        except FileNotFoundError:
            return 0
        opened.callback(files.close, fd)
        return files.size(fd)


def _set_aside(path: Path, damage: Damage, files: Files) -> Path:
    """Save what does not stay, then cut it off."""
    with ExitStack() as opened:
        fd = files.open(path, os.O_RDWR)
        opened.callback(files.close, fd)
        saved = aside.save(path, fd, damage.keep.offset, _KIND, files=files)
        files.ftruncate(fd, damage.keep.offset)
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
