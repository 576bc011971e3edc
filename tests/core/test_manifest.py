"""Tags are split at commas outside of brackets, in time by their length."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.manifest import split_tags
from tests.growth import keeps_to_its_size


@pytest.mark.parametrize(
    ("tags", "split"),
    [
        (None, ()),
        ("", ()),
        (" , ,", ()),
        ("1girl,  red\thair ,smile", ("1girl", "red hair", "smile")),
        ("(red hair, blue eyes:1.2), smile", ("(red hair, blue eyes:1.2)", "smile")),
        ("a (b, c", ("a (b", "c")),
        ("a), b, c)", ("a), b, c)",)),
        (("a, b", "c"), ("a", "b", "c")),
    ],
)
def test_tags_are_text_or_a_list(
    tags: str | tuple[str, ...] | None, split: tuple[str, ...]
) -> None:
    assert split_tags(tags) == split


@given(st.text("ab ,()", max_size=12))
def test_a_comma_splits_unless_the_next_bracket_after_it_closes(text: str) -> None:
    pieces = re.split(r",(?![^(]*\))", text)
    assert split_tags(text) == tuple(tidy for piece in pieces if (tidy := " ".join(piece.split())))


@pytest.mark.parametrize("piece", [",", "(a,"])
def test_a_mebibyte_takes_no_more_than_its_size(piece: str) -> None:
    keeps_to_its_size(split_tags, piece)
