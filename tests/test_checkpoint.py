"""A file is known by the names and shapes in its header; what is no model says what it is."""

import hashlib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pipeline.checkpoint import CLIP, OPEN_CLIP, UNET, VAE, check_vae, read_checkpoint
from pipeline.model import Told, check, describe, name_of
from pipeline.weights import ModelError, read_header

Shapes = dict[str, list[int]]
TEXT = "text_model.embeddings.token_embedding.weight"
LAST = "text_model.final_layer_norm.weight"
COMMON: Shapes = {
    f"{UNET}input_blocks.0.0.weight": [320, 4, 3, 3],
    f"{UNET}time_embed.0.weight": [1280, 320],
    f"{UNET}middle_block.2.in_layers.0.weight": [1280],
    f"{UNET}out.2.weight": [4, 320, 3, 3],
    f"{VAE}decoder.conv_in.weight": [512, 4, 3, 3],
}
SD: Shapes = COMMON | {CLIP["sd"] + TEXT: [49408, 768], CLIP["sd"] + LAST: [768]}
SDXL: Shapes = COMMON | {
    CLIP["sdxl"] + TEXT: [49408, 768],
    CLIP["sdxl"] + LAST: [768],
    f"{UNET}label_emb.0.0.weight": [1280, 2816],
    f"{OPEN_CLIP}token_embedding.weight": [49408, 1280],
    f"{OPEN_CLIP}text_projection": [1280, 1280],
}


def written(file: Path, shapes: Shapes, metadata: dict[str, str] | None = None) -> Path:
    """A file with these names and shapes, and four bytes of weights."""
    header: dict[str, Any] = {
        name: {"dtype": "F16", "shape": shape, "data_offsets": [0, 4]}
        for name, shape in shapes.items()
    }
    if metadata is not None:
        header["__metadata__"] = metadata
    text = msgspec.json.encode(header)
    file.write_bytes(len(text).to_bytes(8, "little") + text + b"1234")
    return file


@pytest.mark.parametrize(("shapes", "family"), [(SD, "sd"), (SDXL, "sdxl")])
def test_a_family_is_told_by_its_tensors(shapes: Shapes, family: str, tmp_path: Path) -> None:
    found = read_checkpoint(written(tmp_path / "a.safetensors", shapes))
    assert (found.family, found.prediction, found.zero_snr) == (family, "epsilon", False)
    assert found.has_vae


@pytest.mark.parametrize(
    ("marks", "metadata", "prediction", "zero"),
    [
        (["v_pred"], None, "v_prediction", False),
        (["v_pred", "ztsnr"], None, "v_prediction", True),
        ([], {"modelspec.prediction_type": "v"}, "v_prediction", False),
        ([], {"modelspec.prediction_type": "epsilon"}, "epsilon", False),
    ],
)
def test_what_is_predicted_is_said_in_the_file(
    marks: list[str], metadata: dict[str, str] | None, prediction: str, zero: bool, tmp_path: Path
) -> None:
    shapes = SDXL | {mark: [0] for mark in marks}
    found = read_checkpoint(written(tmp_path / "a.safetensors", shapes, metadata))
    assert (found.prediction, found.zero_snr) == (prediction, zero)


def test_a_file_is_described_by_its_own_hash_and_name(tmp_path: Path) -> None:
    """As other tools name it."""
    file = written(tmp_path / "dream v2.safetensors", SDXL)
    described = describe(file)
    assert described.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert (described.name, described.width, described.height) == ("dream v2", 1024, 1024)
    assert describe(written(tmp_path / "old.safetensors", SD)).width == 512
    assert name_of(file) == "dream v2"


def test_what_is_told_of_a_model_is_part_of_which_one_it_is(tmp_path: Path) -> None:
    file = written(tmp_path / "a.safetensors", SD)
    vae = written(tmp_path / "vae.safetensors", {"decoder.conv_in.weight": [512, 4, 3, 3]})
    own = describe(file).sha256
    others = [
        describe(file, told=told).sha256
        for told in (Told(prediction="v_prediction"), Told(zero_snr="yes"), Told(vae=vae))
    ]
    assert len({own, *others}) == 4
    assert describe(file, told=Told(prediction="epsilon", zero_snr="no")).sha256 == own
    kind = check(file, Told(prediction="v_prediction", zero_snr="yes"))
    assert (kind.prediction, kind.zero_snr) == ("v_prediction", True)


def test_a_file_without_a_vae_wants_one_beside_it(tmp_path: Path) -> None:
    shapes = {name: shape for name, shape in SD.items() if not name.startswith(VAE)}
    file = written(tmp_path / "a.safetensors", shapes)
    with pytest.raises(ModelError, match="holds no VAE") as caught:
        check(file)
    assert "--vae" in (caught.value.hint or "")
    vae = written(tmp_path / "vae.safetensors", {f"{VAE}decoder.conv_in.weight": [512, 4, 3, 3]})
    assert check(file, Told(vae=vae)).family == "sd"
    wide = written(tmp_path / "wide.safetensors", {"decoder.conv_in.weight": [512, 16, 3, 3]})
    for other in (file, wide):
        with pytest.raises(ModelError, match="is no VAE"):
            check_vae(other)


OTHERS: list[tuple[Shapes, str]] = [
    ({"double_blocks.0.img_attn.norm.key_norm.scale": [1]}, "Flux"),
    ({f"{UNET}double_blocks.0.img_attn.qkv.weight": [1]}, "Flux"),
    ({f"{UNET}joint_blocks.0.x_block.mlp.fc1.weight": [1]}, "Stable Diffusion 3"),
    ({f"{UNET}cap_embedder.0.weight": [1]}, "Lumina"),
    ({"lora_unet_mid_block_attentions_0.lora_down.weight": [1]}, "is a LoRA"),
    ({"unet.mid_block.attentions.0.lora_A.weight": [1]}, "is a LoRA"),
    ({"decoder.conv_in.weight": [512, 4, 3, 3]}, "is a VAE"),
    ({"down_blocks.0.resnets.0.conv1.weight": [1]}, "one part of a diffusers folder"),
    ({"weight": [1]}, "a file of another kind"),
    (SD | {f"{UNET}input_blocks.0.0.weight": [320, 9, 3, 3]}, "inpainting"),
    (SD | {f"{UNET}input_blocks.0.0.weight": [320, 8, 3, 3]}, "edits pictures"),
    (COMMON | {"cond_stage_model.model.token_embedding.weight": [1]}, "Stable Diffusion 2"),
    (COMMON | {"conditioner.embedders.0.model.text_projection": [1]}, "refiner"),
    (SDXL | {"edm_mean": [4]}, "EDM"),
    (SDXL | {"edm_vpred.sigma_max": []}, "EDM"),
    (COMMON, "no text encoder"),
    ({k: v for k, v in SDXL.items() if OPEN_CLIP not in k}, "no second text encoder"),
    ({k: v for k, v in SDXL.items() if "middle" not in k}, "distilled"),
    (SD | {CLIP["sd"] + TEXT: [50000, 768]}, "50000 words"),
]


@pytest.mark.parametrize(
    ("shapes", "said"), OTHERS, ids=[f"{n}: {said}" for n, (_, said) in enumerate(OTHERS)]
)
def test_another_architecture_is_named_and_refused(
    shapes: Shapes, said: str, tmp_path: Path
) -> None:
    file = written(tmp_path / "a.safetensors", shapes)
    with pytest.raises(ModelError, match=said) as caught:
        check(file)
    assert str(file) in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("name", "data", "said", "hint"),
    [
        ("a.ckpt", b"\x80\x02}q", "pickle", "safe_serialization"),
        ("a.gguf", b"GGUF", "neither a folder nor", "diffusers"),
        ("a.safetensors", b"version https://git-lfs.github.com/spec/v1\n", "LFS", "git lfs pull"),
        ("a.safetensors", b"<!DOCTYPE html><html>", "web page", "log in"),
        ("a.safetensors", b"", "cut short", "again"),
        ("a.safetensors", b"\x00" * 4, "cut short", "again"),
        ("a.safetensors", (9).to_bytes(8, "little") + b'{"a": 1} ', "cut short", "again"),
        ("a.safetensors", (1 << 40).to_bytes(8, "little") + b"{}", "cut short", "again"),
    ],
)
def test_what_is_no_safetensors_file_is_said(
    name: str, data: bytes, said: str, hint: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ModelError, match=said) as caught:
        check(tmp_path / name)
    assert hint in (caught.value.hint or "")


def test_a_half_copied_file_is_refused_at_any_length(tmp_path: Path) -> None:
    whole = written(tmp_path / "a.safetensors", SD).read_bytes()
    part = tmp_path / "part.safetensors"
    for length in [*range(0, len(whole), 97), len(whole) - 1, len(whole) + 1]:
        part.write_bytes((whole + b"5")[:length])
        with pytest.raises(ModelError, match="cut short"):
            check(part)
    assert read_header(tmp_path / "a.safetensors").dtypes[f"{UNET}out.2.weight"] == "F16"
