"""The format of one line of the journal: how a batch is written, how a line is verified.

    {"seq":1,"at":"2026-11-22T17:00:00.123456Z","v":1,"type":"…","batch":[1,2],…,"crc":"…"}

ASCII JSON without spaces. `seq` counts from 1 without gaps; `batch` is the position in its
batch, from 1, and the size of that batch. `crc` is eight hex digits, the crc32 of the previous
line's `crc` (those eight bytes; none for the first line) and of this line's bytes before
`,"crc":`. A lost, changed or reordered line is therefore found.

Owns that format only. Never touches a file, and never looks into an event's own fields.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final
from zlib import crc32

import msgspec
from msgspec import UNSET, UnsetType

_ENDING: Final = len(',"crc":"00000000"}')
_TYPE: Final = re.compile(r"[a-z][a-z0-9_]*")
_HEAD_BYTES: Final = re.compile(
    rb'\{"seq":(\d{1,18}),"at":"[ !#-~]*","v":\d+,"type":"[a-z0-9_]+",'
    rb'"batch":\[(\d{1,9}),(\d{1,9})\]'
)


class Broken(ValueError):
    """These bytes are not the line that belongs here; the text says in what way."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """What the journal is given: the wire name of an event, and its fields as a JSON object.

    `type` is snake_case; `fields` is an ASCII JSON object in one line (`{"job":"a/b","take":1}`)
    without the names of RESERVED; `v` is the version of that type's shape.
    """

    type: str
    fields: bytes
    v: int = 1


class Line(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the journal gives back: the head of a line, and the whole line without its newline."""

    seq: int
    at: str
    v: int
    type: str
    crc: str
    raw: bytes
    batch: tuple[int, int] = (1, 1)


class _Head(msgspec.Struct, gc=False):
    seq: int
    at: str
    v: int
    type: str
    batch: tuple[int, int]


_HEAD_DECODER: Final = msgspec.json.Decoder(_Head)


class _Reserved(msgspec.Struct, gc=False):
    """What fields must not have; to look for it alone is a fifth of the work of reading all."""

    seq: msgspec.Raw | UnsetType = UNSET
    at: msgspec.Raw | UnsetType = UNSET
    v: msgspec.Raw | UnsetType = UNSET
    type: msgspec.Raw | UnsetType = UNSET
    batch: msgspec.Raw | UnsetType = UNSET
    crc: msgspec.Raw | UnsetType = UNSET


_NONE: Final = _Reserved()
_RESERVED_DECODER: Final = msgspec.json.Decoder(_Reserved)
RESERVED: Final = frozenset(_Reserved.__struct_fields__)


def stamp(moment: datetime) -> str:
    """RFC 3339 in UTC with microseconds and `Z`; raises ValueError for a naive datetime."""
    if moment.tzinfo is None:
        raise ValueError(f"the clock gave {moment!r}, which has no time zone")
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def encode(entries: Sequence[Entry], *, at: str, seq: int, crc: str) -> list[Line]:
    """The lines of one batch that follows the line with `seq` and `crc` (0 and "" for none).

    Raises ValueError, before anything is made, if an entry is not as Entry says.
    """
    for entry in entries:
        _check(entry)
    lines = []
    size = len(entries)
    for position, entry in enumerate(entries, start=1):
        body = b'{"seq":%d,"at":"%s","v":%d,"type":"%s","batch":[%d,%d]' % (
            seq + position,
            at.encode("ascii"),
            entry.v,
            entry.type.encode("ascii"),
            position,
            size,
        )
        if entry.fields != b"{}":
            body += b"," + entry.fields[1:-1]
        ending = _ending(crc, body)
        crc = _crc_in(ending)
        lines.append(
            Line(
                seq=seq + position,
                at=at,
                v=entry.v,
                type=entry.type,
                crc=crc,
                raw=body + ending,
                batch=(position, size),
            )
        )
    return lines


def verify(raw: bytes, *, seq: int, crc: str, batch: tuple[int, int]) -> Line:
    """Read the line that follows the one with `seq`, `crc` and `batch`; raises Broken.

    A line that follows none follows seq 0, crc "" and any batch whose position is its size.
    """
    ending = _ending(crc, raw[:-_ENDING])
    if not raw.endswith(ending):
        raise Broken("it is not the line that was written here (its crc does not fit)")
    try:
        head = _HEAD_DECODER.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Broken(f"its crc fits, but it is not a line of this journal: {error}") from error
    if head.seq != seq + 1:
        raise Broken(f"its seq is {head.seq}, and {seq + 1} comes here")
    position, size = head.batch
    last, total = batch
    expected = (1, size) if last == total else (last + 1, total)
    if head.batch != expected or size < 1:
        raise Broken(f"its batch is [{position},{size}], after [{last},{total}]")
    return Line(
        seq=head.seq,
        at=head.at,
        v=head.v,
        type=head.type,
        crc=_crc_in(ending),
        raw=raw,
        batch=head.batch,
    )


def later_batch(raw: bytes, *, seq: int) -> bool:
    """Whether damaged bytes show that more than one batch was written after line `seq`.

    A batch is written only once the one before it is on the disk, so this tells damage from a
    write that was cut short. The heads are looked for anywhere in `raw`, because a damaged
    newline joins two lines. A head is printable throughout, so a hole of zeros, as a power loss
    leaves it, cannot make one of two.
    """
    for found in _HEAD_BYTES.finditer(raw):
        number, position, size = map(int, found.groups())
        if number != seq + position or position > size:
            return True
    return False


def closing(crc: str) -> bytes:
    """How a line with that crc ends, its newline included."""
    return b',"crc":"%s"}\n' % crc.encode("ascii")


def _ending(crc: str, body: bytes) -> bytes:
    """The last bytes of a line, by the previous line's crc and the bytes before them."""
    return b',"crc":"%08x"}' % crc32(body, crc32(crc.encode("ascii")))


def _crc_in(ending: bytes) -> str:
    return ending[-10:-2].decode("ascii")


def _check(entry: Entry) -> None:
    """Raises ValueError for what would make no line, or one that says something else."""
    if _TYPE.fullmatch(entry.type) is None:
        raise ValueError(f"event type {entry.type!r} is not snake_case")
    fields = entry.fields
    if not fields.isascii():
        raise ValueError(f"the fields of {entry.type} are not ASCII: {fields[:80]!r}")
    try:
        own = _RESERVED_DECODER.decode(fields)
    except msgspec.DecodeError as error:
        raise ValueError(f"the fields of {entry.type} are no JSON object: {error}") from error
    if own != _NONE:
        taken = sorted(name for name in RESERVED if getattr(own, name) is not UNSET)
        raise ValueError(f"the fields of {entry.type} use the journal's own names: {taken}")
    if fields[:2] not in (b'{"', b"{}") or fields[-1:] != b"}" or b"\n" in fields:
        raise ValueError(f"the fields of {entry.type} have spaces around them: {fields[:80]!r}")
