"""`recipe` from the command line: what is printed, what is written, and what it exits with."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.command import CLONE, anime, environment
from tests.test_inscription import written

pytestmark = pytest.mark.process

SAID = "a cat\nNegative prompt: dog\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 5"


def test_a_recipe_is_printed_or_written_and_passes_check(tmp_path: Path) -> None:
    image = written(tmp_path / "a.png", parameters=SAID)
    printed = anime("recipe", image, cwd=tmp_path)
    assert (printed.returncode, printed.stderr) == (0, "")
    assert 'kind: job\nprompt: "a cat"\nnegative: "dog"\nstyle: none\n' in printed.stdout
    saved = anime("recipe", image, "-o", "inbox/cat.yaml", cwd=tmp_path)
    assert saved.stdout == (
        "inbox/cat.yaml\n1 thing could not be carried over; comments in it say what\n"
    )
    assert (tmp_path / "inbox/cat.yaml").read_text() == printed.stdout
    assert anime("check", "inbox/cat.yaml", cwd=tmp_path).returncode == 0
    again = anime("recipe", image, "-o", "inbox/cat.yaml", cwd=tmp_path)
    assert again.returncode == 1
    assert "is there already" in again.stderr


def test_what_says_nothing_is_told(tmp_path: Path) -> None:
    done = anime("recipe", written(tmp_path / "a.png"), cwd=tmp_path)
    assert done.returncode == 1
    assert "does not say how it was drawn" in done.stderr
    assert anime("recipe", "gone.png", cwd=tmp_path).returncode == 2


def test_no_recipe_imports_torch(tmp_path: Path) -> None:
    written(tmp_path / "a.png", parameters=SAID)
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from pipeline.cli import main; "
        "main(['recipe', 'a.png']); assert 'torch' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(CLONE)], cwd=tmp_path, env=environment(tmp_path),
        text=True, capture_output=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def test_a_link_to_a_picture_is_followed_for_whoever_names_it(tmp_path: Path) -> None:
    written(tmp_path / "a.png", parameters=SAID)
    (tmp_path / "link.png").symlink_to("a.png")
    done = anime("recipe", "link.png", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.startswith("# Draws something like link.png, by the parameters")
