"""What a dead keeper has left in shared memory goes, and nothing else does."""

import os
import subprocess
from pathlib import Path

from pipeline.pool import memory


def dead() -> int:
    """The pid of a process that has been."""
    with subprocess.Popen(["true"]) as process:
        process.wait()
    return process.pid


def test_only_what_a_dead_keeper_named_is_removed(tmp_path: Path) -> None:
    keeper, other = dead(), os.getpid()
    for name in (f"torch_{keeper}_1_0", f"torch_{other}_1_0", f"torch_{keeper}0_1", "sem.x"):
        (tmp_path / name).touch()
    memory.sweep(keeper, tmp_path)
    memory.sweep(other, tmp_path)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {f"torch_{other}_1_0", f"torch_{keeper}0_1", "sem.x"}


def test_keepers_are_remembered_and_a_spoilt_note_names_none(tmp_path: Path) -> None:
    assert memory.noted(tmp_path) == []
    memory.note(tmp_path, 12)
    memory.note(tmp_path, 345)
    assert memory.noted(tmp_path) == [12, 345]
    (tmp_path / "keepers").write_bytes(b"\xff\xfe")
    assert memory.noted(tmp_path) == []
