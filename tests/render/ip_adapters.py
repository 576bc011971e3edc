"""IP-Adapters and image encoders with random weights, in the layouts that other tools write.

The files are written by hand, tensor by tensor, so that what reads them is not what wrote them.
"""

from pathlib import Path
from typing import Any, Literal

import torch
import transformers
from PIL import Image, ImageDraw

from tests.render.loras import Tensors, written

_transformers: Any = transformers
Kind = Literal["plain", "plus"]
HIDDEN, PROJECTED, SIDE = 32, 24, 32
"""Of the encoder: its layers, its projection, and the side of what it looks at in pixels."""
LOUD = 0.7
"""Of the random weights, so that a picture shows what is attended to."""


def encoder(folder: Path, *, seed: int = 5, projected: int = PROJECTED) -> Path:
    """A tiny CLIP vision model, saved as transformers saves one."""
    torch.manual_seed(seed)
    made = _transformers.CLIPVisionModelWithProjection(
        _transformers.CLIPVisionConfig(
            hidden_size=HIDDEN, intermediate_size=64, num_hidden_layers=3, num_attention_heads=4,
            image_size=SIDE, patch_size=8, projection_dim=projected,
        )
    )  # fmt: skip
    made.save_pretrained(str(folder))
    return folder


def adapter(path: Path, unet: Any, kind: Kind, *, seed: int = 1) -> Path:
    """A file for a UNet; `plain` is as ip-adapter_sd15, `plus` as ip-adapter-plus_sd15.

    In half precision, as most are: what is of a model's own type diffusers leaves where it lies in
    the file, and kernels round by how that is aligned.
    """
    chance = torch.Generator().manual_seed(seed)
    text = unet.config.cross_attention_dim

    def random(*shape: int) -> torch.Tensor:
        return (torch.randn(shape, generator=chance) * LOUD).half()

    tensors: Tensors = {f"image_proj.{n}": t for n, t in _projection(kind, text, random).items()}
    number = 1
    for name, processor in unet.attn_processors.items():
        del processor
        if name.endswith("attn2.processor"):
            layer = unet.get_submodule(name.removesuffix(".processor")).to_k
            hidden = getattr(layer, "base_layer", layer).weight.shape[0]
            tensors[f"ip_adapter.{number}.to_k_ip.weight"] = random(hidden, text)
            tensors[f"ip_adapter.{number}.to_v_ip.weight"] = random(hidden, text)
            number += 2
    return written(path, tensors)


def _projection(kind: Kind, text: int, random: Any) -> Tensors:
    if kind == "plain":
        return {
            "proj.weight": random(4 * text, PROJECTED), "proj.bias": random(4 * text),
            "norm.weight": random(text), "norm.bias": random(text),
        }  # fmt: skip
    inner, wide = 64, 16
    found = {
        "latents": random(1, 6, wide), "proj_in.weight": random(wide, HIDDEN),
        "proj_in.bias": random(wide), "proj_out.weight": random(text, wide),
        "proj_out.bias": random(text), "norm_out.weight": random(text),
        "norm_out.bias": random(text),
    }  # fmt: skip
    for layer in range(4):
        found |= {
            f"layers.{layer}.{name}": random(*shape)
            for name, shape in {
                "0.norm1.weight": (wide,), "0.norm1.bias": (wide,), "0.norm2.weight": (wide,),
                "0.norm2.bias": (wide,), "0.to_q.weight": (inner, wide),
                "0.to_kv.weight": (2 * inner, wide), "0.to_out.weight": (wide, inner),
                "1.0.weight": (wide,), "1.0.bias": (wide,), "1.1.weight": (4 * wide, wide),
                "1.3.weight": (wide, 4 * wide),
            }.items()
        }  # fmt: skip
    return found


def picture(path: Path, colour: str, *, size: tuple[int, int] = (48, 40)) -> Path:
    """A disc on grey."""
    image = Image.new("RGB", size, "grey")
    ImageDraw.Draw(image).ellipse((8, 4, size[0] - 12, size[1] - 6), fill=colour)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)
    return path
