"""The inbox as a folder: may it be written, what disk is it on, can it be watched, what of git.

Owns these checks. Writes one file of its own into the private folder to see that it can, and
removes it.
"""

import os
import re
import shlex
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pipeline.doctor.finding import Finding, bad, good, poor
from pipeline.history import PRIVATE
from pipeline.telling import counted

LITTLE, ROOM = 200 << 20, 2 << 30
"""Bytes of free disk that are too few to begin with, and that are enough for a night."""
NETWORK = frozenset({
    "nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "fuse.sshfs",
    "fuse.rclone", "fuse.s3fs", "virtiofs", "vboxsf", "drvfs",
})  # fmt: skip
"""Types of file systems on which changes made elsewhere give no hint."""
_OCTAL = re.compile(r"\\([0-7]{3})")
"""How blanks and the like are written there."""
_INOTIFY = Path("/proc/sys/fs/inotify")
_MOUNTS = Path("/proc/self/mountinfo")


def folder(root: Path) -> Iterator[Finding]:
    """All that can be said of the inbox without its journal."""
    yield _writable(root)
    yield from _room(root)
    yield _watched(root)
    yield _hints(root)
    yield from _git(root)


def _writable(root: Path) -> Finding:
    private = root / PRIVATE
    place = private if private.is_dir() else root
    try:
        with tempfile.NamedTemporaryFile(prefix=".anime-doctor-", dir=place) as file:
            file.write(b"?")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        way = f"give it to whoever runs anime: sudo chown -R $USER {shlex.quote(str(place))}"
        return bad("inbox", f"{place} cannot be written: {error.strerror or error}", way)
    return good("inbox", f"{root} can be written and flushed")


def _room(root: Path) -> Iterator[Finding]:
    free = os.statvfs(root)
    size = free.f_bavail * free.f_frsize
    said = f"{size / 2**30:.1f} GiB free"
    way = "make room, or discard older takes: anime gc --takes"
    if size < LITTLE:
        yield bad("disk", said, way)
    elif size < ROOM:
        yield poor("disk", f"{said}: enough for some thousand pictures at most", way)
    else:
        yield good("disk", said)
    if free.f_files and free.f_favail < 10_000:
        yield poor("disk", f"only {free.f_favail} more files can be made there", way)


def _watched(root: Path) -> Finding:
    """Whether there are enough watches: one for every folder."""
    try:
        most = int((_INOTIFY / "max_user_watches").read_text())
    except (OSError, ValueError):
        return good("watching", "no inotify here: the inbox is looked at every second")
    count = 0
    for _, folders, _ in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".")]
        count += 1
    said = f"{counted(count, 'folder')}, and {most:,} can be watched"
    if count * 2 < most:
        return good("watching", said)
    way = (
        f"sudo sysctl fs.inotify.max_user_watches={max(524_288, count * 4)}, or anime run --polling"
    )
    return poor("watching", said, way)


def _hints(root: Path) -> Finding:
    kind = file_system(root, _mounts())
    if kind is None:
        return good("file system", "unknown: this system does not say")
    if kind not in NETWORK:
        return good("file system", kind)
    return poor(
        "file system",
        f"{kind}, a network mount: what others change there gives no hint, and what is promised of "
        "a power loss is theirs to keep",
        "anime run --polling, or polling = true in anime.toml; better, a disk of your own",
    )


def file_system(path: Path, mounts: str) -> str | None:
    """The type of the file system a path is on, by the text of /proc/self/mountinfo (proc(5))."""
    found: tuple[int, str] | None = None
    for line in mounts.splitlines():
        fields, _, rest = line.partition(" - ")
        parts = fields.split()
        if len(parts) < 5 or not rest:
            continue
        place = _OCTAL.sub(lambda found: chr(int(found[1], 8)), parts[4])
        if path.is_relative_to(place) and (found is None or len(place) >= found[0]):
            found = len(place), rest.split()[0]
    return None if found is None else found[1]


def _mounts() -> str:
    try:
        return _MOUNTS.read_text()
    except OSError:
        return ""


def _git(root: Path) -> Iterator[Finding]:
    """Of git's own files alone: in somebody else's clone, git would run what it is told there."""
    around = next((at for at in (root, *root.parents) if (at / ".git").exists()), None)
    if around is None:
        yield good("git", "the inbox is in no repository")
        return
    lock = around / ".git" / "index.lock"
    if lock.exists():
        yield poor(
            "git",
            f"{lock} is there: nothing new is drawn while git works",
            f"if no git runs there, rm {shlex.quote(str(lock))}",
        )
    if _ignores(root, around):
        yield good("git", f"in the repository {around}, without what is the program's own")
    else:
        yield poor(
            "git",
            f"in the repository {around}, which would also take the journal and its caches",
            f"echo .pipeline/ >> {shlex.quote(str(root / '.gitignore'))}",
        )


def _ignores(root: Path, around: Path) -> bool:
    """Whether a .gitignore between them names the private folder, in so many words."""
    names = {
        PRIVATE,
        f"{PRIVATE}/",
        f"/{PRIVATE}",
        f"/{PRIVATE}/",
        f"**/{PRIVATE}/",
        f"**/{PRIVATE}",
    }
    for place in (root, *root.parents):
        try:
            lines = (place / ".gitignore").read_text(errors="replace").splitlines()
        except OSError:
            lines = []
        if names & {line.strip() for line in lines}:
            return True
        if place == around:
            return False
    return False
