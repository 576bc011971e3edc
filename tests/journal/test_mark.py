"""The acknowledged end: believed when sound, and merely older when spoilt."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.journal.mark import START, Mark, decode, encode

_marks = st.builds(
    Mark,
    offset=st.integers(0, 2**63 - 1),
    seq=st.integers(0, 2**63 - 1),
    crc=st.from_regex(r"[0-9a-f]{8}", fullmatch=True),
)


@given(_marks)
def test_it_reads_back_and_has_one_width(mark: Mark) -> None:
    assert decode(encode(mark)) == mark
    assert len(encode(mark)) == 128


@given(_marks, _marks, st.integers(0, 128))
def test_a_torn_one_is_one_of_the_two_or_none(old: Mark, new: Mark, at: int) -> None:
    assert decode(encode(new)[:at] + encode(old)[at:]) in (old, new, START)


@given(st.binary(max_size=200))
def test_anything_else_counts_as_none(data: bytes) -> None:
    assert decode(data) == START
