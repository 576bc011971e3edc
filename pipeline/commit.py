"""Which commit is checked out where a file stands, by git's own files.

Owns reading them, bounded, and never runs git: in a folder that came from somebody else git would
run its hooks and its fsmonitor. Whether the file differs from that commit is not looked at.
Source: gitrepository-layout(5) and gitformat-pack(5) of git, for the names below.
"""

import re
from pathlib import Path

from pipeline import disk

_HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_REF = re.compile(r"refs(?:/(?!\.)[^/\s~^:?*\[\\\x00-\x20\x7f]+)+")
_SHORT = 4096
"""Bytes of a file that holds one line."""
_PACKED = 8 * 1024 * 1024
"""Bytes of the file with all packed refs; a larger one is not searched."""
_DEEPEST = 5
"""So many refs in a row that only name another."""


def commit_at(folder: Path) -> str | None:
    """The commit checked out in the working tree that `folder` is part of, as 40 or 64 hex digits;
    None where there is none, or where it cannot be told."""
    place = _git_folder(folder)
    if place is None:
        return None
    said = _line(place / "HEAD")
    for _ in range(_DEEPEST):
        if said is None or not said.startswith("ref:"):
            break
        said = _ref(place, said.removeprefix("ref:").strip())
    return said if said is not None and _HASH.fullmatch(said) else None


def _git_folder(folder: Path) -> Path | None:
    """Where the nearest repository around a folder keeps its HEAD; as git does, none is looked for
    beyond the file system that the folder is on."""
    try:
        place = folder.resolve(strict=True)
        device = place.stat().st_dev
        for around in (place, *place.parents):
            if around.stat().st_dev != device:
                return None
            found = around / ".git"
            if found.is_dir():
                return found
            if found.is_file():
                said = _line(found) or ""
                linked = said.removeprefix("gitdir:").strip()
                return around / linked if linked != said and linked else None
    except (OSError, ValueError, RuntimeError):  # RuntimeError: links that lead in a circle.
        pass
    return None


def _ref(place: Path, name: str) -> str | None:
    """What a ref says; the working tree's own come before those that all of them share."""
    if not _REF.fullmatch(name) or ".." in name:
        return None
    shared = _line(place / "commondir")
    common = place / shared if shared else place
    return _line(place / name) or _line(common / name) or _packed(common / "packed-refs", name)


def _packed(file: Path, name: str) -> str | None:
    data = _bytes(file, _PACKED)
    if data is None:
        return None
    line = rb"^([0-9a-f]{40,64}) " + re.escape(name.encode()) + rb"$"
    found = re.search(line, data, re.MULTILINE)
    return found[1].decode() if found else None


def _line(file: Path) -> str | None:
    data = _bytes(file, _SHORT)
    try:
        return data.decode().strip() or None if data is not None else None
    except UnicodeDecodeError:
        return None


def _bytes(file: Path, most: int) -> bytes | None:
    """A plain file's bytes, or None if there is none, it cannot be read, or it has more."""
    try:
        with disk.open_plain(file) as stream:
            data = stream.read(most + 1)
    except (OSError, ValueError):
        return None
    return data if len(data) <= most else None
