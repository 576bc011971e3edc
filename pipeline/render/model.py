"""Loading a model once, and having it in another process without a copy.

Owns what travels from keeper to worker: the modules without their weights, and the slab with all
of them. Loads safetensors only, from local files only, and runs no code that comes with a model.
"""

import gc
import warnings
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from torch import nn

from pipeline.model import WEIGHTS, ModelError, check, variant
from pipeline.render.slab import Slab, receive

Pipe = Any
"""diffusers' StableDiffusionPipeline, which says nothing of its parts to a type checker."""

_diffusers: Any = diffusers
_transformers: Any = transformers


class Loaded:
    """The keeper's model: its weights in a slab, its modules as mere shapes."""

    def __init__(self, pipe: Pipe, device: torch.device) -> None:
        modules = {name: getattr(pipe, name) for name in WEIGHTS}
        self._slab = Slab(
            {
                f"{part}/{name}": tensor.detach().contiguous()
                for part, module in modules.items()
                for name, tensor in _tensors(module).items()
            },
            device,
        )
        self._parts = {name: module.to("meta") for name, module in modules.items()}
        self._parts["tokenizer"] = pipe.tokenizer
        # Not the scheduler itself: it holds tensors, which would be shared, and it writes to them.
        self._scheduler = (type(pipe.scheduler), dict(pipe.scheduler.config))

    @property
    def size(self) -> int:
        """Bytes of weights."""
        return self._slab.size

    def send(self, connection: Connection) -> None:
        """Give the model to a worker, which takes it by `attach`."""
        connection.send((self._parts, self._scheduler))
        self._slab.send(connection)


def load(folder: Path, device: torch.device) -> Loaded:
    """Read a diffusers folder: in fp32 for the CPU, in fp16 for a GPU.

    Raises:
        ModelError: the folder is not one we load, or does not hold what it says.
    """
    check(folder)
    try:
        pipe = _read(folder, dtype_of(device))
    except Exception as error:
        raise ModelError(
            f"model {folder} cannot be loaded: {type(error).__name__}: {error}",
            "try it with StableDiffusionPipeline.from_pretrained; copy it again if that fails too",
        ) from error
    loaded = Loaded(pipe, device)
    del pipe
    gc.collect()
    return loaded


def attach(connection: Connection, device: torch.device) -> Pipe:
    """A pipeline over the keeper's weights, ready to draw.

    Raises:
        EOFError: the keeper is gone.
    """
    parts: dict[str, Any]
    parts, (scheduler, config) = connection.recv()
    tensors = receive(connection)
    for part in WEIGHTS:
        _assign(parts[part], part, tensors)
        parts[part].eval().requires_grad_(False)
    pipe = _diffusers.StableDiffusionPipeline(
        **parts,
        scheduler=scheduler.from_config(config),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def dtype_of(device: torch.device) -> torch.dtype:
    """Single precision on the CPU, half on a GPU."""
    return torch.float32 if device.type == "cpu" else torch.float16


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


def _read(folder: Path, dtype: torch.dtype) -> Pipe:
    _diffusers.utils.logging.disable_progress_bar()
    _transformers.utils.logging.disable_progress_bar()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _diffusers.StableDiffusionPipeline.from_pretrained(
            str(folder),
            dtype=dtype,
            variant=variant(folder),
            use_safetensors=True,
            local_files_only=True,
            safety_checker=None,
            feature_extractor=None,
            image_encoder=None,
            requires_safety_checker=False,
        )


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
