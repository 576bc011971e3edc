"""The demo as a newcomer runs it, with the bundled model and real workers."""

import json
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from PIL import Image

from pipeline.commands.demo import EXAMPLES, MARKER, NoDemo, prepare
from pipeline.history import PRIVATE, restore
from pipeline.journal import InboxHeld, Journal
from tests.cli.command import environment, noon

SMALL = """\
kind: job
prompt: 1girl, pink hair
size: 64x64
steps: 2
style: manga
"""


@pytest.mark.slow
@pytest.mark.process
@pytest.mark.timeout(400)
def test_all_examples_are_drawn(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "pipeline", "demo", "--folder", str(folder)],
        cwd=tmp_path,
        env=environment(tmp_path),
        text=True,
        capture_output=True,
        timeout=380,
        check=False,
    )
    said = [line for line in done.stderr.splitlines() if not line.startswith("import time:")]
    assert done.returncode == 0, (done.stdout, said)
    assert not re.search(r"\| +(torch|diffusers|starlette|uvicorn)$", done.stderr, re.MULTILINE)
    state = restore(folder)
    assert len(state.characters) >= 3
    assert len(state.jobs) >= 8
    for job in state.jobs.values():
        assert not job.takes[-1].owed
        for image in job.takes[-1].images.values():
            with Image.open(folder / image.file) as picture:
                picture.load()
    with Image.open(folder / "contact-sheet.png") as sheet:
        assert min(sheet.size) > 500
    assert f"in {folder}\n" in done.stdout
    assert f"{folder}/contact-sheet.png\n" in done.stdout


@pytest.mark.slow
@pytest.mark.process
@pytest.mark.timeout(200)
def test_kept_it_serves_the_page_until_it_is_stopped(tmp_path: Path) -> None:
    """It draws even where a setting would begin with the queue paused."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "one.yaml").write_text(SMALL)
    command = [sys.executable, "-m", "pipeline", "demo", "--keep", "--port", "0", "--workers", "1"]
    with subprocess.Popen(
        [*command, "--folder", "demo", "--examples", "mine"],
        cwd=tmp_path,
        env=environment(tmp_path, ANIME_ON_START="paused"),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        assert process.stdout is not None
        said: dict[str, str] = {}
        for line in process.stdout:
            verb, _, rest = line.strip().partition("  ")
            said[verb] = rest.strip()
            if verb == "sheet":
                break
        assert "sheet" in said, said
        with urllib.request.urlopen(f"{said['page']}/health", timeout=30) as answer:
            assert json.load(answer)["model_preloaded"] is True
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130, process.stdout.read()
    assert (tmp_path / "demo" / "one.01.png").is_file()
    assert (tmp_path / "demo" / "contact-sheet.png").is_file()


def test_its_folder_is_made_anew(tmp_path: Path) -> None:
    mine, folder = tmp_path / "mine", tmp_path / "demo"
    mine.mkdir()
    (mine / "one.yaml").write_text(SMALL)
    prepare(folder, mine)
    (folder / "old.png").touch()
    prepare(folder, mine)
    assert {file.name for file in folder.iterdir()} == {"one.yaml", MARKER}


@pytest.mark.parametrize("kind", ["folder", "file", "link"])
def test_what_no_demo_made_stays(tmp_path: Path, kind: str) -> None:
    mine, folder = tmp_path / "mine", tmp_path / "demo"
    mine.mkdir()
    (mine / "one.yaml").write_text(SMALL)
    (mine / MARKER).touch()
    match kind:
        case "folder":
            folder.mkdir()
            (folder / "precious.txt").touch()
        case "file":
            folder.touch()
        case _:
            folder.symlink_to(mine)
    with pytest.raises(NoDemo, match="was not made by a demo"):
        prepare(folder, mine)
    assert (mine / "one.yaml").is_file()
    assert kind != "folder" or (folder / "precious.txt").is_file()


def test_a_demo_that_runs_is_not_disturbed(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    prepare(tmp_path / "demo", tmp_path / "mine")
    with (
        Journal.open(tmp_path / "demo" / PRIVATE, clock=noon),
        pytest.raises(InboxHeld, match="this inbox is held by the runner with pid"),
    ):
        prepare(tmp_path / "demo", tmp_path / "mine")


def test_the_examples_come_with_the_clone() -> None:
    assert EXAMPLES.is_dir()
