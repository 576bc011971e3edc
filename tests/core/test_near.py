"""The nearest names are found among many; at what cost, the benchmark of `check` says."""

from difflib import get_close_matches

import pytest

from pipeline.core.near import near

MANY = [f"character-number-{n}" for n in range(1_000)] + ["akira", "rei", "neon-tokyo"]


@pytest.mark.parametrize("word", ["akria", "akir", "aikra", "neon-tokio", "character-numbr-77"])
def test_among_many_the_nearest_is_the_one_that_comparing_all_gives(word: str) -> None:
    assert near(word, MANY)[0] == get_close_matches(word, sorted(MANY), n=1, cutoff=0.5)[0]


def test_a_handful_is_told_whole_where_nothing_is_like_it() -> None:
    assert near("zzz", ["rei", "akira"]) == ("akira", "rei")
    assert near("zzz", MANY) == ()
    assert near("zzz", []) == ()
