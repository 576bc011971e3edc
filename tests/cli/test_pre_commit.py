"""The git hook in examples/: only what is staged is judged, and as it is staged."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.command import CLONE, environment

pytestmark = pytest.mark.process

HOOK = CLONE / "examples" / "pre-commit"
GOOD = "kind: job\nprompt: x\n"
BAD = "kind: job\npromt: x\n"


class Repository:
    """A real one, with an inbox and the hook."""

    def __init__(self, root: Path, home: Path) -> None:
        self.root = root
        self._environment = environment(
            home,
            GIT_AUTHOR_NAME="a", GIT_AUTHOR_EMAIL="a@b.c",
            GIT_COMMITTER_NAME="a", GIT_COMMITTER_EMAIL="a@b.c",
        )  # fmt: skip
        command = home / "anime"
        command.write_text(f'#!/bin/sh\nexec {sys.executable} -m pipeline "$@"\n')
        command.chmod(0o755)
        self.git("init", "--quiet", str(root), cwd=home)
        self.git("config", "anime.command", str(command))
        hooks = root / self.git("rev-parse", "--git-path", "hooks").stdout.strip()
        hooks.mkdir(exist_ok=True)
        shutil.copy(HOOK, hooks / "pre-commit")

    def git(self, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["git", *arguments], cwd=cwd or self.root, env=self._environment, text=True,
            capture_output=True, timeout=60, check=False,
        )  # fmt: skip

    def stage(self, file: str, text: str) -> None:
        path = self.root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        assert self.git("add", "--", file).returncode == 0

    def commit(self, *arguments: str, cwd: Path | None = None) -> tuple[int, str]:
        """The exit status, and all that was said."""
        done = self.git("commit", "--quiet", "-m", "x", *arguments, cwd=cwd)
        return done.returncode, done.stdout + done.stderr


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    (tmp_path / "home").mkdir()
    return Repository(tmp_path / "repository", tmp_path / "home")


def test_the_hook_can_be_run_and_says_how_to_install_it() -> None:
    assert HOOK.stat().st_mode & 0o111 == 0o111
    assert 'cp .../examples/pre-commit "$(git rev-parse --git-path hooks)/pre-commit"' in (
        HOOK.read_text()
    )


def test_a_bad_manifest_stops_the_commit_with_what_to_mend(repository: Repository) -> None:
    repository.stage("inbox/show/a job.yaml", BAD)
    repository.stage("inbox/good.yaml", GOOD)
    code, said = repository.commit()
    assert code == 1
    assert "inbox/show/a job.yaml:2:1: a job has no field promt\n    promt: x\n    ^\n" in said
    assert "hint: did you mean prompt?" in said
    assert "git commit --no-verify" in said
    repository.stage("inbox/show/a job.yaml", GOOD)
    assert repository.commit() == (0, "")
    assert repository.git("status", "--short").stdout == ""


def test_it_is_judged_as_it_is_staged(repository: Repository) -> None:
    repository.stage("inbox/a.yaml", BAD)
    (repository.root / "inbox" / "a.yaml").write_text(GOOD)
    assert repository.commit()[0] == 1
    repository.stage("inbox/a.yaml", GOOD)
    (repository.root / "inbox" / "a.yaml").write_text(BAD)
    assert repository.commit() == (0, "")
    # A commit of one file by name has an index of its own.
    repository.stage("inbox/b.yaml", BAD)
    (repository.root / "inbox" / "a.yaml").write_text(GOOD + "# again\n")
    assert repository.commit("inbox/a.yaml") == (0, "")
    assert repository.commit()[0] == 1


def test_what_is_not_staged_is_not_there(repository: Repository) -> None:
    repository.stage("inbox/job.yaml", "kind: job\ncharacters: [akira]\n")
    (repository.root / "inbox" / "akira.yaml").write_text("kind: character\nname: Akira\n")
    code, said = repository.commit()
    assert code == 1
    assert "inbox/job.yaml:2:14: there is no character 'akira' yet" in said
    repository.stage("inbox/akira.yaml", "kind: character\nname: Akira\n")
    assert repository.commit() == (0, "")


def test_only_the_manifests_of_the_commit_are_judged(repository: Repository) -> None:
    repository.stage("inbox/old.yaml", BAD)
    assert repository.commit("--no-verify") == (0, "")
    repository.stage("inbox/new.yaml", GOOD)
    repository.stage("inbox/.hidden/x.yaml", BAD)
    repository.stage("inbox/notes.txt", "x")
    repository.stage("elsewhere/x.yaml", BAD)
    assert repository.commit(cwd=repository.root / "inbox") == (0, "")
    assert repository.git("rm", "--quiet", "inbox/new.yaml").returncode == 0
    assert repository.commit() == (0, "")


def test_the_inbox_can_be_another_or_the_repository_itself(repository: Repository) -> None:
    repository.stage("film/in/x.yaml", BAD)
    code, said = repository.commit()
    assert (code, "film/in/x.yaml:2:1: " in said) == (1, True)
    repository.git("config", "anime.inbox", "film/other")
    assert repository.commit() == (0, "")
    repository.git("config", "anime.inbox", "film/in")
    repository.stage("film/in/x.yaml", BAD + "# more\n")
    assert repository.commit()[0] == 1


def test_without_anime_it_says_how_to_name_it(repository: Repository) -> None:
    repository.git("config", "anime.command", "/nowhere/anime")
    repository.stage("readme.txt", "x")
    assert repository.commit() == (0, "")
    repository.stage("inbox/x.yaml", GOOD)
    code, said = repository.commit()
    assert code == 1
    assert "git config anime.command FILE" in said
