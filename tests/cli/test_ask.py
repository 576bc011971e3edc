"""`plan` and `show` on an inbox as it lies on the disk, with and without a journal."""

import json
from pathlib import Path

import pytest

from tests.cli.command import anime
from tests.running import Run

pytestmark = pytest.mark.process

FILES = {
    "neon/project.yaml": "kind: project\nname: Neon\nstyle: manga\n",
    "neon/akira.yaml": "kind: character\nname: Akira\nappearance: silver hair\n"
    "outfits: {school: school uniform}\n",
    "neon/roof.yaml": "kind: job\ncharacters: [Akira]\nprompt: roof, (rain:1.2)\noutfit: school\n",
}


def inbox(root: Path, **more: str) -> Path:
    for name, text in {**FILES, **more}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_a_plan_of_manifests_that_no_runner_has_seen(tmp_path: Path) -> None:
    root = inbox(tmp_path / "inbox")
    done = anime("plan", "--inbox", root, cwd=tmp_path)
    assert done.returncode == 5, done.stderr
    assert done.stdout.splitlines() == [
        "render      neon/roof  1 picture",
        "1 picture to draw, no picture yet to tell how long one takes",
    ]


def test_a_plan_names_the_place_of_what_is_invalid_and_what_waits(tmp_path: Path) -> None:
    root = inbox(
        tmp_path / "inbox",
        **{"neon/bad.yaml": "kind: job\npromt: x\n", "neon/waits.yaml": "kind: job\nprompt: x\n"
           "style: mange\n"},
    )  # fmt: skip
    done = anime("plan", "--inbox", root, cwd=tmp_path)
    assert done.returncode == 1
    assert "waiting     neon/waits  there is no style 'mange' yet (nearest: manga)" in done.stdout
    assert "invalid     inbox/neon/bad.yaml:2:1: a job has no field promt" in done.stdout
    found = json.loads(anime("plan", "--inbox", root, "--json", cwd=tmp_path).stdout)
    assert found["plan"]["render"] == 1
    assert {each["job"]: each["word"] for each in found["plan"]["jobs"]} == {
        "neon/roof": "render", "neon/waits": "waiting",
    }  # fmt: skip


def test_a_plan_after_a_run_says_what_a_bible_made_stale(tmp_path: Path) -> None:
    root = inbox(tmp_path / "inbox")
    run = Run(root)
    run.until(lambda: run.status("neon/roof") == "done")
    run.close()
    quiet = anime("plan", "--inbox", root, cwd=tmp_path)
    assert "neon/roof" in anime("plan", "--all", "--inbox", root, cwd=tmp_path).stdout
    bible = root / "neon/akira.yaml"
    bible.write_text(bible.read_text().replace("silver", "black"))
    told = anime("plan", "--inbox", root, cwd=tmp_path).stdout
    # The tests' runs have another model than the command, so that is told, too.
    assert "model" in quiet.stdout
    assert "akira.appearance" in told


def test_show_tells_where_each_word_is_from(tmp_path: Path) -> None:
    root = inbox(tmp_path / "inbox")
    for key in ("neon/roof", "inbox/neon/roof.yaml"):
        told = anime("show", key, "--inbox", root, cwd=tmp_path)
        assert told.returncode == 0, told.stderr
        lines = [line.split(maxsplit=2) for line in told.stdout.splitlines()]
        assert ["silver", "hair", "akira.appearance"] in lines
        assert ["school", "uniform", "akira.outfit"] in lines
        assert ["(rain:1.2)", "job"] in lines
        assert ["screentone", "style", "manga"] in lines
        assert ": all fit" in told.stdout


def test_show_of_an_unknown_job_names_the_nearest(tmp_path: Path) -> None:
    root = inbox(tmp_path / "inbox")
    told = anime("show", "neon/rof", "--inbox", root, cwd=tmp_path)
    assert told.returncode == 1
    assert told.stderr.splitlines() == [
        f"error: there is no job 'neon/rof' in {root}",
        "  hint: did you mean neon/roof?",
    ]


def test_a_job_has_a_log_of_its_own_by_its_name(tmp_path: Path) -> None:
    root = inbox(tmp_path / "inbox", **{"neon/other.yaml": "kind: job\nprompt: x\n"})
    run = Run(root)
    run.until(lambda: run.status("neon/roof") == "done")
    run.close()
    told = anime("log", "--job", "roof", "--inbox", root, cwd=tmp_path)
    lines = [line.split()[2:] for line in told.stdout.splitlines()]
    assert lines[0][:3] == ["submitted", "job", "neon/roof"]
    assert lines[-1][:2] == ["drawn", "neon/roof.01.png"]
    assert "other" not in told.stdout
    refused = anime("log", "--job", "roof", "verify", "--inbox", root, cwd=tmp_path)
    assert refused.returncode == 2


def test_a_name_that_several_jobs_have_is_not_guessed(tmp_path: Path) -> None:
    root = inbox(tmp_path / "inbox", **{"b/roof.yaml": "kind: job\nprompt: x\n"})
    told = anime("show", "roof", "--inbox", root, cwd=tmp_path)
    assert told.stderr.splitlines() == [
        f"error: 2 jobs in {root} are called 'roof'",
        "  hint: did you mean b/roof or neon/roof?",
    ]
