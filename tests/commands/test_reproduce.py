"""A picture is drawn again from its record alone, and what differs is told."""

from pathlib import Path
from typing import Any

import pytest
import torch
from msgspec.structs import replace
from PIL import Image, PngImagePlugin

from pipeline.commands.borrowing import NotDrawn
from pipeline.commands.reproduce import NotOurs, Reproduced, reproduce
from pipeline.commands.scaffold import CannotWrite
from pipeline.core import record
from pipeline.core.digest import digest
from pipeline.core.resolved import Adapter, Region, Resolved, Source, Task
from pipeline.inscription import record_of
from pipeline.model import describe
from pipeline.modelfiles import ModelFiles
from pipeline.pictures import sha256_of
from pipeline.render import png
from pipeline.weights import ModelError
from tests.cli.command import anime
from tests.fakes import FAKE_MADE, square
from tests.render import guides, loras
from tests.render.conftest import task
from tests.test_inscription import written

pytestmark = [pytest.mark.process, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.render import tiny  # torch is for those who ask for a model

    return tiny.build(tmp_path_factory.mktemp("models") / "tiny")


def _task(model: str, **inputs: Any) -> Task:
    wanted = task("show/a", model=model, **inputs)
    return replace(wanted, digest=digest(wanted.resolved), commit="ab" * 20)


def _painted(file: Path, wanted: Task) -> Path:
    file.write_bytes(png.encode(square(wanted), wanted, "tiny", FAKE_MADE))
    return file


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory, model: Path) -> tuple[Reproduced, Path]:
    """What was said of a picture that the model did not draw, and the one that it did draw."""
    halves = tuple(
        Region(prompt=prompt, left=left, top=0.0, right=left + 0.5, bottom=1.0)
        for prompt, left in (("girl", 0.0), ("boy", 0.5))
    )
    folder = tmp_path_factory.mktemp("pictures")
    wanted = _task(describe(model).sha256, regions=halves)
    kept = folder / "kept.png"
    return reproduce(_painted(folder / "other.png", wanted), model, kept), kept


@pytest.mark.slow
def test_other_pixels_and_what_differs_are_told(first: tuple[Reproduced, Path]) -> None:
    found, kept = first
    assert not found.same
    assert found.lines[0] == f"other pixels: {kept.with_name('other.png')}"
    assert "  what differs:" in found.lines
    assert any(line.startswith("    torch: then 0, now ") for line in found.lines)
    assert not any("model:" in line or "threads:" in line for line in found.lines)
    assert found.lines[-1] == f"the new picture is {kept}"


def test_a_picture_is_drawn_again_to_the_pixel(
    first: tuple[Reproduced, Path], tmp_path: Path, model: Path
) -> None:
    _, kept = first
    again = tmp_path / "again.png"
    same = reproduce(kept, model, again)
    assert same.same
    assert same.lines == (f"the same pixels: {kept}", f"the new picture is {again}")
    assert again.read_bytes() == kept.read_bytes()
    mine = record_of(kept)
    assert mine is not None
    assert (mine.commit, mine.made.threads) == ("ab" * 20, 1)


@pytest.mark.slow
def test_of_several_models_the_one_is_taken_that_drew_it(
    first: tuple[Reproduced, Path], tmp_path: Path, model: Path
) -> None:
    from tests.render import tiny

    other = tiny.build(tmp_path / "other", seed=21)
    missing = ModelFiles(path=tmp_path / "missing")
    same = reproduce(first[1], other, others=[missing, ModelFiles(path=model)])
    assert same.same
    assert same.lines == (f"the same pixels: {first[1]}",)


@pytest.mark.slow
def test_its_loras_are_found_in_the_inbox_wherever_they_stand_now(
    tmp_path: Path, model: Path
) -> None:
    inbox = tmp_path / "inbox"
    tensors = {
        f"unet.down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q.lora_{letter}.weight":
            torch.full(shape, 0.5) for letter, shape in (("A", (2, 32)), ("B", (32, 2)))
    }  # fmt: skip
    lora = loras.written(inbox / "elsewhere/moved.safetensors", tensors)
    adapters = (Adapter(file="loras/akira.safetensors", sha256=sha256_of(lora), weight=0.8),)
    wanted = _task(describe(model).sha256, adapters=adapters)
    file = _painted(tmp_path / "a.png", wanted)
    with pytest.raises(NotDrawn, match=r"the LoRA loras/akira\.safetensors .* is not in the inbox"):
        reproduce(file, model, None, tmp_path / "other")
    first = reproduce(file, model, tmp_path / "kept.png", inbox)
    assert not first.same
    again = reproduce(tmp_path / "kept.png", model, tmp_path / "again.png", inbox)
    assert again.same
    assert (tmp_path / "again.png").read_bytes() == (tmp_path / "kept.png").read_bytes()
    mine = record_of(tmp_path / "kept.png")
    assert mine is not None
    assert mine.resolved.adapters == adapters


@pytest.mark.slow
def test_a_picture_that_was_drawn_from_others_finds_them_by_content(
    tmp_path: Path, model: Path
) -> None:
    inbox = tmp_path / "inbox"
    sketch = guides.picture(inbox, "old/sketch.png")
    base = guides.picture(inbox, "show/base.01.png", seed=2)
    source = Source(picture=sketch, strength=0.5, mask=base)
    wanted = _task(describe(model).sha256, source=source)
    reproduce(_painted(tmp_path / "a.png", wanted), model, tmp_path / "kept.png", inbox)
    (inbox / "old/sketch.png").rename(inbox / "show/moved.png")
    again = reproduce(tmp_path / "kept.png", model, tmp_path / "again.png", inbox)
    assert again.same
    assert (tmp_path / "again.png").read_bytes() == (tmp_path / "kept.png").read_bytes()
    (inbox / "show/moved.png").unlink()
    with pytest.raises(NotDrawn, match=r"the picture old/sketch\.png \([0-9a-f]{12}\), which is"):
        reproduce(tmp_path / "kept.png", model, tmp_path / "more.png", inbox)


@pytest.mark.slow
def test_a_retouched_picture_of_another_model_is_told(
    first: tuple[Reproduced, Path], tmp_path: Path, model: Path
) -> None:
    retouched = _retouched(first[1], tmp_path / "retouched.png", "cd" * 32)
    done = anime("reproduce", retouched, "--model", model, cwd=tmp_path, timeout=240)
    assert (done.returncode, done.stderr) == (1, "")
    lines = done.stdout.splitlines()
    assert lines[0] == f"other pixels: {retouched}"
    assert lines[1].endswith("changed since it was drawn; the new pixels are those of the record")
    assert lines[2] == "  what differs:"
    assert lines[3].startswith("    model: then tiny (cdcdcdcdcdcd), now tiny (")
    assert lines[4] == "    record: its digest is not that of the inputs beside it"


def test_a_model_that_cannot_be_had_is_told(tmp_path: Path, model: Path) -> None:
    wanted = _task(describe(model).sha256)
    broken = tmp_path / "broken"
    for part in model.rglob("*"):
        target = broken / part.relative_to(model)
        if part.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(part.read_bytes())
    weights = next((broken / "unet").glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:8] + b"\0" * 200)
    file = _painted(tmp_path / "a.png", wanted)
    for folder in (broken, tmp_path / "nowhere"):
        with pytest.raises(ModelError) as caught:
            reproduce(file, folder)
        assert caught.value.exit_code == 3


def test_nothing_is_drawn_for_a_picture_that_is_not_ours(tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    with pytest.raises(NotOurs, match="no record of ours"):
        reproduce(written(tmp_path / "a.png", parameters="a cat"), nowhere)
    huge = Resolved(
        prompt="x", negative="", width=10**6, height=64, steps=10**9, guidance=5.0,
        sampler="euler", schedule="normal", model="ab",
    )  # fmt: skip
    mine = record.Record(
        job="../../x", take=1, index=1, seed=1, digest="d", resolved=huge, model="m",
        made=FAKE_MADE, pixels="p",
    )  # fmt: skip
    with pytest.raises(NotOurs, match="width: 1000000, steps: 1000000000"):
        reproduce(written(tmp_path / "b.png", anime=record.encode(mine)), nowhere)


def test_what_stands_where_the_new_one_is_to_be_kept_stays(tmp_path: Path, model: Path) -> None:
    file = _painted(tmp_path / "a.png", _task(describe(model).sha256))
    with pytest.raises(CannotWrite, match="is there already"):
        reproduce(file, model, file)


def _retouched(file: Path, target: Path, model: str) -> Path:
    """A copy with one other pixel, whose record says that another model drew it."""
    mine = record_of(file)
    assert mine is not None
    texts = PngImagePlugin.PngInfo()
    other = replace(mine, resolved=replace(mine.resolved, model=model))
    texts.add_text(record.KEY, record.encode(other))
    with Image.open(file) as image:
        image.putpixel((0, 0), (1, 2, 3))
        image.save(target, pnginfo=texts)
    return target
