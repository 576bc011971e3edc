"""The commit that is checked out is told as git tells it, without running git."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.commit import commit_at
from pipeline.inscription import record_of
from tests.running import Run


def git(folder: Path, *arguments: str) -> str:
    """Run git as its users do, without anybody's settings."""
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@b",
    }  # fmt: skip
    done = subprocess.run(
        ["git", *arguments], cwd=folder, env=environment, text=True, capture_output=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    folder = tmp_path / "clone"
    (folder / "show").mkdir(parents=True)
    (folder / "show/a.yaml").write_text("kind: job\nprompt: rain\n")
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "one")
    return folder


def test_the_branch_that_is_checked_out(clone: Path) -> None:
    head = git(clone, "rev-parse", "HEAD")
    assert commit_at(clone) == commit_at(clone / "show") == head
    git(clone, "commit", "-q", "--allow-empty", "-m", "two")
    assert commit_at(clone) == git(clone, "rev-parse", "HEAD") != head


def test_a_commit_that_is_checked_out_by_itself(clone: Path) -> None:
    git(clone, "checkout", "-q", "--detach")
    assert commit_at(clone) == git(clone, "rev-parse", "HEAD")


def test_packed_refs(clone: Path) -> None:
    git(clone, "tag", "-a", "-m", "x", "v1")
    git(clone, "branch", "main2")
    git(clone, "pack-refs", "--all")
    assert not (clone / ".git/refs/heads/main").exists()
    assert commit_at(clone) == git(clone, "rev-parse", "HEAD")


def test_another_working_tree_has_its_own_head(clone: Path) -> None:
    git(clone, "worktree", "add", "-q", "-b", "other", "../tree")
    tree = clone.parent / "tree"
    git(tree, "commit", "-q", "--allow-empty", "-m", "two")
    assert commit_at(tree) == git(tree, "rev-parse", "HEAD") != commit_at(clone)
    git(tree, "pack-refs", "--all")
    assert commit_at(tree) == git(tree, "rev-parse", "HEAD")


def test_the_nearest_repository_counts(clone: Path) -> None:
    git(clone / "show", "init", "-q", "-b", "main")
    git(clone / "show", "commit", "-q", "--allow-empty", "-m", "inner")
    assert commit_at(clone / "show") == git(clone / "show", "rev-parse", "HEAD")


def test_where_there_is_none(tmp_path: Path, clone: Path) -> None:
    assert commit_at(tmp_path / "gone") is None
    git(tmp_path, "init", "-q", "-b", "main")
    assert commit_at(tmp_path) is None  # Nothing is committed yet.


@pytest.mark.parametrize(
    "said",
    [
        "ref: refs/../../outside", "ref: /etc/passwd", "ref: refs/heads/.invalid", "ref:", "",
        "root:x:0:0", "ref: refs/heads/../../../x", "ab" * 19, "\0", "ref: refs/heads/a b",
    ],
)  # fmt: skip
def test_what_is_no_head_of_ours_is_not_followed(clone: Path, said: str) -> None:
    (clone.parent / "outside").write_text("ab" * 20)
    (clone / ".git/x").write_text("ab" * 20)
    (clone / ".git/HEAD").write_text(said)
    assert commit_at(clone) is None


def test_files_that_are_made_to_hurt(clone: Path) -> None:
    head = clone / ".git/HEAD"
    head.write_bytes(b"\xff\xfe" * 100)
    assert commit_at(clone) is None
    head.write_bytes(b"a" * 100_000)
    assert commit_at(clone) is None
    head.unlink()
    os.mkfifo(head)  # Whoever opened it for reading would wait.
    assert commit_at(clone) is None
    head.unlink()
    head.write_text("ref: refs/heads/main")
    main = clone / ".git/refs/heads/main"
    main.write_text("ref: refs/heads/main")
    assert commit_at(clone) is None


def test_nothing_of_a_repository_is_run(clone: Path) -> None:
    ran = clone / "ran"
    hook = clone / ".git/hooks/post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {ran}\n")
    hook.chmod(0o755)
    config = clone / ".git/config"
    config.write_text(f"{config.read_text()}\n[core]\n\tfsmonitor = touch {ran}\n")
    assert commit_at(clone) is not None
    assert not ran.exists()


def test_a_picture_records_its_manifest_and_the_commit(start: Callable[..., Run]) -> None:
    run = start()
    git(run.root, "init", "-q", "-b", "main")
    git(run.root, "commit", "-q", "--allow-empty", "-m", "one")
    run.drop("show/rain.yml")
    run.until(lambda: run.status("show/rain") == "done")
    mine = record_of(run.root / "show/rain.01.png")
    assert mine is not None
    assert mine.manifest == "show/rain.yml"
    assert mine.commit == git(run.root, "rev-parse", "HEAD")
    assert mine.version


def test_a_picture_drawn_at_another_commit_before_a_crash_is_drawn_over(
    start: Callable[..., Run],
) -> None:
    """It was in place, the journal did not say so yet; there is one picture in the end."""
    run = start()
    git(run.root, "init", "-q", "-b", "main")
    git(run.root, "commit", "-q", "--allow-empty", "-m", "one")
    run.drop("rain.yaml")
    run.until(lambda: run.status("rain") == "done")
    before = (run.root / "rain.01.png").read_bytes()
    run.close()
    journal = run.root / ".pipeline/events.jsonl"
    kept = [line for line in journal.read_bytes().splitlines(True) if b"image_rendered" not in line]
    journal.write_bytes(b"".join(kept))
    (run.root / ".pipeline/acknowledged").unlink()
    git(run.root, "commit", "-q", "--allow-empty", "-m", "two")
    again = start()
    again.until(lambda: again.status("rain") == "done")
    assert sorted(path.name for path in run.root.glob("*.png")) == ["rain.01.png"]
    mine = record_of(run.root / "rain.01.png")
    assert mine is not None
    assert mine.commit == git(run.root, "rev-parse", "HEAD")
    assert (run.root / "rain.01.png").read_bytes() != before
