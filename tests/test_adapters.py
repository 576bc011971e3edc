"""A file in the inbox is described by its header: a LoRA with its sha256, or why it is none."""

import hashlib
import pickle
from pathlib import Path

import pytest

from pipeline.adapters import Adapters, bodies, body_of
from pipeline.chibi import __file__ as chibi
from tests.safetensors import ATTENTION, body, encoded, kohya_pair, pair, write

GOOD = pair(f"unet.{ATTENTION}.attn2.to_k", 768, 32)
SDXL = kohya_pair(f"lora_unet_{ATTENTION.replace('.', '_')}_attn2_to_k", (2048,), 32)
MODEL = "ab" * 32


def fault(tmp_path: Path, data: bytes) -> str:
    file = tmp_path / "x.safetensors"
    file.write_bytes(data)
    described = Adapters().describe(file)
    assert described is not None
    assert not described.sha256
    return described.fault


def test_a_lora_is_known_by_its_content(tmp_path: Path) -> None:
    file = write(tmp_path / "x.safetensors", GOOD)
    described = Adapters({MODEL: body()}).describe(file)
    assert described is not None
    assert described.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert described.why_not(MODEL) == ""


def test_one_for_another_model_is_still_a_lora(tmp_path: Path) -> None:
    described = Adapters({MODEL: body()}).describe(write(tmp_path / "x.safetensors", SDXL))
    assert described is not None
    assert described.sha256
    assert described.why_not(MODEL).startswith("it is made for SDXL, and the model is SD 1.5")
    assert described.why_not("cd" * 32) == ""


@pytest.mark.parametrize("cut", [0, 4, 8, 20, -1])
def test_a_file_cut_short_is_told_so(tmp_path: Path, cut: int) -> None:
    assert "cut short" in fault(tmp_path, encoded(GOOD)[:cut])


def test_bytes_that_are_too_many_or_no_header_are_told_so(tmp_path: Path) -> None:
    assert "damaged" in fault(tmp_path, encoded(GOOD) + b"x")
    assert "damaged" in fault(tmp_path, (5).to_bytes(8, "little") + b"{{{{{")
    assert "damaged" in fault(tmp_path, (2**63).to_bytes(8, "little"))
    assert "damaged" in fault(tmp_path, (14).to_bytes(8, "little") + b'{"a":{"b":[]}}')


def test_a_pickle_and_a_pointer_are_known_under_any_name(tmp_path: Path) -> None:
    assert "pickle" in fault(tmp_path, pickle.dumps({"a": 1}, protocol=2))
    assert "pickle" in fault(tmp_path, b"PK\x03\x04archive/data.pkl")
    lfs = b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 5\n"
    assert "git lfs pull" in fault(tmp_path, lfs)


def test_a_file_is_read_once_and_again_when_it_changed(tmp_path: Path) -> None:
    file = write(tmp_path / "x.safetensors", GOOD)
    adapters = Adapters({MODEL: body()})
    first = adapters.describe(file)
    assert adapters.describe(file) is first
    write(file, SDXL)
    second = adapters.describe(file)
    assert first is not None
    assert second is not None
    assert second.sha256 != first.sha256


def test_the_bundled_model_has_a_body() -> None:
    model = Path(chibi).with_name("model")
    found = body_of(model)
    assert found.layers_per_block == 1
    assert found.parts["unet"]["conv_in"] == (64, 8, 3, 3)
    assert "encoder.layers.0.self_attn.q_proj" in found.parts["text_encoder"]
    assert bodies({"a": model, "b": model / "model_index.json"}).keys() == {"a"}
