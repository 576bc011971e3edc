"""Finished pictures on the disk: complete and in place, or not there at all.

Owns how a picture gets its final name and what it may replace. Never looks inside a picture, and
never overwrites a file that the program did not draw or that someone has retouched.
"""

import contextlib
import hashlib
import os
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from msgspec import Struct

from pipeline import disk
from pipeline.alive import alive
from pipeline.core.keys import picture_file
from pipeline.core.resolved import Task
from pipeline.errors import AnimeError

_PART = re.compile(r"^\.anime-(\d+)-\d+\.part$")
_LAST_ATTEMPT = 1000


class PictureError(AnimeError):
    """A picture cannot be put where it belongs, or is not what it should be."""


class Placed(Struct, frozen=True, kw_only=True):
    """A picture in place: `file` is relative to the root; `shelved` is whether the picture that it
    replaces stands on the task's shelf."""

    file: str
    sha256: str
    shelved: bool


Predicate = Callable[[Path], bool]


def nobodys(_: Path) -> bool:
    """The predicate that claims no file for us."""
    return False


def place(root: Path, task: Task, data: bytes, is_ours: Predicate = nobodys) -> Placed:
    """Put a picture's bytes under the task's name, durably.

    What already stands there decides: the same bytes are left as they are; the journal's own older
    picture (`task.replaces`) goes to the shelf first; one that `is_ours` claims, an orphan of a
    crash, is overwritten; anything else stays, and the picture takes the next free name.

    Raises:
        PictureError: the folder is gone or lies outside the root, or the shelf is taken.
        OSError: the disk is full or fails; nothing half-written keeps a final name.
    """
    part = _part(root, task.file)
    with _removed(part):
        with open(part, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        return _settle(root, task, part, hashlib.sha256(data).hexdigest(), is_ours)


def reuse(root: Path, source: str, sha256: str, task: Task, is_ours: Predicate = nobodys) -> Placed:
    """Put a copy of the picture at `source` (relative to the root) under the task's name.

    Shares the blocks where the file system can. The same rules as for `place`; the source stays.

    Raises:
        PictureError: as `place`, or the source is gone or no longer has this `sha256`.
    """
    target = _inside(root, task.file)
    if disk.is_plain(target) and sha256_of(target) == sha256:
        # It moved along with its manifest, and whoever moved it need not have flushed it.
        disk.sync(target)
        disk.sync_folder(target.parent)
        return Placed(file=task.file, sha256=sha256, shelved=_shelved(root, task))
    part = _part(root, task.file)
    with _removed(part):
        try:
            disk.copy(_inside(root, source), part)
        except FileNotFoundError:
            raise PictureError(f"{source} is gone", "it has to be drawn again") from None
        if sha256_of(part) != sha256:
            raise PictureError(
                f"{source} was changed since it was drawn", "it has to be drawn again"
            )
        return _settle(root, task, part, sha256, is_ours)


def shelve(root: Path, file: str, sha256: str, shelf: str) -> bool:
    """Let a picture stand on the shelf too, durably; whether it does. One that is gone or was
    retouched stays as it is."""
    try:
        picture = _inside(root, file)
        if sha256_of(picture) != sha256:
            return False
        _shelve(root, shelf, picture, sha256)
    except (PictureError, OSError):
        return False
    return True


def remove(root: Path, file: str, sha256: str) -> None:
    """Take a picture away that stands on the shelf by now, unless it was retouched meanwhile."""
    with contextlib.suppress(PictureError, OSError):
        picture = _inside(root, file)
        if sha256_of(picture) == sha256:
            picture.unlink()


def stands(root: Path, file: str, sha256: str) -> bool:
    """Whether a picture is where it should be, and as it was drawn."""
    try:
        return sha256_of(_inside(root, file)) == sha256
    except (PictureError, OSError):
        return False


def sha256_of(path: Path) -> str:
    """sha256 of a plain file's bytes, 64 hex digits; never waits and follows no link.

    Raises:
        OSError: there is none.
    """
    with disk.open_plain(path) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sweep(root: Path) -> int:
    """Remove the unfinished files that processes now dead have left under the root.

    Returns how many there were.
    """
    swept = 0
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name != ".git"]
        for name in names:
            match = _PART.match(name)
            if match and not alive(int(match[1])):
                # One that stands where we may not write stays.
                with contextlib.suppress(OSError):
                    (Path(folder) / name).unlink()
                    swept += 1
    return swept


def sweep_after(root: Path, task: Task, pid: int) -> None:
    """Remove the unfinished files of a process that has died while it drew this task.

    It may have been on another machine, where our own number says nothing of us.
    """
    if pid == os.getpid():
        return
    for file in (task.file, task.shelf):
        if file is not None:
            for part in (root / file).parent.glob(f".anime-{pid}-*.part"):
                with contextlib.suppress(OSError):
                    part.unlink()


def _settle(root: Path, task: Task, part: Path, sha256: str, is_ours: Predicate) -> Placed:
    for file in _names(task):
        target = _inside(root, file)
        if _take(root, task, part, target, sha256, is_ours):
            disk.sync_folder(target.parent)
            return Placed(file=file, sha256=sha256, shelved=_shelved(root, task))
    raise PictureError(
        f"{task.file}: {_LAST_ATTEMPT} names for it are taken by other files",
        "move some of them elsewhere",
    )


def _names(task: Task) -> Iterator[str]:
    yield task.file
    for attempt in range(2, _LAST_ATTEMPT + 1):
        name = picture_file(task.job, task.index, attempt)
        if name != task.file:
            yield name


def _take(
    root: Path, task: Task, part: Path, target: Path, sha256: str, is_ours: Predicate
) -> bool:
    """Make `part` stand as `target` if it may; says whether the picture now stands there."""
    if disk.move_if_free(part, target):
        return True
    if not disk.is_plain(target):
        return False
    there = sha256_of(target)
    if there == sha256:
        disk.sync(target)
        return True
    if task.replaces is not None and there == task.replaces:
        _shelve(root, task.shelf, target, there)
    elif not is_ours(target):
        return False
    os.replace(part, target)
    return True


def _shelve(root: Path, name: str | None, target: Path, sha256: str) -> None:
    """Keep the older picture under its shelf's name too, before its own name is taken."""
    if name is None:
        raise PictureError(f"{target.name}: the older picture has no place to go to")
    _make_folder((root / name).parent, root)
    shelf = _inside(root, name)
    if not _into_free_copy(target, shelf) and sha256_of(shelf) != sha256:
        raise PictureError(f"{name}: another file stands there", "move it elsewhere")
    disk.sync_folder(shelf.parent)


def _into_free_copy(source: Path, target: Path) -> bool:
    if disk.link(source, target):
        return True
    if os.path.lexists(target):
        return False
    part = target.with_name(_part_name())
    with _removed(part):
        disk.copy(source, part)
        return disk.move_if_free(part, target)


def _shelved(root: Path, task: Task) -> bool:
    """Also true if an earlier try shelved it and died before it could say so."""
    if task.replaces is None or task.shelf is None:
        return False
    shelf = root / task.shelf
    return disk.is_plain(shelf) and sha256_of(shelf) == task.replaces


def _inside(root: Path, file: str) -> Path:
    """The file's path, whose folder is there and does not lead out of the root by a link."""
    path = root / file
    try:
        folder = path.parent.resolve(strict=True)
    except OSError:
        raise PictureError(f"{file}: its folder is gone", "bring the folder back") from None
    if not folder.is_relative_to(root.resolve()):
        raise PictureError(f"{file}: its folder lies outside the inbox, in {folder}")
    return folder / path.name


def _part(root: Path, file: str) -> Path:
    return _inside(root, file).with_name(_part_name())


def _part_name() -> str:
    """Short, since a picture's own name may be as long as names may be; one thread has one."""
    return f".anime-{os.getpid()}-{threading.get_native_id()}.part"


class _removed:
    """Takes the file away on leaving, if it still has that name."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        self._path.unlink(missing_ok=True)

    def __exit__(self, *_: object) -> None:
        self._path.unlink(missing_ok=True)


def _make_folder(folder: Path, root: Path) -> None:
    if folder.is_dir():
        return
    if folder == root:
        raise PictureError(f"{root} is gone", "bring the folder back")
    _make_folder(folder.parent, root)
    folder.mkdir(exist_ok=True)
    disk.sync_folder(folder.parent)
