"""Which models fit into memory together, and how much there is: half of what is free is theirs."""

from pathlib import Path

from pipeline.room import Room, free_memory

WEIGHTS = {"a": 100, "b": 100, "c": 900}


def test_one_model_always_counts_as_fitting() -> None:
    assert Room(weights=WEIGHTS).fits(("c",))
    assert Room(weights=WEIGHTS, most=1, free=1).fits(("c",))
    assert Room(weights=WEIGHTS).fits(())


def test_several_take_half_of_what_is_free_at_most() -> None:
    enough = Room(weights=WEIGHTS, free=2 * 4 * 200, each=4)
    assert enough.fits(("a", "b"))
    assert not enough.fits(("a", "c"))
    assert not Room(weights=WEIGHTS, free=2 * 4 * 200 - 1, each=4).fits(("a", "b"))
    assert Room(weights=WEIGHTS, free=2 * 4 * 200 - 1, each=2).fits(("a", "b"))


def test_a_number_that_is_said_decides_whatever_is_free() -> None:
    two = Room(weights=WEIGHTS, most=2, free=0)
    assert two.fits(("a", "c"))
    assert not two.fits(("a", "b", "c"))
    assert not Room(weights=WEIGHTS, most=1, free=10**9).fits(("a", "b"))


def test_memory_is_that_of_the_group_where_it_has_less(tmp_path: Path) -> None:
    assert free_memory(tmp_path) > 2**20
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("4096\n")
    assert free_memory(tmp_path) > 2**20
    (tmp_path / "memory.max").write_text("12288\n")
    assert free_memory(tmp_path) == 8192
