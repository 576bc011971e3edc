"""What disks and people do to an inbox: nothing stops the look, nothing is told twice, and what is
told last is what stands there."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from pipeline.core.observed import FileGone, FileSeen
from pipeline.inbox.watch import RESCAN, Inbox

JOB = "kind: job\nprompt: city at dusk\n"
T = 1000.0
QUEUE = Path("/proc/sys/fs/inotify/max_queued_events")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An empty inbox."""
    root = tmp_path / "inbox"
    (root / ".pipeline").mkdir(parents=True)
    return root


def seen(inbox: Inbox, now: float) -> dict[str, FileSeen]:
    """What a step tells, by file."""
    return {each.file: each for each in inbox.step(now) if isinstance(each, FileSeen)}


def test_pipes_sockets_folders_and_links_that_lead_nowhere_are_passed_over(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And opening none of them blocks."""
    os.mkfifo(root / "pipe.yaml")
    monkeypatch.chdir(root)
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("socket.yaml")
        (root / "folder.yaml").mkdir()
        (root / "folder.yaml" / "inner.yaml").write_text(JOB)
        (root / "dangling.yaml").symlink_to("nowhere.yaml")
        (root / "loop.yaml").symlink_to("loop.yaml")
        (root / "around").symlink_to(root)
        (root.parent / "outside.yaml").write_text(JOB)
        (root / "outside.yaml").symlink_to(root.parent / "outside.yaml")
        (root / "real.yaml").write_text(JOB)
        os.link(root / "real.yaml", root / "hard.yaml")
        inbox = Inbox(root)
        begun = time.monotonic()
        assert sorted(seen(inbox, T)) == ["folder.yaml/inner.yaml", "hard.yaml", "real.yaml"]
        assert time.monotonic() - begun < 5


def test_a_pipe_that_takes_the_place_of_a_manifest_means_it_is_gone(root: Path) -> None:
    (root / "a.yaml").write_text(JOB)
    inbox = Inbox(root)
    inbox.step(T)
    (root / "a.yaml").unlink()
    os.mkfifo(root / "a.yaml")
    inbox.step(T + RESCAN)
    assert inbox.step(T + RESCAN + 1) == [FileGone(file="a.yaml")]


@pytest.mark.parametrize("name", ["夜の街", "neon-🌃", "מדבר", "é", "x" * 200])
def test_a_name_in_any_script_is_a_name(root: Path, name: str) -> None:
    (root / f"{name}.yaml").write_text(JOB)
    told = seen(Inbox(root), T)
    assert list(told) == [f"{name}.yaml"]
    assert told[f"{name}.yaml"].problems == ()


def test_a_name_as_long_as_names_may_be_is_told_with_its_problem(root: Path) -> None:
    name = "x" * 250 + ".yaml"
    (root / name).write_text(JOB)
    assert "too long" in seen(Inbox(root), T)[name].problems[0].message


def test_a_hundred_levels_are_walked(root: Path) -> None:
    deep = root.joinpath(*["d"] * 100)
    deep.mkdir(parents=True)
    (deep / "a.yaml").write_text(JOB)
    assert list(seen(Inbox(root), T)) == ["d/" * 100 + "a.yaml"]


def test_a_tree_too_deep_for_the_system_does_not_hide_the_rest(root: Path) -> None:
    """A path beyond PATH_MAX is told as a problem, and a watch over it goes on."""
    (root / "a.yaml").write_text(JOB)
    here = os.open(root, os.O_RDONLY)
    for _ in range(25):
        os.mkdir("d" * 200, dir_fd=here)
        below = os.open("d" * 200, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    inbox = Inbox(root)
    inbox.start()
    try:
        told = seen(inbox, T)
        assert told.pop("a.yaml").problems == ()
        (problem,) = [each.problems[0].message for each in told.values()]
        assert "File name too long" in problem
        (root / "b.yaml").write_text(JOB)
        found = seen(inbox, T + RESCAN) | seen(inbox, T + RESCAN + 1)
        assert list(found) == ["b.yaml"]
        assert inbox.lost is None
    finally:
        inbox.stop()


def test_a_file_that_changes_all_the_time_ends_as_its_last_content(root: Path) -> None:
    last = "kind: job\nprompt: the last\n"
    inbox = Inbox(root)
    inbox.start()
    stop = threading.Event()

    def writing() -> None:
        while not stop.is_set():
            with (root / "a.yaml").open("w") as file:
                file.write("kind: job\nprompt: [half")
                file.flush()
                file.write(", whole]\n")
        (root / "a.yaml").write_text(last)

    writer = threading.Thread(target=writing)
    writer.start()
    try:
        deadline = time.monotonic() + 1
        while time.monotonic() < deadline:
            inbox.step(time.monotonic())
        stop.set()
        writer.join()
        told = None
        deadline = time.monotonic() + 10
        while not (told and told.manifests and "the last" in str(told.manifests)):
            assert time.monotonic() < deadline
            inbox.wait(0.05)
            told = seen(inbox, time.monotonic()).get("a.yaml", told)
        inbox.step(time.monotonic() + RESCAN)
        assert inbox.step(time.monotonic() + RESCAN + 1) == []
    finally:
        stop.set()
        writer.join()
        inbox.stop()


@pytest.mark.parametrize(
    "count", [4_000, pytest.param(40_000, marks=[pytest.mark.slow, pytest.mark.timeout(600)])]
)
def test_a_tree_of_thousands_is_seen_once_each(root: Path, count: int) -> None:
    """Moved in by one rename, a folder for every ten of them."""
    inbox = Inbox(root)
    inbox.start()
    try:
        inbox.step(time.monotonic())
        there = root.parent / "show"
        for number in range(count):
            folder = there / str(number // 10)
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{number}.yaml").write_text(JOB)
        there.rename(root / "show")
        told: list[str] = []
        deadline = time.monotonic() + 300
        while len(told) < count:
            assert time.monotonic() < deadline, f"{len(told)} of {count}"
            inbox.wait(0.05)
            told += [each.file for each in inbox.step(time.monotonic())]
        assert len(set(told)) == len(told) == count
    finally:
        inbox.stop()


WATCH = """
import sys, time
from pathlib import Path
from pipeline.inbox.watch import Inbox
inbox = Inbox(Path(sys.argv[1]))
inbox.start()
inbox.step(time.monotonic())
print("ready", flush=True)
told = set()
while len(told) < int(sys.argv[2]):
    inbox.wait(0.2)
    told |= {each.file for each in inbox.step(time.monotonic())}
print(len(told), inbox.polled, flush=True)
inbox.stop()
"""


@pytest.mark.skipif(not QUEUE.exists(), reason="no inotify here")
def test_a_real_overflow_of_the_kernels_queue_loses_nothing(root: Path) -> None:
    """The watcher is stopped while more happens than the kernel keeps, and goes on long before it
    would look at everything by itself."""
    count = int(QUEUE.read_text()) // 3 + 500  # A file is created, written and closed.
    command = [sys.executable, "-c", WATCH, str(root), str(count)]
    watcher = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert watcher.stdout is not None
    try:
        assert watcher.stdout.readline() == "ready\n"
        watcher.send_signal(signal.SIGSTOP)
        for number in range(count):
            (root / f"{number}.yaml").write_text(JOB)
        watcher.send_signal(signal.SIGCONT)
        begun = time.monotonic()
        assert watcher.stdout.readline() == f"{count} False\n"
        assert time.monotonic() - begun < RESCAN
    finally:
        watcher.kill()
        watcher.wait()
        watcher.stdout.close()


UNMOUNTED = """
import subprocess, sys, time
from pathlib import Path
from pipeline.inbox.watch import Inbox, RESCAN
root, kept = Path(sys.argv[1]), sys.argv[2]
def mount():
    subprocess.run(["mount", "--bind", kept, str(root)], check=True)
def look(after):
    return [(type(each).__name__, each.file) for each in inbox.step(time.monotonic() + after)]
try:
    mount()
except subprocess.CalledProcessError:
    sys.exit(99)
inbox = Inbox(root)
inbox.start()
print(look(0))
subprocess.run(["umount", "-l", str(root)], check=True)
print(look(RESCAN), look(2 * RESCAN), inbox.lost is not None)
mount()
(root / "b.yaml").write_text((root / "a.yaml").read_text())
print(look(3 * RESCAN), look(4 * RESCAN), inbox.lost)
inbox.stop()
"""


def test_a_disk_that_is_unmounted_withdraws_nothing_and_is_watched_again(tmp_path: Path) -> None:
    """A real mount, in a name space of its own."""
    kept, root = tmp_path / "kept", tmp_path / "inbox"
    (kept / ".pipeline").mkdir(parents=True)
    (kept / "a.yaml").write_text(JOB)
    root.mkdir()
    inside = ["unshare", "-Urm", sys.executable, "-c", UNMOUNTED, str(root), str(kept)]
    done = subprocess.run(inside, capture_output=True, text=True, check=False)
    if done.returncode == 99 or "unshare" in done.stderr:
        pytest.skip(f"nothing may be mounted here: {done.stderr.strip()}")
    first, lost, back = done.stdout.splitlines()
    assert first == "[('FileSeen', 'a.yaml')]"
    assert lost == "[] [] True"
    assert "'FileGone'" not in back
    assert "('FileSeen', 'b.yaml')" in back
    assert back.endswith(" None")
