"""The wheel has all that the program needs, and draws with nothing of the clone."""

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

CLONE = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from what git knows, so that it lacks what somebody forgot to add."""
    source, built = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("built")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=CLONE, capture_output=True, check=True,
    )  # fmt: skip
    for name in map(os.fsdecode, listed.stdout.split(b"\0")):
        if name and (CLONE / name).exists():
            place = source / name
            place.parent.mkdir(parents=True, exist_ok=True)
            if (CLONE / name).is_symlink():
                place.symlink_to((CLONE / name).readlink())
            else:
                place.hardlink_to(CLONE / name)
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation",
         "--wheel-dir", str(built), str(source)],
        check=True, capture_output=True,
    )  # fmt: skip
    return next(built.glob("*.whl"))


def test_it_has_the_page_the_model_and_the_examples(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as opened:
        packed = set(opened.namelist())
    package = CLONE / "pipeline"
    wanted = {
        str(file.relative_to(CLONE))
        for folder in ("chibi/model", "server/page", "render/clip", "examples/neon-tokyo",
                       "examples/moonlit-orchard")
        for file in (package / folder).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }  # fmt: skip
    assert len(wanted) > 50
    assert wanted - packed == set()
    assert not [name for name in packed if name.startswith(("tests/", "inbox/"))]


@pytest.mark.slow
@pytest.mark.process
@pytest.mark.timeout(600)
def test_installed_elsewhere_it_draws_the_demo(wheel: Path, tmp_path: Path) -> None:
    """In an environment of its own, which finds in ours only what the wheel asks for."""
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv/bin/python"
    ours = sysconfig.get_path("purelib")
    theirs = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    # A path file among theirs is not read, so that ours does not lead back to the clone.
    (Path(theirs) / "libraries.pth").write_text(ours)
    subprocess.run([python, "-m", "pip", "install", "-q", "--no-deps", wheel], check=True)
    empty = tmp_path / "empty"
    empty.mkdir()
    command = [str(tmp_path / "venv/bin/anime"), "demo", "--device", "cpu", "--port", "0"]
    done = subprocess.run(command, cwd=empty, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (empty / "demo/contact-sheet.png").is_file()
    assert len(list((empty / "demo").rglob("*.[0-9][0-9].png"))) > 10
