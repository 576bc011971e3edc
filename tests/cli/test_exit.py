"""Exit codes, the look of errors, and that nothing slow is imported."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import __version__
from pipeline.commands.demo import MARKER
from pipeline.core import events as e
from pipeline.history import PRIVATE
from pipeline.journal import Journal
from tests.cli.command import anime, environment, noon, record
from tests.production import Production

SLOW = ("torch", "diffusers", "transformers", "starlette", "uvicorn", "rich", "PIL")

pytestmark = pytest.mark.process


def imported(stderr: str) -> set[str]:
    """The packages in the output of `-X importtime`."""
    lines = (line for line in stderr.splitlines() if line.startswith("import time:"))
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["check"], ["status"], ["log"], ["new", "job", "x"]]
)
def test_what_only_looks_imports_nothing_slow(tmp_path: Path, arguments: list[str]) -> None:
    (tmp_path / "inbox").mkdir()
    done = anime(*arguments, cwd=tmp_path, flags=["-X", "importtime"])
    assert done.returncode == 0, done.stderr
    assert "click" in imported(done.stderr)
    assert imported(done.stderr).isdisjoint(SLOW)


def test_version(tmp_path: Path) -> None:
    done = anime("--version", cwd=tmp_path)
    assert done.stdout == f"anime, version {__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [["frobnicate"], ["check", "not-there.yaml"], ["run", "--port", "many"]],
)
def test_usage_is_2(tmp_path: Path, arguments: list[str]) -> None:
    done = anime(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert not done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["run", "check", "status", "log"])
def test_an_inbox_that_is_not_there_is_3(tmp_path: Path, command: str) -> None:
    done = anime(command, cwd=tmp_path)
    assert done.returncode == 3
    assert f"error: the inbox {tmp_path}/inbox does not exist\n" in done.stderr
    assert f"hint: make one: anime init {tmp_path}/inbox\n" in done.stderr


def test_a_model_that_is_not_there_is_3(tmp_path: Path) -> None:
    (tmp_path / "inbox").mkdir()
    done = anime("run", "--once", "--model", "nowhere", cwd=tmp_path)
    assert done.returncode == 3
    assert f"model {tmp_path}/nowhere does not exist" in done.stderr


def test_an_inbox_that_is_held_is_4(tmp_path: Path) -> None:
    (tmp_path / "inbox").mkdir()
    with Journal.open(tmp_path / "inbox" / PRIVATE, clock=noon):
        done = anime("run", "--once", cwd=tmp_path)
    assert done.returncode == 4
    assert "this inbox is held by the runner with pid" in done.stderr


@pytest.mark.parametrize("command", ["log", "status", "run"])
def test_a_damaged_journal_is_6(tmp_path: Path, command: str) -> None:
    production = Production()
    production.drop("a.yaml", "kind: job\nprompt: x\n")
    path = record(tmp_path / "inbox", production.events)
    path.write_bytes(path.read_bytes().replace(b'"kind":"job"', b'"kind":"jab"', 1))
    done = anime(command, cwd=tmp_path)
    assert done.returncode == 6, done.stderr
    assert f"{path}:2 " in done.stderr


def test_a_reader_who_leaves_early_is_no_failure(tmp_path: Path) -> None:
    """The journal is longer than a pipe takes, so that head is gone before it is all said."""
    record(tmp_path / "inbox", [e.QueuePaused(reason="tea" * 100)] * 1000)
    with (
        subprocess.Popen(
            [sys.executable, "-m", "pipeline", "log"],
            cwd=tmp_path,
            env=environment(tmp_path),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as log,
        subprocess.Popen(["head", "-n1"], stdin=log.stdout, stdout=subprocess.PIPE) as head,
    ):
        assert log.stdout is not None
        log.stdout.close()
        said, _ = head.communicate(timeout=60)
        _, errors = log.communicate(timeout=60)
    assert said.count(b"\n") == 1
    assert (log.returncode, errors) == (0, b"")


def test_a_demo_whose_settings_are_wrong_leaves_the_last_one(tmp_path: Path) -> None:
    for folder in ("demo", "mine"):
        (tmp_path / folder).mkdir()
    (tmp_path / "demo" / MARKER).touch()
    places = ["--folder", "demo", "--examples", "mine"]
    done = anime("demo", *places, "--workers", "x", cwd=tmp_path)
    assert done.returncode == 2
    assert "--workers: workers must be a whole number from 1 to 64" in done.stderr
    assert (tmp_path / "demo" / MARKER).is_file()


def test_an_error_cannot_steer_the_terminal(tmp_path: Path) -> None:
    done = anime("run", "--model", "\x1b[2J", cwd=tmp_path, ANIME_INBOX=str(tmp_path))
    assert done.returncode == 3
    assert "\x1b" not in done.stderr
    assert r"\x1b[2J" in done.stderr
