"""A disk without room: what was recorded stays, the words say so, and with room it goes on."""

import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.history import journal_path
from pipeline.journal import replay
from tests.faults.syscalls import CLONE, Outcome, outcome, prepare, run

pytestmark = pytest.mark.process

ON_TMPFS = """
mount -t tmpfs -o size={size} anime "$1" && cp -r "$2/." "$1" || exit 99
"$3" -m tests.faults.small "$1" 2> "$4/first.txt"; echo $? > "$4/first"
cp -r "$1/." "$4/after"
mount -o remount,size=64m "$1" || exit 99
"$3" -m tests.faults.small "$1" 2> "$4/second.txt"; echo $? > "$4/second"
cp -r "$1/." "$4/inbox"
"""


@pytest.fixture
def calm(tmp_path: Path) -> Outcome:
    """What the twelve jobs come to where there is room."""
    inbox = tmp_path / "calm"
    prepare(inbox)
    assert run(inbox, home=tmp_path).returncode == 1
    return outcome(inbox)


def _lines(inbox: Path) -> bytes:
    return b"".join(line.raw + b"\n" for line in replay(journal_path(inbox)))


@pytest.mark.parametrize("size", ["64k", "96k", "128k"])
def test_a_full_file_system_loses_nothing(tmp_path: Path, calm: Outcome, size: str) -> None:
    """A real one of so many bytes, which gets more room afterwards."""
    inbox, mount = tmp_path / "start", tmp_path / "mount"
    prepare(inbox)
    mount.mkdir()
    script = ON_TMPFS.format(size=size)
    command = ["unshare", "-Urm", "sh", "-c", script, "sh", mount, inbox, sys.executable, tmp_path]
    done = subprocess.run(
        list(map(str, command)), cwd=CLONE, capture_output=True, text=True, check=False
    )
    if done.returncode == 99 or "unshare" in done.stderr:
        pytest.skip(f"no file system may be mounted here: {done.stderr.strip()}")
    first, second = (int((tmp_path / name).read_text()) for name in ("first", "second"))
    told = (tmp_path / "first.txt").read_text()
    assert first in (1, 6), told
    assert first == 1 or "make room" in told or "No space left" in told
    assert len(list((tmp_path / "after").rglob("*.png"))) < len(calm.pictures)
    assert second == 1, (tmp_path / "second.txt").read_text()
    assert _lines(tmp_path / "inbox").startswith(_lines(tmp_path / "after"))
    assert outcome(tmp_path / "inbox") == calm


@pytest.mark.parametrize("size", [1_000, 6_000, 13_000])
def test_a_limit_on_the_size_of_files_loses_nothing(
    tmp_path: Path, calm: Outcome, size: int
) -> None:
    inbox = tmp_path / "inbox"
    prepare(inbox)
    first = subprocess.run(
        [sys.executable, "-m", "tests.faults.small", str(inbox)], cwd=CLONE, check=False,
        capture_output=True, text=True, preexec_fn=_limited(size),
    )  # fmt: skip
    assert first.returncode == 6
    assert "events.jsonl" in first.stderr
    before = _lines(inbox)
    assert run(inbox, home=tmp_path).returncode == 1
    assert _lines(inbox).startswith(before)
    assert outcome(inbox) == calm


def _limited(size: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def test_a_folder_that_may_not_be_written_is_named(tmp_path: Path) -> None:
    """As an exit status that a service manager does not try again."""
    inbox = tmp_path / "inbox"
    prepare(inbox)
    (inbox / ".pipeline").write_text("a file, where the folder should be")
    done = run(inbox, home=tmp_path)
    assert done.returncode == 6
    assert f"{inbox}/.pipeline" in done.stderr
    (inbox / ".pipeline").unlink()
    assert run(inbox, home=tmp_path).returncode == 1
    shutil.rmtree(inbox)
