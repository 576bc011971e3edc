"""`anime run` as a process: what it leaves, how it ends, and what it says meanwhile."""

import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.core import events as e
from tests.cli.command import anime, environment
from tests.processes import facts

pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]

JOB = "kind: job\nprompt: red hair\nsteps: 3\n"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that draws noise at once, made elsewhere so that torch stays out of this process."""
    folder = tmp_path_factory.mktemp("model") / "tiny"
    make = "import sys, pathlib, tests.render.tiny as t; t.build(pathlib.Path(sys.argv[1]))"
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", make, str(folder)],
        env=environment(folder.parent, HF_HUB_OFFLINE="1"),
        check=True,
        capture_output=True,
        timeout=200,
    )
    return folder


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox" / "good.yaml").write_text(JOB)
    return tmp_path / "inbox"


@contextmanager
def running(inbox: Path, *flags: str) -> Iterator[subprocess.Popen[str]]:
    """`anime run` in its own session, killed at the end if it is still there."""
    command = [sys.executable, "-m", "pipeline", "run", "--workers", "1", *flags]
    with subprocess.Popen(
        command,
        cwd=inbox.parent,
        env=environment(inbox.parent),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def until(process: subprocess.Popen[str], verb: str) -> str:
    """What stands behind a verb, once it is said."""
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if line.startswith(f"{verb} "):
            return line.removeprefix(verb).strip()
    raise AssertionError("".join(said))


def once(inbox: Path, model: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    return anime(
        "run", "--once", "--workers", "1", "--model", model, *flags, cwd=inbox.parent, timeout=200
    )


def test_once_draws_what_is_owed_and_says_what_needs_a_person(inbox: Path, model: Path) -> None:
    (inbox / "bad.yaml").write_text("kind: job\nprompt: x\nstyel: manga\n")
    (inbox / "waits.yaml").write_text("kind: job\ncharacters: [akira]\n")
    done = once(inbox, model)
    assert done.returncode == 1, done.stderr
    assert done.stdout.startswith(f"watching    {inbox} with model tiny\n")
    assert "\ndrawn       good.01.png  " in done.stdout
    assert "\nrejected    bad.yaml  1 problem\n" in done.stdout
    assert "\nwaiting     waits  there is no character 'akira' yet\n" in done.stdout
    first = facts(inbox)[0]
    assert isinstance(first, e.RunnerStarted)
    assert (first.workers, first.model.name, first.device) == (1, "tiny", "auto")

    (inbox / "bad.yaml").unlink()
    (inbox / "waits.yaml").unlink()
    done = once(inbox, model)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        f"watching    {inbox} with model tiny",
        "mended      bad.yaml",
        f"inbox     {inbox}", "runner    none", "jobs      1 done, 1 withdrawn", "pictures  1",
    ]  # fmt: skip


def test_a_run_started_paused_goes_on_when_the_next_is_not(inbox: Path, model: Path) -> None:
    (inbox / "good.yaml").unlink()
    for how in ("paused", "paused", "run", "run"):
        assert once(inbox, model, "--on-start", how).returncode == 0
    said = [fact for fact in facts(inbox) if not isinstance(fact, e.RunnerStarted)]
    assert [type(fact) for fact in said] == [e.QueuePaused, e.QueueResumed]


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_it_stays_with_the_page_until_it_is_stopped(
    inbox: Path, model: Path, sent: signal.Signals, code: int
) -> None:
    (inbox / "good.yaml").unlink()
    with running(inbox, "--port", "0", "--model", str(model)) as process:
        page = until(process, "page")
        until(process, "watching")
        with urllib.request.urlopen(f"{page}/health", timeout=30) as answer:
            assert "model_preloaded" in json.load(answer)
        process.send_signal(sent)
        assert process.wait(60) == code


def test_a_port_that_is_taken_leaves_nothing_behind(inbox: Path, model: Path) -> None:
    with running(inbox, "--port", "0", "--model", str(model)) as process:
        port = until(process, "page").rpartition(":")[2]
        other = inbox.parent / "other"
        other.mkdir()
        flags = ["--inbox", str(other), "--model", str(model), "--port", port]
        done = anime("run", *flags, cwd=inbox.parent)
        assert done.returncode == 3
        assert "another program listens there" in done.stderr
    assert facts(other) == []
    assert anime("status", "--inbox", other, cwd=inbox.parent).stdout.count("runner    none") == 1
