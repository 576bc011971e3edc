"""Pictures and ControlNets to draw from, made for a test, and bare diffusers that does so."""

from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file

from pipeline.core.resolved import Picture, Resolved, Steering
from pipeline.pictures import sha256_of
from pipeline.render import schedulers

_diffusers: Any = diffusers
SEED = 3


def picture(root: Path, file: str, size: tuple[int, int] = (64, 96), seed: int = 0) -> Picture:
    """Soft coloured noise in a PNG."""
    made = np.random.default_rng(seed).integers(0, 256, (6, 4, 3), dtype=np.uint8)
    (root / file).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(made, "RGB").resize(size, Image.Resampling.BICUBIC).save(root / file)
    return Picture(file=file, sha256=sha256_of(root / file))


def mask(root: Path, file: str, size: tuple[int, int] = (64, 96)) -> Picture:
    """White in its left half."""
    made = Image.new("L", size, 0)
    made.paste(255, (0, 0, size[0] // 2, size[1]))
    made.save(root / file)
    return Picture(file=file, sha256=sha256_of(root / file))


def control(unet: Any, seed: int = 1, widths: tuple[int, ...] = (8, 8, 16, 16)) -> Any:
    """A ControlNet for a UNet, with random weights that do something."""
    torch.manual_seed(seed)
    net = _diffusers.ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=widths)
    for each in (net.controlnet_cond_embedding, net.controlnet_down_blocks,
                 net.controlnet_mid_block):  # fmt: skip
        for weight in each.parameters():
            torch.nn.init.normal_(weight, std=0.1)
    return net.eval().requires_grad_(False)


def save(net: Any, root: Path, file: str) -> tuple[str, str]:
    """A ControlNet's file and its sha256."""
    (root / file).parent.mkdir(parents=True, exist_ok=True)
    save_file({k: v.contiguous() for k, v in net.state_dict().items()}, str(root / file))
    return file, sha256_of(root / file)


def steering(net: Any, root: Path, file: str, of: Picture, **given: Any) -> Steering:
    """A ControlNet as a picture is steered by it; it is written to the file."""
    name, sha256 = save(net, root, file)
    return Steering(**{"kind": "pose", "picture": of, "file": name, "sha256": sha256, **given})


def drawn(bare: Any, name: str, asked: Resolved, **named: Any) -> tuple[Image.Image, list[int]]:
    """By the pipeline of diffusers of that name around the modules of another; and the steps that
    it said it took."""
    xl = hasattr(bare, "text_encoder_2")
    extra = {"add_watermarker": False} if xl else {"requires_safety_checker": False}
    parts = {k: v for k, v in bare.components.items() if k != "controlnet"}
    if "net" in named:
        extra["controlnet"] = named.pop("net")
    kind = getattr(_diffusers, f"StableDiffusion{'XL' if xl else ''}{name}Pipeline")
    pipe = kind(**parts, **extra)
    pipe.set_progress_bar_config(disable=True)
    pipe.scheduler = scheduler_of(bare, asked, named.pop("steps", asked.steps))
    steps: list[int] = []

    def count(pipe: Any, step: int, _: Any, values: dict[str, Any]) -> dict[str, Any]:
        steps.append(step)
        return values

    image = pipe(
        prompt=asked.prompt, negative_prompt=asked.negative, guidance_scale=asked.guidance,
        callback_on_step_end=count,
        **{"num_inference_steps": asked.steps,
           "generator": torch.Generator("cpu").manual_seed(SEED), **named},
    ).images[0]  # fmt: skip
    return image, steps


def scheduler_of(bare: Any, asked: Resolved, steps: int) -> Any:
    config = {key: value for key, value in bare.scheduler.config.items() if key[0] != "_"}
    config |= {"timestep_spacing": "linspace"}
    return schedulers.build(config, asked.sampler, asked.schedule, steps)
