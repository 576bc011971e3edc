"""A place in the journal, and the small file that remembers the last acknowledged one.

The file `acknowledged` stands beside the journal. It is written after each flush and not
flushed itself: a killed program leaves it exact, a power loss leaves it older or spoilt, and
both are harmless. It has its own check, so a spoilt one counts as none, while a sound one is
believed: what lies below it was durable, and damage there is never a torn tail.

Owns that file's format. Never decides what damage is.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final
from zlib import crc32

import msgspec

from pipeline.journal.files import Files

ACKNOWLEDGED_NAME: Final = "acknowledged"
_WIDTH: Final = 128


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """The end of a whole batch: the bytes before it, and the seq and crc of its last line."""

    offset: int = 0
    seq: int = 0
    crc: str = ""


class _Record(msgspec.Struct, frozen=True, kw_only=True):
    offset: int
    seq: int
    crc: str
    check: str


START: Final = Mark()


def encode(mark: Mark) -> bytes:
    """The bytes of the file: JSON, padded to a fixed width so that it is replaced in place."""
    record = _Record(offset=mark.offset, seq=mark.seq, crc=mark.crc, check=_check(mark))
    return msgspec.json.encode(record).ljust(_WIDTH - 1) + b"\n"


def decode(data: bytes) -> Mark:
    """The mark in those bytes; START if they are spoilt."""
    try:
        record = msgspec.json.decode(data, type=_Record)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return START
    mark = Mark(offset=record.offset, seq=record.seq, crc=record.crc)
    return mark if record.check == _check(mark) else START


def read(folder: Path, files: Files) -> Mark:
    """The acknowledged end of the journal in `folder`; START if there is none to be read."""
    try:
        fd = files.open(folder / ACKNOWLEDGED_NAME, os.O_RDONLY)
    except FileNotFoundError:
        return START
    try:
        return decode(files.read(fd, 0, _WIDTH))
    finally:
        files.close(fd)


def _check(mark: Mark) -> str:
    return f"{crc32(f'{mark.offset} {mark.seq} {mark.crc}'.encode()):08x}"
