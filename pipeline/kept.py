"""A file of the private cache: a line of JSON that says what it counts for, then MessagePack.

A cache and nothing more: it counts only if its own hash fits, if the same code wrote it, and if the
journal has, at the place it speaks of, the line it speaks of. At the least doubt it is none, and
deleting it changes nothing. It is not flushed: a spoilt one is none.
"""

import logging
import os
from functools import cache
from hashlib import sha256
from importlib import resources
from pathlib import Path

import msgspec
from msgspec import Struct

from pipeline import disk
from pipeline.journal import JournalFailed, Mark, has

log = logging.getLogger(__name__)

_LONGEST = 4096
"""Bytes of the first line."""


class _Head(Struct, frozen=True, kw_only=True):
    """`code` is what made it, `sha256` that of the bytes that follow."""

    mark: Mark
    code: str
    sha256: str


def load(file: Path, journal: Path, code: str) -> tuple[Mark, memoryview] | None:
    """What is in the file, and the end of the journal that it speaks of; None at any doubt."""
    try:
        with disk.open_plain(file) as stream:
            # At once and not copied again: there may be hundreds of megabytes.
            data = memoryview(stream.read())
        end = bytes(data[:_LONGEST]).find(b"\n")
        head = msgspec.json.decode(data[: max(end, 0)], type=_Head)
        packed = data[end + 1 :]
        if head.code != code or head.sha256 != sha256(packed).hexdigest():
            return None
        return (head.mark, packed) if has(journal, head.mark) else None
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, JournalFailed):
        return None


def age(file: Path, code: str) -> int:
    """The line up to which the file there goes; 0 where there is none that this code wrote."""
    try:
        with disk.open_plain(file) as stream:
            head = msgspec.json.decode(stream.readline(_LONGEST), type=_Head)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return 0
    return head.mark.seq if head.code == code else 0


def keep(file: Path, mark: Mark, code: str, packed: bytes) -> bool:
    """Put it in place of what is there; whether the disk let us."""
    head = _Head(mark=mark, code=code, sha256=sha256(packed).hexdigest())
    part = file.with_name(f".anime-{os.getpid()}-0.part")
    try:
        file.parent.mkdir(exist_ok=True)
        try:
            with open(part, "wb") as stream:
                stream.write(msgspec.json.encode(head) + b"\n")
                stream.write(packed)
            os.replace(part, file)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        log.info("%s was not kept: %s", file.name, error)
        return False
    return True


@cache
def code_of(*rooms: str) -> str:
    """The code of these packages as one sha256: every source in them, and the version of the
    library that gives values their bytes."""
    found = sha256(msgspec.__version__.encode())
    for room in rooms:
        for source in sorted(resources.files(room).iterdir(), key=lambda each: each.name):
            if source.name.endswith(".py"):
                found.update(f"\0{room}/{source.name}\0".encode() + source.read_bytes())
    return found.hexdigest()
