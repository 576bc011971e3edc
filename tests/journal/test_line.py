"""One line: its bytes are as documented, and no other bytes pass for it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.journal.line import RESERVED, Broken, Entry, Line, encode, stamp, verify

AT = "2026-11-22T17:00:00.123456Z"
GOLDEN = (
    b'{"seq":1,"at":"2026-11-22T17:00:00.123456Z","v":1,"type":"job_submitted",'
    b'"batch":[1,2],"job":"neon/rooftop","take":1,"crc":"fad0d47b"}',
    b'{"seq":2,"at":"2026-11-22T17:00:00.123456Z","v":2,"type":"queue_paused",'
    b'"batch":[2,2],"crc":"514c5389"}',
)

_names = st.text(min_size=1, max_size=8).filter(lambda name: name not in RESERVED)
_values = st.one_of(st.integers(-(2**53), 2**53), st.booleans(), st.none(), st.text(max_size=20))
_entries = st.builds(
    lambda type_, fields: Entry(
        type=type_, fields=json.dumps(fields, separators=(",", ":")).encode("ascii")
    ),
    st.from_regex(r"[a-z][a-z0-9_]{0,12}", fullmatch=True),
    st.dictionaries(_names, _values, max_size=4),
)


def _golden() -> list[Line]:
    entries = [
        Entry(type="job_submitted", fields=b'{"job":"neon/rooftop","take":1}'),
        Entry(type="queue_paused", fields=b"{}", v=2),
    ]
    return encode(entries, at=AT, seq=0, crc="")


def test_a_batch_has_exactly_the_documented_bytes() -> None:
    assert tuple(line.raw for line in _golden()) == GOLDEN


def test_the_crc_is_over_the_previous_crc_and_the_bytes_before_it() -> None:
    first, second = (raw.partition(b',"crc":')[0] for raw in GOLDEN)
    crc = f"{crc32(first):08x}"
    assert json.loads(GOLDEN[0])["crc"] == crc
    assert json.loads(GOLDEN[1])["crc"] == f"{crc32(crc.encode() + second):08x}"


@given(st.lists(_entries, min_size=1, max_size=5), st.integers(0, 10**9))
def test_what_is_written_is_read_back(entries: list[Entry], seq: int) -> None:
    crc, batch = "", (1, 1)
    for number, line in enumerate(encode(entries, at=AT, seq=seq, crc="")):
        assert line.raw.isascii()
        assert b"\n" not in line.raw
        assert verify(line.raw, seq=seq + number, crc=crc, batch=batch) == line
        fields = json.loads(line.raw)
        assert {k: v for k, v in fields.items() if k not in RESERVED} == json.loads(
            entries[number].fields
        )
        crc, batch = line.crc, line.batch


@given(st.data())
def test_a_line_with_up_to_three_flipped_bits_is_refused(data: st.DataObject) -> None:
    raw = bytearray(GOLDEN[0])
    bits = st.sets(st.integers(0, len(raw) * 8 - 1), min_size=1, max_size=3)
    for bit in data.draw(bits):
        raw[bit // 8] ^= 1 << bit % 8
    with pytest.raises(Broken):
        verify(bytes(raw), seq=0, crc="", batch=(1, 1))


def test_a_line_fits_in_its_own_place_only() -> None:
    first, second = _golden()
    assert verify(second.raw, seq=1, crc=first.crc, batch=(1, 2)) == second
    for seq, crc, batch in [
        (0, first.crc, (1, 2)),
        (1, "", (1, 2)),
        (1, second.crc, (1, 2)),
        (1, first.crc, (2, 2)),
        (1, first.crc, (1, 3)),
    ]:
        with pytest.raises(Broken):
            verify(second.raw, seq=seq, crc=crc, batch=batch)


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        (Entry(type="JobSubmitted", fields=b"{}"), "snake_case"),
        (Entry(type="a", fields=b'{"seq":1}'), "own names"),
        (Entry(type="a", fields=b'{"crc":"00000000"}'), "own names"),
        (Entry(type="a", fields=b"[1]"), "no JSON object"),
        (Entry(type="a", fields=b'{"a":1'), "no JSON object"),
        (Entry(type="a", fields=b'{"a":1}\n'), "spaces"),
        (Entry(type="a", fields=b'{"a":1,\n"b":2}'), "spaces"),
        (Entry(type="a", fields=b"{ }"), "spaces"),
        (Entry(type="a", fields=b' {"a":1}'), "spaces"),
        (Entry(type="a", fields='{"a":"é"}'.encode()), "not ASCII"),
    ],
)
def test_fields_that_would_break_the_format_are_refused(entry: Entry, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        encode([entry], at=AT, seq=0, crc="")


def test_times_are_utc_with_microseconds() -> None:
    east = timezone(timedelta(hours=2))
    assert stamp(datetime(2026, 11, 22, 19, tzinfo=east)) == "2026-11-22T17:00:00.000000Z"
    assert stamp(datetime(2026, 11, 22, 17, 0, 0, 123456, tzinfo=UTC)) == AT
    with pytest.raises(ValueError, match="time zone"):
        stamp(datetime(2026, 11, 22))  # noqa: DTZ001 - a naive time is what is refused here
