"""Which files of the inbox are manifests, and reading one that may be changing.

Owns names, kinds of file and links. Never parses, and never opens what is not a plain file inside
the inbox. A path here is "raw": relative to the inbox, with `/`, exactly as the disk spells it.
"""

import os
import stat
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from pipeline import rasters
from pipeline.adapters import Adapters
from pipeline.core.adapters import is_adapter_file
from pipeline.core.keys import (
    LONGEST_STEM,
    MANIFEST_SUFFIXES,
    is_styles_file,
    is_wildcard_file,
    stem_bytes,
    stem_of,
)
from pipeline.core.pictures import is_picture_file
from pipeline.inbox.yaml import LARGEST_FILE


class Signature(Struct, frozen=True, array_like=True, gc=False):
    """What changes when a file changes, mostly: two writes within one clock tick look alike."""

    modified_ns: int
    changed_ns: int
    size: int
    inode: int


class Known(Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """A file as last read; its signature stands `since` then. It is `sure` if it was read so much
    later than it was written that no other write can have hidden behind the same signature."""

    file: str
    sha256: str
    signature: Signature | None
    since: float
    sure: bool


def is_manifest(raw: str) -> bool:
    """Whether a path names a manifest: it ends in .yaml or .yml, and no part of it is hidden.

    That leaves out what editors and tools drop: `.pipeline`, `.git`, `.x.yaml.swp`, `.#x.yaml`,
    `#x.yaml#`, `x.yaml~`, `4913`, `x.yaml.tmp`, `x.yaml.part`.
    """
    return raw.lower().endswith(MANIFEST_SUFFIXES) and not is_hidden(raw)


def is_read(raw: str) -> bool:
    """Whether an inbox reads a path at all: a manifest, a file of styles, of a wildcard, of
    weights that may be a LoRA, or a picture that was not drawn here."""
    return is_manifest(raw) or (
        (is_styles_file(raw) or is_wildcard_file(raw) or is_binary(raw)) and not is_hidden(raw)
    )


def is_binary(raw: str) -> bool:
    """Whether a path names weights or a picture, of which no text is read but what they are."""
    return is_adapter_file(raw) or is_picture_file(raw)


def is_hidden(raw: str) -> bool:
    """Whether some part of a path begins with a dot."""
    return raw.startswith(".") or "/." in raw


def walk(root: Path, folder: str, fails: Callable[[str, OSError], None]) -> Iterator[str]:
    """The raw paths of all names that an inbox reads under `folder` ('' is the inbox), in no order.

    Links to folders are not followed, so there are no loops. A folder that cannot be listed is
    told to `fails`; one that is gone has nothing in it.
    """
    waiting = [folder]
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(root / folder) as entries:
                for entry in entries:
                    raw = f"{folder}/{entry.name}" if folder else entry.name
                    if entry.is_dir(follow_symlinks=False):
                        if not entry.name.startswith("."):
                            waiting.append(raw)
                    elif is_read(raw):
                        yield raw
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            fails(folder, error)


def signature(root: Path, raw: str) -> Signature | None:
    """What a manifest looks like from outside, or None if there is none at that path.

    None stands for: gone, a folder, a pipe, socket or device, a link that leads nowhere, out of
    the inbox or to something hidden. Raises OSError if that cannot be told.
    """
    # Everything is looked at so every minute, and a Path is dearer than the look.
    path = f"{root}/{raw}"
    try:
        seen = os.lstat(path)
        if stat.S_ISLNK(seen.st_mode):
            if not _leads_inside(root, path):
                return None
            seen = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return _signature(seen) if stat.S_ISREG(seen.st_mode) else None


def read(path: Path) -> bytes | None:
    """The bytes of a plain file, or None if it changed meanwhile: try again later.

    At most one byte more than `LARGEST_FILE` is read, enough to see that it is too large. Raises
    OSError if it cannot be read, and FileNotFoundError if it is gone or no longer a plain file.
    """
    # Resolved, because a link may lead to another file of the inbox; O_NONBLOCK, because the name
    # may be a pipe by now, whose opening would wait for a writer.
    opened = os.open(os.path.realpath(path), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        before = os.fstat(opened)
        if not stat.S_ISREG(before.st_mode):
            raise FileNotFoundError(f"{path} is not a plain file")
        with open(opened, "rb", closefd=False) as file:
            data = file.read(LARGEST_FILE + 1)
        after = os.fstat(opened)
    finally:
        os.close(opened)
    same = _signature(before) == _signature(after) == _signature(path.stat())
    complete = len(data) == min(after.st_size, LARGEST_FILE + 1)
    return data if same and complete else None


def text_of(root: Path, raw: str, adapters: Adapters) -> bytes | None:
    """What a file says, as `load` takes it, or None if it changed meanwhile; errors as
    `read` has them."""
    if not is_binary(raw):
        return read(root / raw)
    path = Path(os.path.realpath(root / raw))
    described = adapters.describe(path) if is_adapter_file(raw) else rasters.describe(path)
    return None if described is None else msgspec.json.encode(described)


def public_name(raw: str) -> tuple[str, str]:
    """A path as keys and messages spell it, in NFC, and what is wrong with it, or ''."""
    try:
        raw.encode()
    except UnicodeEncodeError:
        return os.fsencode(raw).decode("utf-8", "backslashreplace"), "the file's name is not UTF-8"
    if any(unicodedata.category(char) == "Cc" for char in raw):
        shown = "".join(f"\\x{ord(c):02x}" if unicodedata.category(c) == "Cc" else c for c in raw)
        return shown, "the file's name has a control character in it"
    file = unicodedata.normalize("NFC", raw)
    if file.rpartition("/")[0] != raw.rpartition("/")[0]:
        return file, "its folder's name is in another Unicode spelling than NFC"
    if stem_bytes(stem_of(file)) > LONGEST_STEM:
        return (
            file,
            f"the file's name is too long for the names of its pictures ({LONGEST_STEM} bytes)",
        )
    return file, ""


def is_behind_link(root: Path, raw: str) -> bool:
    """Whether a folder on the way to a file is a link, so that no walk comes there."""
    folder = raw.rpartition("/")[0]
    while folder:
        if os.path.islink(f"{root}/{folder}"):
            return True
        folder = folder.rpartition("/")[0]
    return False


def _leads_inside(root: Path, path: str) -> bool:
    try:
        target = os.path.relpath(os.path.realpath(path, strict=True), os.path.realpath(root))
    except FileNotFoundError:
        return False
    except OSError:  # A loop of links.
        return False
    return not is_hidden(target)  # What leaves the inbox begins with `..`.


def _signature(seen: os.stat_result) -> Signature:
    return Signature(seen.st_mtime_ns, seen.st_ctime_ns, seen.st_size, seen.st_ino)
