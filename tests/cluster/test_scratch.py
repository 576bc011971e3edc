"""Each picture has a folder of its own, and weights stand in it without being copied twice."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.cluster.scratch import Scratch
from pipeline.cluster.words import Draw, Sent, Weights
from tests.render.conftest import task


def draw(*pictures: Sent, number: int = 1, job: str = "show/rain") -> Draw:
    return Draw(number=number, worker="worker-1", task=task(job), pictures=pictures)


@pytest.fixture
def scratch(tmp_path: Path) -> Scratch:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return Scratch(folder)


@pytest.fixture
def shm() -> Iterator[Path]:
    """A folder in memory, which is another file system as a rule."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)


def ink(tmp_path: Path) -> tuple[Path, Weights]:
    source = tmp_path / "ink.safetensors"
    source.write_text("ink")
    file = "loras/ink.safetensors"
    return source, Weights(what="LoRA", path=source, sha256="ab" * 32, file=file)


def test_a_picture_finds_its_folder_and_what_it_is_drawn_from(scratch: Scratch) -> None:
    folder = scratch.of(draw(Sent(file="in/a.png", data=b"a")))
    assert (folder / "show").is_dir()
    assert (folder / "in/a.png").read_bytes() == b"a"
    assert scratch.of(draw(number=2)) != folder
    scratch.forget(1)
    assert not folder.exists()
    scratch.remove()
    assert not scratch.folder.exists()


def test_weights_are_the_same_file_where_that_can_be(scratch: Scratch, tmp_path: Path) -> None:
    source, wanted = ink(tmp_path)
    folder = scratch.of(draw())
    scratch.lend(source, wanted, folder)
    assert (folder / wanted.file).samefile(source)


def test_from_another_file_system_they_are_copied_once(scratch: Scratch, shm: Path) -> None:
    source, wanted = ink(shm)
    if source.stat().st_dev == scratch.folder.stat().st_dev:
        pytest.skip("there is one file system only")
    files = []
    for number in (1, 2):
        scratch.lend(source, wanted, scratch.of(draw(number=number)))
        files.append(scratch.folder_of(number) / wanted.file)
    assert not files[0].samefile(source)
    assert files[0].samefile(files[1])
    scratch.forget(1)
    assert files[1].read_text() == "ink"


def test_nothing_is_put_outside(scratch: Scratch, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="leads out"):
        scratch.of(draw(Sent(file="../../a.png", data=b"a")))
    assert sorted(os.listdir(tmp_path)) == ["scratch"]
