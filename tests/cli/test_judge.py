"""`anime approve`, `reject` and `unjudge`, with a runner, and the filters by what they said."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.command import anime
from tests.cli.test_look import production
from tests.cli.test_steer import at_rest, beside
from tests.running import JOB, Run

pytestmark = pytest.mark.process


def test_a_verdict_is_recorded_listed_and_taken_back(start: Callable[..., Run]) -> None:
    run = start()
    run.drop("rain.yaml", JOB + "count: 2\n")
    run.drop("snow.yaml", JOB)
    run.until(lambda: run.status("rain") == "done" and run.status("snow") == "done")
    assert beside(run, "approve", "rain", "--picture", "1") == (
        0, "approved picture 1 of take 1 of rain\n", "",
    )  # fmt: skip
    assert beside(run, "reject", "rain.yaml", "--picture", "2", "--take", "1")[1] == (
        "rejected picture 2 of take 1 of rain\n"
    )
    assert (run.root / "rain.02.png").exists()
    listed = beside(run, "takes", "rain", "--rejected")[1].splitlines()
    assert [line.split()[0] for line in listed[1:]] == ["rain.02.png"]
    assert listed[1].endswith("  rejected")
    everywhere = beside(run, "takes", "--unjudged", "--approved", "--json")[1]
    assert [
        (job["job"], picture["index"], picture["verdict"])
        for job in json.loads(everywhere)
        for take in job["takes"]
        for picture in take["pictures"]
    ] == [("rain", 1, "approved"), ("snow", 1, None)]
    shown = beside(run, "show", "rain", "--approved")[1]
    assert "rain.01.png  seed" in shown
    assert "rain.02.png  seed" not in shown
    assert beside(run, "unjudge", "rain")[1] == "unjudged 2 pictures of take 1 of rain\n"
    assert beside(run, "takes", "--rejected") == (0, "", "")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("approve", "show/don"), 1, "did you mean show/done?"),
        (("reject", "show/done", "--picture", "7"), 1, "show/done has no picture 7"),
        (("approve",), 2, "Missing argument 'JOB'"),
        (("reject", "show/done", "--picture", "0"), 2, "0 is not in the range"),
        (("takes",), 2, "name a job, or say --approved, --rejected or --unjudged"),
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


def test_without_a_runner_it_will_be_said_at_the_next_start(tmp_path: Path) -> None:
    at_rest(tmp_path / "inbox", production())
    done = anime("approve", "show/done", "--picture", "1", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (
        0, "no runner is up; at the next start: approved picture 1 of take 1 of show/done\n",
    )  # fmt: skip
    (file,) = (tmp_path / "inbox/.pipeline/commands").iterdir()
    assert json.loads(file.read_bytes()) == {"command": "approve", "job": "show/done", "picture": 1}
