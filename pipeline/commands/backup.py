"""`anime backup`: an inbox in one file, as it was at a moment, while a runner may go on.

Owns the order: first the journal up to its acknowledged end, then every picture that this much of
it names, then all else. A picture is complete before the journal names it, so none is missing for
being young; one that has been replaced meanwhile is taken from the shelf, where it went. Takes no
lock and changes nothing in the inbox. The file has its name only once it is whole and on the disk.
"""

import os
import secrets
import stat
import tarfile
import tempfile
from collections.abc import Iterator
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import IO

from msgspec import Struct

from pipeline import disk
from pipeline.commands.scaffold import CannotWrite, DiskRefuses
from pipeline.core.evolve import evolve
from pipeline.core.keys import picture_file, shelf_file
from pipeline.core.state import Image, JobState, State, Take
from pipeline.history import PRIVATE, event_of, journal_path
from pipeline.journal import JOURNAL_NAME, replay
from pipeline.journal.files import REAL
from pipeline.journal.mark import ACKNOWLEDGED_NAME
from pipeline.journal.mark import read as acknowledged
from pipeline.orders import FOLDER as COMMANDS
from pipeline.orders import SUFFIX
from pipeline.telling import clean, counted

LEVEL = 3
"""gzip's: pictures are packed already, and the journal is small beside them."""
CHUNK = 1 << 20
SPOOL = 64 * 1024 * 1024
"""Bytes that are held in memory; what is larger goes through a file without a name."""
_LEFT_OUT = (".git", PRIVATE)
_PART = ".anime-"


class BackedUp(Struct, frozen=True, kw_only=True):
    """What is in the file. `lines` is how much of the journal; `missing` pictures that it names
    and that are nowhere, `changed` those that somebody has retouched and that are in as they are
    now; `unread` what could not be read, and why."""

    lines: int
    files: int
    pictures: int
    size: int
    missing: tuple[str, ...]
    changed: tuple[str, ...]
    unread: tuple[str, ...]


def backup(inbox: Path, file: Path) -> BackedUp:
    """Write the backup of an inbox to a new file, outside of it.

    Raises:
        CannotWrite: something has that name, or it lies in the inbox.
        DiskRefuses: it cannot be written; nothing of it is left.
        JournalDamaged, JournalFailed, UnknownEvent: the journal cannot be read.
    """
    root = inbox.resolve()
    folder = file.parent.resolve()
    if folder.is_relative_to(root):
        raise CannotWrite(
            f"{file} lies in the inbox {inbox}: the next backup would have it in it",
            "put it elsewhere, best on another disk",
        )
    if os.path.lexists(file):
        raise CannotWrite(f"{file} is there already", "take another name")
    part = folder / f"{_PART}{os.getpid()}-{secrets.randbelow(1 << 31)}.part"
    try:
        try:
            done = _write(root, part)
            if not disk.move_if_free(part, folder / file.name):
                raise CannotWrite(f"{file} is there already", "take another name")
            disk.sync_folder(folder)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise DiskRefuses(f"{file} cannot be written: {error.strerror or error}") from error
    return done


def _write(root: Path, part: Path) -> BackedUp:
    with open(part, "xb") as stream:
        with tarfile.open(
            fileobj=stream, mode="w:gz", compresslevel=LEVEL, format=tarfile.PAX_FORMAT
        ) as tar:
            packing = _Packing(root, tar)
            state = packing.journal()
            for job in state.jobs.values():
                packing.pictures(job)
            packing.rest()
        stream.flush()
        os.fsync(stream.fileno())
        size = stream.tell()
    return BackedUp(
        lines=state.seq, files=packing.files, pictures=packing.count, size=size,
        missing=tuple(packing.missing), changed=tuple(packing.changed),
        unread=tuple(packing.unread),
    )  # fmt: skip


class _Packing:
    """A backup as it grows; `named` has what is in it, or must not be in it as it stands now."""

    def __init__(self, root: Path, tar: tarfile.TarFile) -> None:
        self._root, self._tar = root, tar
        self.named: set[str] = set()
        self.files = self.count = 0
        self.missing: list[str] = []
        self.changed: list[str] = []
        self.unread: list[str] = []

    def journal(self) -> State:
        """Pack the journal up to its acknowledged end; the state that this much of it tells."""
        path = journal_path(self._root)
        state = State()
        # Read before the lines: what is acknowledged by then is among them.
        end = acknowledged(path.parent, REAL).seq if path.parent.is_dir() else 0
        with tempfile.SpooledTemporaryFile(max_size=SPOOL) as copy:
            for line in replay(path):
                if end and line.seq > end:
                    break
                copy.write(line.raw + b"\n")
                evolve(state, line.seq, line.at, event_of(line))
            if state.seq:
                name = f"{PRIVATE}/{JOURNAL_NAME}"
                # The open file may be missing for a moment, while it is sealed.
                about = path if path.exists() else path.with_name(ACKNOWLEDGED_NAME)
                self._add(name, copy, copy.tell(), about.stat())
        return state

    def pictures(self, job: JobState) -> None:
        """Pack every picture of a job, and every sheet, under the name the journal has for it."""
        for take in job.takes:
            for image in _kept(take):
                if image.file not in self.named:
                    self.named.add(image.file)
                    self._picture(job, take, image)

    def rest(self) -> None:
        """Pack all else: manifests, settings, commands that wait, and whatever a person put there.

        Of the private folder only the commands: its caches, locks and previews are made again.
        """
        for name in (*self._walk(""), *self._commands()):
            if name not in self.named:
                self._file(name)

    def _picture(self, job: JobState, take: Take, image: Image) -> None:
        others = (one for take in job.takes for one in _kept(take) if one.index == image.index)
        places = dict.fromkeys((
            image.file,
            shelf_file(job.key, take.number, image.index),
            picture_file(job.key, image.index),
            *(other.file for other in others),
        ))  # fmt: skip
        # The second round is for one that went to the shelf, or came back, during the first.
        for place in (*places, *places):
            with tempfile.SpooledTemporaryFile(max_size=SPOOL) as copy:
                found = self._copied(place, copy)
                if found is not None and found[1] == image.sha256:
                    self.count += 1
                    self._add(image.file, copy, copy.tell(), found[0])
                    return
        if disk.is_plain(self._root / image.file):
            self.changed.append(image.file)
            self._file(image.file)
        else:
            self.missing.append(image.file)

    def _file(self, name: str) -> None:
        path = self._root / name
        try:
            about = path.lstat()
            if stat.S_ISLNK(about.st_mode):
                self._link(name, os.readlink(path), about)
                return
        except OSError:
            return  # It has just gone.
        if not stat.S_ISREG(about.st_mode):
            return
        with tempfile.SpooledTemporaryFile(max_size=SPOOL) as copy:
            found = self._copied(name, copy)
            if found is not None:
                self._add(name, copy, copy.tell(), found[0])

    def _copied(self, name: str, copy: IO[bytes]) -> tuple[os.stat_result, str] | None:
        """Copy a file, so that it has one size from here on; what it looks like, and its sha256."""
        summed = sha256()
        try:
            with disk.open_plain(self._root / name) as stream:
                about = os.fstat(stream.fileno())
                while chunk := stream.read(CHUNK):
                    summed.update(chunk)
                    copy.write(chunk)
        except FileNotFoundError:
            return None
        except OSError as error:
            if (said := f"{name}: {error.strerror or error}") not in self.unread:
                self.unread.append(said)
            return None
        return about, summed.hexdigest()

    def _add(self, name: str, copy: IO[bytes], size: int, about: os.stat_result) -> None:
        copy.seek(0)
        self._tar.addfile(_entry(name, about, size), copy)
        self.named.add(name)
        self.files += 1

    def _link(self, name: str, target: str, about: os.stat_result) -> None:
        entry = _entry(name, about, 0)
        entry.type, entry.linkname = tarfile.SYMTYPE, target
        self._tar.addfile(entry, BytesIO())
        self.files += 1

    def _walk(self, folder: str) -> Iterator[str]:
        try:
            with os.scandir(self._root / folder) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            self.unread.append(f"{folder or '.'}: {error.strerror or error}")
            return
        for entry in found:
            name = f"{folder}/{entry.name}" if folder else entry.name
            if entry.name in _LEFT_OUT or entry.name.startswith(_PART):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from self._walk(name)
            else:
                yield name

    def _commands(self) -> Iterator[str]:
        folder = self._root / PRIVATE / COMMANDS
        if folder.is_dir():
            for path in sorted(folder.iterdir()):
                if path.name.endswith(SUFFIX) and not path.name.startswith("."):
                    yield f"{PRIVATE}/{COMMANDS}/{path.name}"


def _kept(take: Take) -> Iterator[Image]:
    """What there is of a take; number 0 is its sheet."""
    return (image for image in take.pictures if not image.discarded)


def _entry(name: str, about: os.stat_result, size: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mtime = size, int(about.st_mtime)
    entry.mode, entry.uid, entry.gid = about.st_mode & 0o777, about.st_uid, about.st_gid
    return entry


def report(done: BackedUp, file: Path) -> Iterator[str]:
    """For a person: what is in it, and what is not as the journal has it."""
    yield clean(
        f"{file}: {counted(done.files, 'file')}, {counted(done.pictures, 'picture')}, "
        f"{counted(done.lines, 'line')} of the journal, {done.size:,} bytes"
    )
    for name in done.changed:
        yield clean(f"changed   {name}  since it was drawn; it is in as it is now")
    for name in done.missing:
        yield clean(f"missing   {name}  the journal names it, and it is gone")
    for said in done.unread:
        yield clean(f"unread    {said}")
