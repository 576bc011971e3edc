"""`hold` and its kin, `takes`, `restore` and `render`, with a runner and without one."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.command import CLONE, anime, environment, record
from tests.cli.test_look import production
from tests.production import Production
from tests.running import JOB, Run

pytestmark = pytest.mark.process


def beside(run: Run, *arguments: str, cwd: Path | None = None) -> tuple[int, str, str]:
    """`anime ARGUMENTS` while the runner runs: exit status and what was said."""
    command = [sys.executable, "-m", "pipeline", *arguments, "--inbox", str(run.root)]
    with subprocess.Popen(
        command, cwd=cwd or run.root, env=environment(run.root.parent), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        run.until(lambda: process.poll() is not None, 60)
        said, complained = process.communicate()
        return process.returncode, said, complained


def at_rest(inbox: Path, made: Production) -> Path:
    """An inbox that no runner runs: the manifests of a production, and its journal."""
    for file, text in made.texts.items():
        (inbox / file).parent.mkdir(parents=True, exist_ok=True)
        (inbox / file).write_text(text)
    return record(inbox, made.events)


def test_with_a_runner_the_answer_is_what_it_did(start: Callable[..., Run]) -> None:
    run = start()
    run.pool.patient = True
    run.drop("akira/rooftop.yaml", JOB + "count: 2\n")
    run.until(lambda: run.status("akira/rooftop") == "rendering")
    assert beside(run, "hold", "akira/rooftop") == (0, "held akira/rooftop (2 pictures)\n", "")
    assert run.state.jobs["akira/rooftop"].on_hold
    assert beside(run, "priority", "akira/rooftop", "-5")[1] == (
        "akira/rooftop has priority -5 now\n"
    )
    assert beside(run, "cancel", "--all")[1] == "cancelled akira/rooftop (2 pictures)\n"
    assert beside(run, "pause", "--reason", "tea")[0] == 0
    assert run.state.paused == "tea"


def test_a_manifests_path_is_a_name_too(start: Callable[..., Run]) -> None:
    run = start()
    run.drop("akira/rooftop.yaml", JOB + "hold: true\n")
    run.until(lambda: run.status("akira/rooftop") == "held")
    said = beside(run, "release", "rooftop.yaml", cwd=run.root / "akira")[1]
    assert said == "released akira/rooftop (1 picture)\n"


def test_takes_are_listed_restored_and_drawn_again(start: Callable[..., Run]) -> None:
    run = start()
    run.drop("rain.yaml")
    run.until(lambda: run.status("rain") == "done")
    assert beside(run, "render", "rain")[1] == "queued rain (1 picture)\n"
    run.until(lambda: run.status("rain") == "done" and len(run.state.jobs["rain"].takes) == 2)
    assert beside(run, "restore", "rain", "1")[1] == "restored take 1 of rain (1 picture)\n"
    lines = beside(run, "takes", "rain")[1].splitlines()
    assert lines[0].startswith("take 1  ")
    assert lines[0].endswith("  submitted  1 picture  current  restored")
    assert lines[1].startswith("    rain.01.png  seed ")
    assert lines[2].endswith("  asked  1 picture")
    assert lines[3].startswith("    .pipeline/takes/rain.take2.01.png  seed ")
    found = json.loads(beside(run, "takes", "rain", "--json")[1])
    assert [(take["number"], take["current"]) for take in found["takes"]] == [(1, True), (2, False)]
    assert found["takes"][1]["pictures"][0]["shelved"] is True


def test_without_a_runner_it_will_be_done_at_the_next_start(tmp_path: Path) -> None:
    at_rest(tmp_path / "inbox", production())
    done = anime("retry", "show", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (
        0, "no runner is up; at the next start: retried show/failed (1 picture)\n",
    )  # fmt: skip
    (file,) = (tmp_path / "inbox/.pipeline/commands").iterdir()
    assert json.loads(file.read_bytes()) == {"command": "retry", "target": "show"}


def test_a_manifest_that_arrived_with_the_runner_down_can_be_named(tmp_path: Path) -> None:
    at_rest(tmp_path / "inbox", production())
    (tmp_path / "inbox/new.yaml").write_text(JOB)
    assert anime("hold", "new", cwd=tmp_path).stdout == (
        "no runner is up; at the next start: held new (1 picture)\n"
    )


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("hold", "show/queud"), 1, "did you mean show/queued?"),
        (("cancel", "quue"), 1, "error: there is no job, project or character 'quue'"),
        (("restore", "show/done", "3"), 1, "error: show/done has no take 3\n  hint: it has 1"),
        (("takes", "nobody"), 1, "error: there is no job 'nobody'"),
        (("hold",), 2, "name a job, a project or a character, or say --all"),
        (("hold", "x", "--all"), 2, "name a job, a project or a character, or say --all"),
        (("render",), 2, "or say --stale"),
        (("priority", "show/done", "1001"), 2, "1001 is not in the range"),
    ],
)
def test_what_cannot_be_is_refused_before_a_file_is_written(
    tmp_path: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    at_rest(tmp_path / "inbox", production())
    done = anime(*arguments, cwd=tmp_path)
    assert done.returncode == code
    assert said in done.stderr
    assert not (tmp_path / "inbox/.pipeline/commands").exists()


def test_an_inbox_that_never_ran_says_so(tmp_path: Path) -> None:
    (tmp_path / "inbox").mkdir()
    done = anime("pause", cwd=tmp_path)
    assert done.returncode == 3
    assert "nothing has run in" in done.stderr
    assert list((tmp_path / "inbox").iterdir()) == []


def test_no_command_imports_torch(tmp_path: Path) -> None:
    at_rest(tmp_path / "inbox", production())
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from pipeline.cli import main; "
        "main(['hold', '--all']); main(['takes', 'show/done']); assert 'torch' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(CLONE)], cwd=tmp_path, env=environment(tmp_path),
        text=True, capture_output=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
