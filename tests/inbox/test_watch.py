"""The inbox over time: prompt where a file is complete, patient where it may not be, and nothing
counts as gone that may only be out of sight. The observer is real; time is an argument."""

import hashlib
import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image
from watchdog.observers.inotify import InotifyWatchGroup
from watchdog.observers.inotify_c import InotifyConstants, InotifyEvent, InotifyFD, WatchDescriptor

from pipeline.adapters import Adapters
from pipeline.core.manifest import Job
from pipeline.core.observed import FileGone, FileSeen
from pipeline.core.pictures import PictureFile
from pipeline.inbox.watch import ABSENCE, RESCAN, SETTLE, Inbox
from tests.safetensors import ATTENTION, body, encoded, pair, write

JOB = "kind: job\nprompt: city at dusk\n"
OTHER = "kind: job\nprompt: city at dawn\n"
T = 1000.0
"""Any time."""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An empty inbox."""
    root = tmp_path / "inbox"
    (root / ".pipeline").mkdir(parents=True)
    return root


@pytest.fixture
def inbox(root: Path) -> Iterator[Inbox]:
    """A watched inbox whose first step is done, at `T`."""
    inbox = Inbox(root)
    inbox.start()
    assert inbox.step(T) == []
    yield inbox
    inbox.stop()


def names(found: list[FileSeen | FileGone]) -> list[str]:
    """What was seen, and what is gone with a - before it."""
    return [f"-{each.file}" if isinstance(each, FileGone) else each.file for each in found]


def after_hints(inbox: Inbox, now: float, count: int = 1) -> list[str]:
    """What steps at `now` tell after hints, until `count` is told or hints end for a second."""
    told = names(inbox.step(now))
    while len(told) < count and inbox._hints.wait(1.0):
        told += names(inbox.step(now))
    return told


def quiet(inbox: Inbox, now: float) -> list[str]:
    """What steps at `now` tell until hints have ended."""
    told = names(inbox.step(now))
    while inbox._hints.wait(0.1):
        told += names(inbox.step(now))
    return told


def rests(inbox: Inbox) -> bool:
    """Whether nothing is under way."""
    return inbox.quiet


def test_the_first_step_tells_everything_by_path(root: Path) -> None:
    for raw in ("b.yaml", "a/z.yaml", "a/project.yaml", ".git/x.yaml", "a/x.yaml~"):
        (root / raw).parent.mkdir(exist_ok=True)
        (root / raw).write_text(JOB)
    inbox = Inbox(root)
    before, found = inbox.scanned, names(inbox.step(T))
    assert found == ["a/project.yaml", "a/z.yaml", "b.yaml"]
    assert (before, inbox.scanned) == (False, True)
    assert inbox.step(T + 1) == []


def test_what_is_seen_carries_manifests_lines_problems_and_hash(root: Path) -> None:
    bad = "kind: job\nname: b\nprompt: a\nsteps: 999\n"
    (root / "a.yaml").write_text(f"{bad}---\nkind: job\nname: c\nprompt: d\n")
    (seen,) = Inbox(root).step(T)
    assert isinstance(seen, FileSeen)
    assert (seen.manifests, seen.lines) == ((Job(name="c", prompt="d"),), (6,))
    assert [each.line for each in seen.problems] == [4]
    assert seen.several
    assert seen.sha256 == hashlib.sha256((root / "a.yaml").read_bytes()).hexdigest()


def test_it_is_quiet_when_nothing_is_under_way(inbox: Inbox, root: Path) -> None:
    assert rests(inbox)
    with (root / "a.yaml").open("w") as file:
        file.write(JOB)
        file.flush()
        assert inbox.wait(5)
        assert not rests(inbox)
        quiet(inbox, T)
        assert not rests(inbox)
        assert quiet(inbox, T + SETTLE) == ["a.yaml"]
        assert rests(inbox)
    quiet(inbox, T + SETTLE)
    (root / "a.yaml").unlink()
    quiet(inbox, T + 1)
    assert not rests(inbox)
    assert quiet(inbox, T + 2) == ["-a.yaml"]
    assert rests(inbox)


def test_a_rename_into_place_is_told_at_once(inbox: Inbox, root: Path) -> None:
    (root / ".new.tmp").write_text(JOB)
    (root / ".new.tmp").replace(root / "a.yaml")
    assert after_hints(inbox, T) == ["a.yaml"]
    (root.parent / "b.yaml").write_text(JOB)
    (root.parent / "b.yaml").replace(root / "b.yaml")
    assert after_hints(inbox, T) == ["b.yaml"]


def test_a_file_that_is_closed_is_told_at_once(inbox: Inbox, root: Path) -> None:
    (root / "a.yaml").write_text(JOB)
    assert after_hints(inbox, T) == ["a.yaml"]
    (root / "a.yaml").write_text(OTHER)
    assert after_hints(inbox, T) == ["a.yaml"]


def test_a_file_still_open_is_told_once_it_stays_as_it_is(inbox: Inbox, root: Path) -> None:
    with (root / "a.yaml").open("w") as file:
        file.write("kind: job\n")
        file.flush()
        assert quiet(inbox, T) == []
        file.write("prompt: a\n")
        file.flush()
        assert quiet(inbox, T + SETTLE * 0.9) == []
        assert quiet(inbox, T + SETTLE * 1.8) == []
        assert quiet(inbox, T + SETTLE * 2) == ["a.yaml"]
        file.write("steps: 3\n")
    assert after_hints(inbox, T + SETTLE * 2) == ["a.yaml"]


def test_the_same_content_is_told_once(inbox: Inbox, root: Path) -> None:
    (root / "a.yaml").write_text(JOB)
    assert after_hints(inbox, T) == ["a.yaml"]
    (root / "a.yaml").write_text(JOB)
    os.utime(root / "a.yaml")
    assert quiet(inbox, T) == quiet(inbox, T + 1) == quiet(inbox, T + RESCAN) == []


def test_a_file_is_gone_only_after_it_stayed_away(inbox: Inbox, root: Path) -> None:
    (root / "a.yaml").write_text(JOB)
    assert after_hints(inbox, T) == ["a.yaml"]
    (root / "a.yaml").unlink()
    assert quiet(inbox, T) == quiet(inbox, T + ABSENCE * 0.9) == []
    (root / "a.yaml").write_text(JOB)
    assert quiet(inbox, T + ABSENCE) == []
    (root / "a.yaml").unlink()
    assert quiet(inbox, T + 10) == []
    assert quiet(inbox, T + 10 + ABSENCE) == ["-a.yaml"]
    (root / "a.yaml").write_text(JOB)
    assert after_hints(inbox, T + 11) == ["a.yaml"]


def test_a_renamed_file_is_seen_anew_and_then_gone(inbox: Inbox, root: Path) -> None:
    (root / "a.yaml").write_text(JOB)
    assert after_hints(inbox, T) == ["a.yaml"]
    (root / "a.yaml").rename(root / "b.yaml")
    assert after_hints(inbox, T) == ["b.yaml"]
    assert quiet(inbox, T) + quiet(inbox, T + ABSENCE) == ["-a.yaml"]


def test_a_folder_that_is_moved_in_or_away_is_looked_through(inbox: Inbox, root: Path) -> None:
    there = root.parent / "show"
    (there / "characters").mkdir(parents=True)
    (there / "project.yaml").write_text("kind: project\nname: p\n")
    (there / "characters" / "akira.yaml").write_text("kind: character\nname: a\n")
    there.rename(root / "show")
    told = quiet(inbox, T) + quiet(inbox, T + SETTLE)
    assert sorted(told) == ["show/characters/akira.yaml", "show/project.yaml"]
    (root / "show" / "characters").rename(root / "cast")
    told = quiet(inbox, T + 1) + quiet(inbox, T + 1 + SETTLE) + quiet(inbox, T + 2)
    assert told == ["cast/akira.yaml", "-show/characters/akira.yaml"]
    (root / "show").rename(there)
    assert inbox._hints.wait(5)
    assert quiet(inbox, T + 3) + quiet(inbox, T + 4) == ["-show/project.yaml"]


def test_files_in_a_new_folder_are_seen_however_fast_they_come(inbox: Inbox, root: Path) -> None:
    for number in range(30):
        folder = root / "show" / f"{number}" / "deep"
        folder.mkdir(parents=True)
        (folder / "a.yaml").write_text(JOB)
    told = after_hints(inbox, T, 30) + quiet(inbox, T + 1) + quiet(inbox, T + 2)
    assert sorted(told) == sorted(f"show/{number}/deep/a.yaml" for number in range(30))


def test_what_no_hint_told_is_found_by_the_rescan(root: Path) -> None:
    (root / "a.yaml").write_text(JOB)
    inbox = Inbox(root)
    assert names(inbox.step(T)) == ["a.yaml"]
    (root / "a.yaml").write_text(OTHER)
    (root / "b.yaml").write_text(JOB)
    assert inbox.step(T + RESCAN - 1) == []
    assert inbox.step(T + RESCAN) == []
    assert names(inbox.step(T + RESCAN + SETTLE)) == ["a.yaml", "b.yaml"]
    (root / "b.yaml").unlink()
    assert inbox.step(T + 2 * RESCAN + 1) == []
    assert names(inbox.step(T + 2 * RESCAN + 1 + ABSENCE)) == ["-b.yaml"]


def test_a_write_that_hides_behind_the_same_times_is_found(root: Path) -> None:
    path = root / "a.yaml"
    path.write_text(JOB)
    inbox = Inbox(root)
    inbox.step(T)
    before = path.stat()
    known = inbox._known["a.yaml"].signature
    path.write_text(OTHER)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert known is not None
    assert len(JOB) == len(OTHER)
    inbox.step(T + RESCAN)
    assert names(inbox.step(T + RESCAN + SETTLE)) == ["a.yaml"]


def test_lost_hints_make_it_look_at_everything(inbox: Inbox, root: Path) -> None:
    (root / "a.yaml").write_text(JOB)
    assert after_hints(inbox, T) == ["a.yaml"]
    scanned_at = inbox._scanned_at
    descriptor = InotifyFD()
    overflow = InotifyEvent(WatchDescriptor(-1), InotifyConstants.IN_Q_OVERFLOW, 0, b"")
    descriptor.handle_event(overflow)
    descriptor.close()
    assert inbox.wait(5)
    inbox.step(T + 1)
    assert scanned_at == T
    assert inbox._scanned_at == T + 1


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_watcher_that_went_deaf_is_replaced(
    inbox: Inbox, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread that reads the kernel's queue meets an error, and dies of it."""

    def fail(*_: object) -> None:
        raise RuntimeError("an error of the watcher's own")

    (reader,) = [each for each in threading.enumerate() if isinstance(each, InotifyFD)]
    with monkeypatch.context() as broken:
        broken.setattr(InotifyWatchGroup, "_add_all_callbacks", fail)
        (root / "new").mkdir()
        reader.join(10.0)
    assert not reader.is_alive()
    (root / "new/a.yaml").write_text(JOB)
    assert names(inbox.step(T + 1)) == []  # It watches anew and looks; the file has to settle.
    assert names(inbox.step(T + 2)) == ["new/a.yaml"]
    (root / "new/b.yaml").write_text(JOB)
    assert after_hints(inbox, T + 3) == ["new/b.yaml"]


def test_an_inbox_that_is_away_loses_nothing(inbox: Inbox, root: Path) -> None:
    (root / "a.yaml").write_text(JOB)
    assert after_hints(inbox, T) == ["a.yaml"]
    away = root.with_name("away")
    root.rename(away)
    for second in range(1, 20):
        assert inbox.step(T + second) == []
        assert inbox.lost == f"the inbox is gone: {root}"
    root.mkdir()
    assert inbox.step(T + 20) == []
    assert "no folder .pipeline" in str(inbox.lost)
    root.rmdir()
    away.rename(root)
    (root / "b.yaml").write_text(JOB)
    assert quiet(inbox, T + 21) + quiet(inbox, T + 22) == ["b.yaml"]
    assert inbox.lost is None
    (root / "c.yaml").write_text(JOB)
    assert after_hints(inbox, T + 22) == ["c.yaml"]


def test_an_inbox_whose_parent_is_gone_loses_nothing(tmp_path: Path) -> None:
    root = tmp_path / "disk" / "inbox"
    (root / ".pipeline").mkdir(parents=True)
    (root / "a.yaml").write_text(JOB)
    inbox = Inbox(root)
    inbox.step(T)
    root.parent.rename(tmp_path / "elsewhere")
    assert inbox.step(T + RESCAN) == inbox.step(T + 2 * RESCAN) == []
    assert inbox.lost == f"the folder above the inbox is gone: {root.parent}"


def test_a_replaced_folder_is_watched_anew(inbox: Inbox, root: Path) -> None:
    old = root.with_name("old")
    root.rename(old)
    root.mkdir()
    (old / ".pipeline").rename(root / ".pipeline")
    assert quiet(inbox, T + 1) == []
    assert inbox.lost is None
    (root / "a.yaml").write_text(JOB)
    assert after_hints(inbox, T + 1) == ["a.yaml"]


def test_a_folder_deleted_and_made_again_is_watched_anew(inbox: Inbox, root: Path) -> None:
    (root / ".pipeline").rmdir()
    root.rmdir()
    (root / ".pipeline").mkdir(parents=True)
    assert inbox.wait(5)
    assert quiet(inbox, T + 1) == []
    (root / "a.yaml").write_text(JOB)
    assert after_hints(inbox, T + 1) == ["a.yaml"]


def test_while_git_works_nothing_is_told(inbox: Inbox, root: Path) -> None:
    lock = root.parent / ".git" / "index.lock"
    lock.parent.mkdir()
    inbox.step(T + RESCAN)  # Looks for repositories again.
    lock.touch()
    (root / "a.yaml").write_text(JOB)
    assert quiet(inbox, T + 100) == quiet(inbox, T + 101) == []
    assert not inbox.quiet
    (root / "b.yaml").write_text(JOB)
    lock.unlink()
    assert sorted(quiet(inbox, T + 102)) == ["a.yaml", "b.yaml"]


def test_a_lock_that_git_left_behind_is_believed_for_ten_seconds(root: Path) -> None:
    (root / ".git").mkdir()
    (root / ".git" / "index.lock").touch()
    (root / "a.yaml").write_text(JOB)
    inbox = Inbox(root)
    assert inbox.step(T) == inbox.step(T + 9.9) == []
    assert not inbox.scanned
    assert names(inbox.step(T + 10)) == ["a.yaml"]


def test_the_lock_of_a_worktree_is_found(root: Path) -> None:
    elsewhere = root.parent / "repo" / "worktrees" / "x"
    elsewhere.mkdir(parents=True)
    (root.parent / ".git").write_text("gitdir: repo/worktrees/x\n")
    (elsewhere / "index.lock").touch()
    inbox = Inbox(root)
    assert inbox.step(T) == []
    assert not inbox.scanned


def test_odd_names_are_problems_and_two_spellings_of_one_name_too(root: Path) -> None:
    for name in (b"caf\xe9.yaml", b"a\nb.yaml", "é.yaml".encode(), "e\u0301.yaml".encode()):
        with open(os.path.join(os.fsencode(root), name), "w") as file:
            file.write(JOB)
    inbox = Inbox(root)
    told = {each.file: each for each in inbox.step(T) if isinstance(each, FileSeen)}
    assert sorted(told) == sorted(["caf\\xe9.yaml", "a\\x0ab.yaml", "é.yaml", "\\xe9.yaml"])
    assert [len(each.manifests) for each in told.values()].count(1) == 1
    (root / "e\u0301.yaml").unlink()
    inbox.step(T + RESCAN)
    assert len(inbox.step(T + RESCAN + 1)) == 1


@contextmanager
def without_privileges() -> Iterator[Path]:
    """A folder of a user who may not read everything, and for a while his rights."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o777)
        if os.geteuid() != 0:
            yield Path(name)
            return
        os.seteuid(65534)
        try:
            yield Path(name)
        finally:
            os.seteuid(0)


def test_what_cannot_be_read_is_a_problem_and_not_gone() -> None:
    with without_privileges() as parent:
        root = parent / "inbox"
        (root / ".pipeline").mkdir(parents=True)
        (root / "show").mkdir()
        (root / "a.yaml").write_text(JOB)
        (root / "show" / "b.yaml").write_text(JOB)
        inbox = Inbox(root)
        assert names(inbox.step(T)) == ["a.yaml", "show/b.yaml"]
        (root / "a.yaml").chmod(0)
        (root / "show").chmod(0)
        told = inbox.step(T + RESCAN) + inbox.step(T + RESCAN + 1)
        assert names(told) == ["show", "show/b.yaml", "a.yaml"]
        for each in told:
            assert isinstance(each, FileSeen)
            assert each.problems[0].message == "this cannot be read: Permission denied"
        assert inbox.step(T + 2 * RESCAN + 2) == []
        (root / "a.yaml").chmod(0o600)
        (root / "show").chmod(0o700)
        told = inbox.step(T + 3 * RESCAN + 3) + inbox.step(T + 3 * RESCAN + 4)
        assert sorted(names(told)) == ["-show", "a.yaml", "show/b.yaml"]


def test_a_burst_converges_to_what_is_on_the_disk(inbox: Inbox, root: Path) -> None:
    for number in range(300):
        (root / f"{number}.yaml").write_text(JOB)
    for number in range(0, 300, 3):
        (root / f"{number}.yaml").unlink()
    for number in range(1, 300, 3):
        (root / f"{number}.yaml").write_text(OTHER)
    told = quiet(inbox, T) + quiet(inbox, T + 1) + quiet(inbox, T + 2)
    there: set[str] = set()
    for name in told:
        (there.discard if name.startswith("-") else there.add)(name.removeprefix("-"))
    assert there == {path.name for path in root.glob("*.yaml")}


def test_polling_sees_the_same(root: Path) -> None:
    inbox = Inbox(root, polling=True)
    inbox.start()
    try:
        assert inbox.polled
        assert inbox.step(T) == []
        (root / "a.yaml").write_text(JOB)
        assert inbox.wait(5)
        told = quiet(inbox, T + 1) + quiet(inbox, T + 1 + SETTLE)
        assert told == ["a.yaml"]
    finally:
        inbox.stop()


def test_a_wait_ends_by_wake_by_a_hint_or_when_something_is_due(inbox: Inbox, root: Path) -> None:
    inbox.wake()
    assert inbox.wait(60)
    inbox.step(T)
    assert not inbox.wait(0.01)
    with (root / "a.yaml").open("w") as file:
        file.write(JOB)
        file.flush()
        assert inbox.wait(60)
        quiet(inbox, T)
        assert not inbox.wait(60)
        assert names(inbox.step(T + SETTLE)) == ["a.yaml"]


def test_a_file_of_weights_is_described_and_again_when_it_changes(root: Path) -> None:
    good = pair(f"unet.{ATTENTION}.attn2.to_k", 768, 32)
    write(root / "show/loras/akira.safetensors", good)
    write(root / ".hidden/x.safetensors", good)
    inbox = Inbox(root, adapters=Adapters({"ab": body()}))
    (first,) = inbox.step(T)
    assert isinstance(first, FileSeen)
    assert first.file == "show/loras/akira.safetensors"
    assert first.adapter is not None
    assert first.adapter.sha256 == hashlib.sha256(encoded(good)).hexdigest()
    assert (first.problems, first.adapter.why_not("ab")) == ((), "")
    (root / first.file).write_bytes(encoded(good)[:-1])
    assert inbox.step(T + RESCAN) == []
    (second,) = inbox.step(T + RESCAN + SETTLE)
    assert isinstance(second, FileSeen)
    assert second.adapter is not None
    assert "cut short" in second.adapter.fault
    (root / first.file).unlink()
    assert inbox.step(T + 2 * RESCAN) == []
    assert names(inbox.step(T + 2 * RESCAN + ABSENCE)) == ["-show/loras/akira.safetensors"]


def test_a_picture_is_described_and_again_when_it_changes_but_not_one_that_is_drawn(
    root: Path,
) -> None:
    (root / "show").mkdir()
    for name in ("sketch.png", "show.01.png", ".hidden.png"):
        Image.new("RGB", (40, 30)).save(root / "show" / name)
    inbox = Inbox(root)
    (first,) = inbox.step(T)
    assert isinstance(first, FileSeen)
    sha256 = hashlib.sha256((root / "show/sketch.png").read_bytes()).hexdigest()
    assert first.file == "show/sketch.png"
    assert first.picture == PictureFile(sha256=sha256, width=40, height=30)
    data = (root / first.file).read_bytes()
    (root / first.file).write_bytes(data[:-1])
    assert inbox.step(T + RESCAN) == []
    (second,) = inbox.step(T + RESCAN + SETTLE)
    assert isinstance(second, FileSeen)
    assert second.picture == PictureFile(fault="it is cut short; copy or save it again")
    (root / first.file).unlink()
    assert inbox.step(T + 2 * RESCAN) == []
    assert names(inbox.step(T + 2 * RESCAN + ABSENCE)) == ["-show/sketch.png"]
