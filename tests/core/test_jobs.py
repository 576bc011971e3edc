"""A table of packed jobs is one of jobs: it has the same, folds the same, and packs to the same."""

import msgspec
import pytest

from pipeline.core.jobs import AT_HAND, Jobs
from pipeline.core.state import JobState
from tests.production import Production


@pytest.fixture
def folded() -> dict[str, JobState]:
    made = Production()
    for name in ("a", "b", "c"):
        made.drop(f"{name}.yaml", f"kind: job\nprompt: {name}\n")
    for task in made.tasks():
        made.paint(task)
    return made.state.jobs


def packed(jobs: dict[str, JobState]) -> Jobs:
    return Jobs(msgspec.msgpack.decode(msgspec.msgpack.encode(jobs), type=dict[str, msgspec.Raw]))


def test_it_has_the_same_jobs(folded: dict[str, JobState]) -> None:
    jobs = packed(folded)
    assert jobs["b"] == folded["b"]
    assert jobs.get("b") == folded["b"]
    assert jobs.get("none") is None
    assert ("b" in jobs, "none" in jobs, len(jobs), list(jobs)) == (True, False, 3, ["a", "b", "c"])
    assert list(jobs.values()) == list(folded.values())
    assert list(jobs.items()) == list(folded.items())
    assert jobs == folded
    with pytest.raises(KeyError):
        jobs["none"]


def test_one_that_is_asked_for_again_is_the_very_same(folded: dict[str, JobState]) -> None:
    jobs = packed(folded)
    assert jobs["a"] is jobs["a"]
    assert dict(jobs.items())["a"] is jobs["a"]


def test_what_is_put_in_counts_and_what_is_taken_out_is_gone(folded: dict[str, JobState]) -> None:
    jobs = packed(folded)
    assert jobs["a"].key == "a"
    jobs["a"] = folded["b"]
    assert jobs["a"] is folded["b"]
    del jobs["b"]
    assert "b" not in jobs
    assert [job.key for job in jobs.values()] == ["b", "c"]


def test_a_copy_is_apart(folded: dict[str, JobState]) -> None:
    jobs = packed(folded)
    copy = jobs.copy()
    copy["a"] = folded["c"]
    assert jobs["a"] == folded["a"]
    assert copy["b"] == folded["b"]


def test_it_packs_to_the_same_bytes_looked_at_or_not(folded: dict[str, JobState]) -> None:
    jobs, plain = packed(folded), msgspec.msgpack.encode(folded)
    assert msgspec.msgpack.encode(jobs) == plain
    assert jobs["b"].key == "b"
    jobs["c"] = folded["c"]
    assert msgspec.msgpack.encode(jobs) == plain


def test_no_more_stay_unpacked_than_are_asked_for_of_late(folded: dict[str, JobState]) -> None:
    raw = msgspec.Raw(msgspec.msgpack.encode(folded["a"]))
    jobs = Jobs({str(number): raw for number in range(2 * AT_HAND)})
    first = jobs["0"]
    for key in jobs:
        assert jobs[key].key == "a"
    assert len(jobs._at_hand) == AT_HAND
    assert jobs["0"] is not first
