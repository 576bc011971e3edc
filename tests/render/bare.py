"""A model as diffusers alone has it, to compare with; and what the weights of a pipeline are."""

import hashlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import diffusers
import torch

_diffusers: Any = diffusers


def load(folder: Path) -> Any:
    """A Stable Diffusion pipeline of its own, in fp32, laid out as `laid_out` has it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipe = _diffusers.StableDiffusionPipeline.from_pretrained(
            str(folder), dtype=torch.float32, safety_checker=None
        )
    pipe.set_progress_bar_config(disable=True)
    return laid_out(pipe)


def laid_out(pipe: Any) -> Any:
    """The pipeline with its convolutions in channels_last, which is how workers have them."""
    for module in (pipe.unet, pipe.vae):
        module.to(memory_format=torch.channels_last)
    return pipe


def pointers(pipe: Any) -> dict[str, int]:
    """Where each weight of the model lies; a wrapper changes its name and nothing else."""
    return {name: weight.data_ptr() for name, weight in _weights(pipe)}


def sums(pipe: Any) -> dict[str, str]:
    """What each weight of the model is, as sha256."""
    return {name: hashlib.sha256(weight.numpy().tobytes()).hexdigest()
            for name, weight in _weights(pipe)}  # fmt: skip


def _weights(pipe: Any) -> Iterator[tuple[str, torch.Tensor]]:
    """The model's own, also where a LoRA left a wrapper around one."""
    for part in ("unet", "text_encoder", "vae"):
        for name, weight in getattr(pipe, part).named_parameters():
            if ".lora_" not in name:
                yield f"{part}.{name.replace('.base_layer', '')}", weight.detach()
