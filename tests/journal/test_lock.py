"""One runner per inbox: a second one is told who holds it, and a dead one holds nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.journal import InboxHeld, JournalFailed
from tests.journal.journals import entry, opened

HOLD = """
import sys
from pathlib import Path
from tests.journal.journals import entry, opened
journal = opened(Path(sys.argv[1]))
journal.append([entry(1)])
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def _holder(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Another process that has appended one line and holds the lock."""
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)],
        cwd=root,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"held\n"
            yield process
        finally:
            process.kill()


@pytest.mark.process
def test_a_second_process_is_told_who_holds_the_inbox(tmp_path: Path) -> None:
    with _holder(tmp_path) as process:
        with pytest.raises(InboxHeld) as caught:
            opened(tmp_path)
        assert caught.value.exit_code == 4
        assert caught.value.pid == process.pid
        assert f"pid {process.pid}" in str(caught.value)
        assert str(tmp_path / "lock") in str(caught.value)
        assert "since 2026-11-22T12:00:00" in str(caught.value)


@pytest.mark.process
def test_a_killed_holder_lets_go_and_its_lines_stay(tmp_path: Path) -> None:
    with _holder(tmp_path) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        with opened(tmp_path) as journal:
            assert journal.seq == 1
            assert journal.cut is None


def test_closing_lets_go(tmp_path: Path) -> None:
    with opened(tmp_path), pytest.raises(InboxHeld) as caught:
        opened(tmp_path)
    assert caught.value.pid == os.getpid()
    opened(tmp_path).close()


def test_a_failed_opening_lets_go(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").mkdir()
    with pytest.raises(JournalFailed):
        opened(tmp_path)
    (tmp_path / "events.jsonl").rmdir()
    with opened(tmp_path) as journal:
        journal.append([entry(1)])


def test_a_lock_without_text_still_holds(tmp_path: Path) -> None:
    with opened(tmp_path):
        (tmp_path / "lock").write_bytes(b"\xff not json")
        with pytest.raises(InboxHeld, match="another runner"):
            opened(tmp_path)


@pytest.mark.parametrize("name", ["lock", "events.jsonl", "acknowledged"])
def test_a_link_out_of_the_inbox_is_not_followed(tmp_path: Path, name: str) -> None:
    outside = tmp_path / "outside"
    outside.write_text("precious")
    folder = tmp_path / ".pipeline"
    folder.mkdir()
    (folder / name).symlink_to(outside)
    with pytest.raises(JournalFailed, match="symbolic link"):
        opened(folder)
    assert outside.read_text() == "precious"


def test_a_folder_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / ".pipeline").symlink_to(outside)
    with pytest.raises(JournalFailed, match=r"\.pipeline"):
        opened(tmp_path / ".pipeline")
    assert list(outside.iterdir()) == []
