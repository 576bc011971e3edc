"""Safetensors files made by hand, without torch: headers are what is looked at, the rest is zeros.

`SMALL` is a model of a few layers, in the shapes that a small Stable Diffusion's have.
"""

import json
from collections.abc import Mapping
from math import prod
from pathlib import Path

from pipeline.lora import Body

Shape = tuple[int, ...]

ATTENTION = "down_blocks.1.attentions.0.transformer_blocks.0"
SMALL: dict[str, dict[str, Shape]] = {
    "unet": {
        "conv_in.weight": (32, 4, 3, 3),
        f"{ATTENTION}.attn1.to_q.weight": (32, 32),
        f"{ATTENTION}.attn1.to_out.0.weight": (32, 32),
        f"{ATTENTION}.attn2.to_k.weight": (32, 768),
        "down_blocks.1.attentions.0.proj_in.weight": (32, 32, 1, 1),
        "down_blocks.1.resnets.0.conv1.weight": (32, 32, 3, 3),
        "down_blocks.1.resnets.0.norm1.weight": (32,),
        "mid_block.resnets.1.conv2.weight": (32, 32, 3, 3),
        "up_blocks.0.upsamplers.0.conv.weight": (32, 32, 3, 3),
    },
    "text_encoder": {"text_model.encoder.layers.0.self_attn.q_proj.weight": (768, 768)},
}


def body(tensors: Mapping[str, Mapping[str, Shape]] = SMALL) -> Body:
    return Body.of(tensors, layers_per_block=2)


def pair(name: str, size_in: int, size_out: int, rank: int = 4) -> dict[str, Shape]:
    """A layer in PEFT's layout."""
    return {
        f"{name}.lora_A.weight": (rank, size_in),
        f"{name}.lora_B.weight": (size_out, rank),
    }


def kohya_pair(name: str, size_in: Shape, size_out: int, rank: int = 4) -> dict[str, Shape]:
    """A layer in kohya's layout."""
    flat = (1,) * (len(size_in) - 1)
    return {
        f"{name}.lora_down.weight": (rank, *size_in),
        f"{name}.lora_up.weight": (size_out, rank, *flat),
        f"{name}.alpha": (),
    }


def encoded(tensors: Mapping[str, Shape], metadata: Mapping[str, str] | None = None) -> bytes:
    """The bytes of a file with these tensors, of half precision and zero."""
    header: dict[str, object] = {"__metadata__": dict(metadata)} if metadata else {}
    end = 0
    for name, shape in tensors.items():
        size = 2 * prod(shape)
        header[name] = {"dtype": "F16", "shape": list(shape), "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + bytes(end)


def write(path: Path, tensors: Mapping[str, Shape]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(tensors))
    return path
