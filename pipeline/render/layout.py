"""The configs that a checkpoint of one file comes without, from the shapes of its tensors.

Owns what diffusers would fetch from a hub: a folder of JSON files and a vocabulary. What shapes do
not say (heads of attention, scaling of latents, noise) is as the two architectures were published:
https://huggingface.co/stable-diffusion-v1-5/stable-diffusion-v1-5 and
https://huggingface.co/stabilityai/stable-diffusion-xl-base-1.0
"""

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pipeline.checkpoint import CLIP, OPEN_CLIP, UNET, VAE, Family
from pipeline.model import Kind
from pipeline.render.words import BEGIN, END, ROOM, write_vocabulary

Shapes = Mapping[str, tuple[int, ...]]

_SIDES: dict[Family, int] = {"sd": 64, "sdxl": 128}
"""Cells of a latent picture's side."""
_SCALINGS: dict[Family, float] = {"sd": 0.18215, "sdxl": 0.13025}
_HEAD = 64
"""Channels of a head of attention, in both text encoders and in SDXL's UNet; SD 1.5's has 8 heads
everywhere."""
_TIMES = 6
"""Numbers of SDXL's size conditioning."""
_CLASSES: dict[Family, dict[str, Any]] = {
    "sd": {
        "_class_name": "StableDiffusionPipeline",
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
    },
    "sdxl": {
        "_class_name": "StableDiffusionXLPipeline",
        "force_zeros_for_empty_prompt": True,
        "text_encoder": ["transformers", "CLIPTextModel"],
        "text_encoder_2": ["transformers", "CLIPTextModelWithProjection"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "tokenizer_2": ["transformers", "CLIPTokenizer"],
    },
}
_COMMON = {
    "scheduler": ["diffusers", "EulerDiscreteScheduler"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
}


def write_configs(folder: Path, kind: Kind, model: Shapes, vae: Shapes) -> None:
    """Make the folder a model without weights, as `from_single_file(config=…)` takes it.

    `vae` are the shapes of the file that the VAE is in, the model's own or another.
    """
    write_json(folder / "model_index.json", _CLASSES[kind.family] | _COMMON)
    write_json(folder / "scheduler/scheduler_config.json", scheduler(kind))
    write_json(folder / "unet/config.json", unet(model, kind.family))
    write_json(folder / "vae/config.json", autoencoder(vae, kind.family))
    write_json(folder / "text_encoder/config.json", _clip(model, CLIP[kind.family] + "text_model."))
    write_vocabulary(folder / "tokenizer", pad=END)
    if kind.family == "sdxl":
        write_json(folder / "text_encoder_2/config.json", _open_clip(model))
        write_vocabulary(folder / "tokenizer_2", pad="!")


def scheduler(kind: Kind) -> dict[str, Any]:
    """Noise as all of these models were trained with; moments evenly from the last to the first."""
    return {
        "_class_name": "EulerDiscreteScheduler",
        "num_train_timesteps": 1000,
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "prediction_type": kind.prediction,
        "rescale_betas_zero_snr": kind.zero_snr,
        "steps_offset": 1,
        "timestep_spacing": "linspace",
    }


def unet(shapes: Shapes, family: Family) -> dict[str, Any]:
    """The UNet's config; each level is what lies between two downsamplings."""
    levels = _levels(shapes)
    channels = [level[0][0] for level in levels]
    depths = [level[0][1] for level in levels]
    middle = _depth(shapes, f"{UNET}middle_block.1.")
    cross = next(s for n, s in shapes.items() if n.endswith("attn2.to_k.weight") and UNET in n)
    linear = next(s for n, s in shapes.items() if n.endswith(".proj_in.weight") and UNET in n)
    config: dict[str, Any] = {
        "sample_size": _SIDES[family],
        "in_channels": 4,
        "out_channels": 4,
        "block_out_channels": channels,
        "layers_per_block": len(levels[0]),
        "down_block_types": ["CrossAttnDownBlock2D" if d else "DownBlock2D" for d in depths],
        "up_block_types": ["CrossAttnUpBlock2D" if d else "UpBlock2D" for d in depths[::-1]],
        "transformer_layers_per_block": [*(depth or 1 for depth in depths[:-1]), middle],
        "cross_attention_dim": cross[1],
        "use_linear_projection": len(linear) == 2,
        "attention_head_dim": 8,
    }
    if family == "sdxl":
        entry = shapes[f"{UNET}label_emb.0.0.weight"][1]
        pooled = shapes[f"{OPEN_CLIP}text_projection"][1]
        config |= {
            "attention_head_dim": [max(1, width // _HEAD) for width in channels],
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": (entry - pooled) // _TIMES,
            "projection_class_embeddings_input_dim": entry,
        }
    return config


def autoencoder(shapes: Shapes, family: Family) -> dict[str, Any]:
    """The VAE's config, from a file in either layout."""
    found = _numbered(shapes, r"encoder\.down(?:_blocks)?\.(\d+)\.(?:block|resnets)\.(\d+)\.conv2")
    channels = [
        next(shape[0] for (level, _), shape in found.items() if level == each)
        for each in sorted({level for level, _ in found})
    ]
    return {
        "in_channels": 3,
        "out_channels": 3,
        "latent_channels": 4,
        "block_out_channels": channels,
        "layers_per_block": len([layer for level, layer in found if level == 0]),
        "down_block_types": ["DownEncoderBlock2D"] * len(channels),
        "up_block_types": ["UpDecoderBlock2D"] * len(channels),
        "sample_size": _SIDES[family] * 8,
        "scaling_factor": _SCALINGS[family],
        "force_upcast": family == "sdxl",
    }


def _levels(shapes: Shapes) -> list[list[tuple[int, int]]]:
    """Of each level its layers: channels, and how many transformer blocks follow."""
    levels: list[list[tuple[int, int]]] = [[]]
    number = 1
    while any(name.startswith(f"{UNET}input_blocks.{number}.") for name in shapes):
        block = f"{UNET}input_blocks.{number}."
        if f"{block}0.op.weight" in shapes:
            levels.append([])
        else:
            width = shapes[f"{block}0.out_layers.3.weight"][0]
            levels[-1].append((width, _depth(shapes, f"{block}1.")))
        number += 1
    return levels


def _depth(shapes: Shapes, block: str) -> int:
    return _count(shapes, rf"{re.escape(block)}transformer_blocks\.(\d+)\.")


def _clip(shapes: Shapes, prefix: str) -> dict[str, Any]:
    words, width = shapes[f"{prefix}embeddings.token_embedding.weight"]
    return _text(
        words=words,
        width=width,
        layers=_count(shapes, rf"{re.escape(prefix)}encoder\.layers\.(\d+)\."),
        inner=shapes[f"{prefix}encoder.layers.0.mlp.fc1.weight"][0],
        projection=width,
        act="quick_gelu",
    )


def _open_clip(shapes: Shapes) -> dict[str, Any]:
    words, width = shapes[f"{OPEN_CLIP}token_embedding.weight"]
    return _text(
        words=words,
        width=width,
        layers=_count(shapes, rf"{re.escape(OPEN_CLIP)}transformer\.resblocks\.(\d+)\."),
        inner=shapes[f"{OPEN_CLIP}transformer.resblocks.0.mlp.c_fc.weight"][0],
        projection=shapes[f"{OPEN_CLIP}text_projection"][1],
        act="gelu",
    )


def _text(
    *, words: int, width: int, layers: int, inner: int, projection: int, act: str
) -> dict[str, Any]:
    return {
        "vocab_size": words,
        "hidden_size": width,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": max(1, width // _HEAD),
        "max_position_embeddings": ROOM,
        "projection_dim": projection,
        "hidden_act": act,
        "bos_token_id": BEGIN,
        "eos_token_id": words - 1,
        "pad_token_id": 1,
        "layer_norm_eps": 1e-5,
    }


def _count(names: Iterable[str], pattern: str) -> int:
    found = re.compile(pattern)
    return len({match.group(1) for name in names if (match := found.match(name))})


def _numbered(shapes: Shapes, pattern: str) -> dict[tuple[int, int], tuple[int, ...]]:
    """Shapes of weights by the two numbers in their names."""
    found = re.compile(rf"(?:{re.escape(VAE)}|vae\.)?{pattern}\.weight")
    return {
        (int(match.group(1)), int(match.group(2))): shape
        for name, shape in shapes.items()
        if (match := found.fullmatch(name))
    }


def write_json(file: Path, value: Mapping[str, Any]) -> None:
    """Write a config, and the folder around it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(value), encoding="utf-8")
