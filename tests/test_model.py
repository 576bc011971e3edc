"""A model is known by what it draws with; what is wrong with it is said with a way out."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from pipeline.model import check, confirm, describe, variant
from pipeline.weights import ModelError

WEIGHTS = "unet/diffusion_pytorch_model.safetensors"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A folder that looks like a model, with one tensor of four bytes for each component."""
    folder = tmp_path / "chibi"
    parts = {
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderTiny"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "scheduler": ["diffusers", "DPMSolverMultistepScheduler"],
    }
    for part in parts:
        (folder / part).mkdir(parents=True)
    _write(folder / "model_index.json", {"_class_name": "StableDiffusionPipeline", **parts})
    _write(folder / "unet/config.json", {"sample_size": [32, 48]})
    _write(folder / "vae/config.json", {"decoder_block_out_channels": [8, 8, 8, 8]})
    _write(folder / "text_encoder/config.json", {})
    _write(folder / "scheduler/scheduler_config.json", {})
    header = msgspec.json.encode({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}})
    for name in (WEIGHTS, "vae/w.safetensors", "text_encoder/w.safetensors"):
        (folder / name).write_bytes(len(header).to_bytes(8, "little") + header + b"1234")
    return folder


def test_name_and_size_come_from_the_folder(model: Path) -> None:
    described = describe(model)
    assert (described.name, described.width, described.height) == ("chibi", 384, 256)


def test_a_model_that_names_itself_is_called_so(model: Path, tmp_path: Path) -> None:
    """The folder of a bundled or a copied model may be called anything."""
    named = tmp_path / "folder"
    shutil.copytree(model, named)
    index = json.loads((named / "model_index.json").read_text())
    (named / "model_index.json").write_text(json.dumps(index | {"_name_or_path": "some/chibi"}))
    assert describe(named).name == "chibi"


def test_every_file_that_draws_counts_and_no_other(model: Path, tmp_path: Path) -> None:
    before = describe(model)
    (model / "README.md").write_text("changed")
    (model / "safety_checker").mkdir()
    _write(model / "safety_checker/config.json", {})
    moved = shutil.copytree(model, tmp_path / "elsewhere" / "chibi")
    assert describe(moved) == before
    (moved / "tokenizer/merges.txt").write_text("a b")
    assert describe(moved).sha256 != before.sha256


def test_what_was_hashed_is_remembered_until_it_changes(model: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache/hashes.json"
    before = describe(model, cache)
    file = model / WEIGHTS
    stood = file.stat()
    file.write_bytes(file.read_bytes()[:-4] + b"5678")
    os.utime(file, ns=(stood.st_atime_ns, stood.st_mtime_ns))
    assert describe(model, cache) == before
    os.utime(file)
    assert describe(model, cache).sha256 != before.sha256
    cache.write_text("not JSON")
    assert describe(model, cache).sha256 == describe(model).sha256


def test_a_model_that_was_changed_is_not_the_one_that_a_run_began_with(
    model: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "cache/hashes.json"
    began = describe(model, cache).sha256
    confirm(model, began, cache)
    file = model / WEIGHTS
    file.write_bytes(file.read_bytes()[:-4] + b"5678")
    with pytest.raises(ModelError, match="has changed since the run began"):
        confirm(model, began, cache)
    confirm(model, describe(model).sha256, cache)


def test_files_that_are_links_are_hashed_as_what_they_link_to(model: Path, tmp_path: Path) -> None:
    """As model hubs keep them."""
    before = describe(model)
    file = model / WEIGHTS
    file.rename(tmp_path / "blob")
    file.symlink_to(tmp_path / "blob")
    assert describe(model) == before


def test_a_cache_that_cannot_be_had_is_done_without(model: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert describe(model, tmp_path / "file/hashes.json") == describe(model)
    folder = tmp_path / "hashes.json"
    folder.mkdir()
    assert describe(model, folder) == describe(model)
    assert sorted(os.listdir(tmp_path)) == ["chibi", "file", "hashes.json"]


def _lfs(model: Path) -> None:
    (model / WEIGHTS).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\n")


def _pickled(model: Path) -> None:
    (model / WEIGHTS).rename(model / "unet/diffusion_pytorch_model.bin")


def _cut(model: Path) -> None:
    os.truncate(model / WEIGHTS, 60)


def _emptied(model: Path) -> None:
    (model / WEIGHTS).write_bytes(b"")


def _foreign(model: Path) -> None:
    index = json.loads((model / "model_index.json").read_text())
    _write(model / "model_index.json", index | {"unet": ["pipeline_of_mine", "MyUNet"]})


def _other(model: Path) -> None:
    _write(model / "model_index.json", {"_class_name": "FluxPipeline"})


@pytest.mark.parametrize(
    ("spoil", "said", "hint"),
    [
        (shutil.rmtree, "does not exist", "--model"),
        (lambda model: (model / "model_index.json").unlink(), "no model_index.json", "layout"),
        (lambda model: (model / "model_index.json").write_text("{"), "cannot be read", "again"),
        (lambda model: shutil.rmtree(model / "scheduler"), "no folder scheduler", "whole"),
        (lambda model: (model / WEIGHTS).unlink(), "no .safetensors file", "whole"),
        (_other, "is a FluxPipeline", "only StableDiffusionPipeline"),
        (_foreign, "MyUNet of pipeline_of_mine", "never run"),
        (_pickled, "only as pickle", "safe_serialization=True"),
        (_lfs, "Git LFS pointer", "git lfs pull"),
        (_cut, "cut short", "again"),
        (_emptied, "cut short", "again"),
    ],
)
def test_what_is_wrong_is_said_with_a_way_out(
    spoil: Callable[[Path], None], said: str, hint: str, model: Path
) -> None:
    spoil(model)
    with pytest.raises(ModelError) as caught:
        check(model)
    assert said in caught.value.message
    assert hint in (caught.value.hint or "")
    assert str(model) in caught.value.message
    assert caught.value.exit_code == 3


def test_weights_of_half_precision_only_are_a_variant(model: Path) -> None:
    assert variant(model) is None
    (model / WEIGHTS).rename(model / "unet/diffusion_pytorch_model.fp16.safetensors")
    assert variant(model) == "fp16"


def _write(file: Path, value: object) -> None:
    file.write_bytes(msgspec.json.encode(value))
