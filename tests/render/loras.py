"""LoRA files with random matrices, in the layouts that other tools write.

Each is written by hand from the layers of a pipeline, so that what reads them is not what wrote
them.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

Tensors = dict[str, torch.Tensor]
LAYERS = ("to_q", "to_k", "to_v", "to_out.0", "ff.net.0.proj", "ff.net.2", "proj_in", "proj_out")
CONVOLUTIONS = ("conv1", "conv2", "time_emb_proj")
TEXT = ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2")


def layers(module: Any, ends: Iterable[str]) -> dict[str, torch.Tensor]:
    """The weights of a part's layers whose names end so."""
    wanted = tuple(f".{end}.weight" for end in ends)
    return {
        name.removesuffix(".weight"): weight
        for name, weight in module.named_parameters()
        if name.endswith(wanted)
    }


def matrices(weight: torch.Tensor, rank: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Down and up for a layer."""
    chance = torch.Generator().manual_seed(seed)
    flat = (1,) * (weight.ndim - 2)
    down = torch.randn((rank, *weight.shape[1:]), generator=chance) * 0.3
    up = torch.randn((weight.shape[0], rank, *flat), generator=chance) * 0.3
    return down, up


def peft(path: Path, parts: Mapping[str, Mapping[str, torch.Tensor]], *, seed: int = 1,
         rank: int = 4) -> Path:  # fmt: skip
    """As diffusers writes it."""
    tensors: Tensors = {}
    for part, found in parts.items():
        for number, (name, weight) in enumerate(found.items()):
            down, up = matrices(weight, rank, seed * 1000 + number)
            tensors[f"{part}.{name}.lora_A.weight"] = down
            tensors[f"{part}.{name}.lora_B.weight"] = up
    return written(path, tensors)


def kohya(path: Path, parts: Mapping[str, Mapping[str, torch.Tensor]], *, seed: int = 1,
          rank: int = 4, alpha: float = 2.0) -> Path:  # fmt: skip
    """As kohya's scripts write it; a text encoder's layers are called as CLIP's always were."""
    short = {"unet": "unet", "text_encoder": "te", "text_encoder_2": "te2"}
    if "text_encoder_2" in parts:
        short["text_encoder"] = "te1"
    tensors: Tensors = {}
    for part, found in parts.items():
        for number, (name, weight) in enumerate(found.items()):
            down, up = matrices(weight, rank, seed * 1000 + number)
            full = (
                name if part == "unet" or name.startswith("text_model.") else f"text_model.{name}"
            )
            key = f"lora_{short[part]}_{full.replace('.', '_')}"
            tensors[f"{key}.lora_down.weight"] = down
            tensors[f"{key}.lora_up.weight"] = up
            tensors[f"{key}.alpha"] = torch.tensor(alpha)
    return written(path, tensors)


def written(path: Path, tensors: Tensors, metadata: dict[str, str] | None = None) -> Path:
    """The file, its folder too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path, metadata)
    return path


def read(path: Path) -> Tensors:
    """All that is in a file."""
    return load_file(path)
