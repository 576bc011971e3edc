"""Loading a model once, and having it in another process without a copy.

Owns what travels from keeper to worker: the modules without their weights, and the slab with all
of them. Loads safetensors only, from local files only, and runs no code that comes with a model.
"""

import gc
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any, NamedTuple

import diffusers
import torch
from torch import nn

from pipeline.model import NOTHING_TOLD, TEXT, TOKENS, WEIGHTS, Told, check, name_of
from pipeline.render import reading
from pipeline.render.slab import Slab, receive
from pipeline.room import CPU_BYTES, GPU_BYTES, free_memory
from pipeline.weights import ModelError

Pipe = Any
"""diffusers' StableDiffusionPipeline or that of SDXL, which say nothing of their parts to a type
checker."""

_diffusers: Any = diffusers
_SD = _diffusers.StableDiffusionPipeline
_SDXL = _diffusers.StableDiffusionXLPipeline
"""Diffusers imports these, and much with them, once they are spoken of: here, while that is shared,
and not in each worker for itself."""


CONVOLVED = ("unet", "vae")
"""The modules whose weights lie in channels_last."""


class Loaded:
    """The keeper's model: its weights in a slab, its modules as mere shapes."""

    def __init__(self, pipe: Pipe, device: torch.device, name: str = "") -> None:
        self.name = name
        modules = {name: getattr(pipe, name) for name in WEIGHTS if hasattr(pipe, name)}
        for part in CONVOLVED:
            # Before they are shared, since it makes them anew: so convolutions need not turn them
            # round at each call.
            modules[part].to(memory_format=torch.channels_last)
        tensors = {
            f"{part}/{name}": tensor.detach()
            for part, module in modules.items()
            for name, tensor in _tensors(module).items()
        }
        # From here on each weight is held by that table alone, and goes as the slab is filled.
        parts: dict[str, Any] = {name: module.eval().to("meta") for name, module in modules.items()}
        self._slab = Slab(tensors, device)
        parts |= {name: getattr(pipe, name) for name in TOKENS if hasattr(pipe, name)}
        # Not the scheduler itself: it holds tensors, which would be shared, and it writes to them.
        scheduler = (type(pipe.scheduler), dict(pipe.scheduler.config))
        # Once for all workers, of whom one may be waited for.
        self._packed = bytes(ForkingPickler.dumps((parts, scheduler)))

    @property
    def size(self) -> int:
        """Bytes of weights."""
        return self._slab.size

    def free(self) -> bool:
        """Let go of the weights, once no worker has them; whether their memory is free then."""
        return self._slab.free()

    def send(self, connection: Connection) -> None:
        """Give the model to a worker, which takes it by `attach`."""
        connection.send_bytes(self._packed)
        self._slab.send(connection)


def load(model: Path, device: torch.device, told: Told = NOTHING_TOLD) -> Loaded:
    """Read a model: in fp32 for the CPU, in half precision for a GPU.

    The VAE of SDXL, in whose activations fp16 overflows, is held in fp32 beside a UNet in fp16:
    diffusers would convert it there and back for every picture, and with that un-share it.

    Raises:
        ModelError: the model is not one we load, or does not hold what it says.
    """
    kind = check(model, told)
    try:
        pipe = reading.read(model, kind, told, dtype_of(device, reading.stored_in_bf16(model)))
        lacking = [name for part in WEIGHTS if hasattr(pipe, part)
                   for name, tensor in _tensors(getattr(pipe, part)).items()
                   if tensor.is_meta]  # fmt: skip
    except Exception as error:
        raise ModelError(
            f"model {model} cannot be loaded: {type(error).__name__}: {error}",
            "try it with diffusers' from_pretrained or from_single_file; copy it again if that "
            "fails too",
        ) from error
    if lacking:
        raise ModelError(
            f"model {model} lacks {len(lacking)} weights, such as {lacking[0]}",
            "take the full checkpoint; a pruned or distilled one may have another architecture",
        )
    loaded = Loaded(pipe, device, name_of(model))
    del pipe
    gc.collect()
    return loaded


class Parcel(NamedTuple):
    """A model as it comes to a worker: modules without weights, those, and the scheduler's class
    and config."""

    parts: dict[str, Any]
    tensors: dict[str, torch.Tensor]
    scheduler: tuple[Any, dict[str, Any]]


def fetch(connection: Connection) -> Parcel:
    """What `Loaded.send` has sent.

    Raises:
        EOFError: the keeper is gone.
    """
    parts, scheduler = connection.recv()
    return Parcel(parts, receive(connection), scheduler)


def attach(parcel: Parcel) -> Pipe:
    """A pipeline over the keeper's weights, ready to draw."""
    parts, tensors, (scheduler, config) = parcel
    for part in TEXT:
        if part in parts:
            _make_known(parts[part])
    for part in WEIGHTS:
        if part in parts:
            _assign(parts[part], part, tensors)
    pipe = _pipeline(**parts, scheduler=scheduler.from_config(config))
    pipe.set_progress_bar_config(disable=True)
    return pipe


def _make_known(encoder: Any) -> None:
    """Make a small one of its kind and throw it away. Transformers learns what a class can tell of
    its layers when one is made, which in this process none was: without that it would tell nothing,
    and SDXL, and any `clip_skip`, listen to an earlier layer than the last."""
    small = type(encoder.config)(
        hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1,
        vocab_size=8, max_position_embeddings=8, projection_dim=8,
    )  # fmt: skip
    with torch.device("meta"):
        type(encoder)(small)


def _pipeline(**parts: Any) -> Pipe:
    if TEXT[1] in parts:
        return _SDXL(**parts, add_watermarker=False)
    return _SD(**parts, safety_checker=None, feature_extractor=None, requires_safety_checker=False)


def dtype_of(device: torch.device, stored_in_bf16: bool = False) -> torch.dtype:
    """Single precision on the CPU, half on a GPU.

    Models are published in fp16, which has more digits than bf16; one that was published in bf16
    is drawn so where the card does, since fp16 may not hold its numbers.
    """
    if device.type == "cpu":
        return torch.float32
    native = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.bfloat16 if stored_in_bf16 and native else torch.float16


def space(device: torch.device) -> tuple[int, int]:
    """Bytes of the device's memory that are free now, and how many each weight takes there."""
    if device.type == "cpu":
        return free_memory(), CPU_BYTES
    free, _ = torch.cuda.mem_get_info(device)
    return free, GPU_BYTES


def device_of(wanted: str) -> torch.device:
    """The device that `cpu`, `cuda` or `auto` means here.

    Raises:
        ModelError: there is no such device.
    """
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if wanted == "cuda" and not torch.cuda.is_available():
        raise ModelError(
            "device cuda: torch sees no GPU", "use --device cpu, or check driver and CUDA build"
        )
    return torch.device(wanted)


def _tensors(module: nn.Module) -> dict[str, torch.Tensor]:
    """All parameters and all buffers, also those that no state dict holds."""
    return dict(module.named_parameters()) | dict(module.named_buffers())


def _assign(module: nn.Module, part: str, tensors: dict[str, torch.Tensor]) -> None:
    for path, child in module.named_modules():
        prefix = f"{part}/{path}." if path else f"{part}/"
        for name in child._parameters:
            if child._parameters[name] is not None:
                weight = tensors[prefix + name]
                child._parameters[name] = nn.Parameter(weight, requires_grad=False)
        for name in child._buffers:
            if child._buffers[name] is not None:
                # Small, and a module may write to them: each worker has its own.
                child._buffers[name] = tensors[prefix + name].clone()
