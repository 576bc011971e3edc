"""LoRAs over weights that several processes share: as layers beside them, never merged into them.

Owns a worker's own adapters: which are loaded, which of them a picture is drawn with, and how much
memory they may take. The first LoRA for a layer puts a wrapper of PEFT around it; the layer within
keeps the shared weight, and while no adapter is active a wrapper passes on what the layer gives,
bit for bit. Never writes to a weight of the model, and loads on the thread that draws.
"""

import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora import LoraLayer
from peft.tuners.tuners_utils import BaseTunerLayer
from peft.utils import set_peft_model_state_dict
from safetensors import safe_open
from torch import nn

from pipeline import disk
from pipeline.adapters import read_header
from pipeline.core.resolved import Adapter
from pipeline.errors import AnimeError
from pipeline.lora import Body, Fitted, Misfit, Unreadable, layers_of, match, module_name
from pipeline.pictures import sha256_of
from pipeline.render.model import Pipe

PARTS = ("unet", "text_encoder", "text_encoder_2")
MOST_BYTES = 1 << 30
"""Of adapters that are kept loaded although no picture needs them now."""


class CannotWear(AnimeError):
    """A LoRA is not there any more, is another one by now, or does not go with the model."""

    exit_code: ClassVar[int] = 1


class Wardrobe:
    """The adapters of one pipeline; of too many, those worn longest ago go first."""

    def __init__(self, pipe: Pipe, *, most: int = MOST_BYTES) -> None:
        self._parts: dict[str, nn.Module] = {
            name: part for name in PARTS if (part := getattr(pipe, name, None)) is not None
        }
        self._layers_per_block = _layers_per_block(pipe)
        self._most = most
        self._sizes: dict[str, int] = {}
        self.worn: tuple[Adapter, ...] = ()

    @property
    def kept(self) -> dict[str, int]:
        """Bytes of each adapter that is loaded, by its file's sha256, longest unworn first."""
        return dict(self._sizes)

    def wear(self, adapters: Sequence[Adapter], root: Path) -> None:
        """From now on pictures are drawn with these and no others; their files are below `root`.

        Raises:
            CannotWear: one of them cannot be had; then none is worn.
        """
        self._activate(())
        for adapter in adapters:
            if adapter.sha256 not in self._sizes:
                self._make_room(adapters)
                self._sizes[adapter.sha256] = self._load(adapter, root)
            self._sizes[adapter.sha256] = self._sizes.pop(adapter.sha256)
        self._make_room(adapters)
        self._activate(adapters)

    def _make_room(self, wanted: Sequence[Adapter]) -> None:
        needed = {adapter.sha256 for adapter in wanted}
        for name in [name for name in self._sizes if name not in needed]:
            if sum(self._sizes.values()) <= self._most:
                return
            self._forget(name)

    def _forget(self, name: str) -> None:
        self._sizes.pop(name, None)
        for part in self._parts.values():
            for layer in _wrapped(part):
                if name in layer.r:
                    others = [one for one in layer.active_adapters if one != name]
                    layer.set_adapter(others, inference_mode=True)
                    layer.delete_adapter(name)
            getattr(part, "peft_config", {}).pop(name, None)

    def _activate(self, adapters: Sequence[Adapter]) -> None:
        for part in self._parts.values():
            for layer in _wrapped(part):
                mine = [adapter for adapter in adapters if adapter.sha256 in layer.r]
                layer.enable_adapters(bool(mine))
                if mine:
                    layer.set_adapter([adapter.sha256 for adapter in mine], inference_mode=True)
                for adapter in mine:
                    layer.set_scale(adapter.sha256, adapter.weight)
        self.worn = tuple(adapters)

    def _load(self, adapter: Adapter, root: Path) -> int:
        path = _place(adapter, root)
        try:
            if sha256_of(path) != adapter.sha256:
                raise CannotWear(
                    f"the LoRA {adapter.file} is another one than when the job was read",
                    "put the old one back, or wait until the new one has been seen",
                )
            header, metadata = read_header(path)
            fitted = match(layers_of(header, metadata), self._body())
        except OSError as error:
            raise CannotWear(
                f"the LoRA {adapter.file} cannot be read: {error.strerror or error}"
            ) from error
        except (Unreadable, Misfit) as error:
            raise CannotWear(f"the LoRA {adapter.file} cannot be used: {error}") from error
        try:
            with safe_open(path, framework="pt", device="cpu") as file:
                return sum(
                    _inject(part, adapter.sha256, of_part, file)
                    for name, part in self._parts.items()
                    if (of_part := [each for each in fitted if each.layer.part == name])
                )
        except BaseException:
            self._forget(adapter.sha256)  # Half an adapter is none.
            raise

    def _body(self) -> Body:
        shapes = {
            name: {tensor: tuple(value.shape) for tensor, value in part.named_parameters()
                   if ".lora_" not in tensor}
            for name, part in self._parts.items()
        }  # fmt: skip
        return Body.of(shapes, layers_per_block=self._layers_per_block)


def _inject(part: nn.Module, name: str, fitted: Sequence[Fitted], file: Any) -> int:
    """Put an adapter's layers beside those of a part; returns their bytes."""
    modules: dict[str, str] = {}
    for path, _ in part.named_modules():
        modules.setdefault(module_name(path), path)  # A wrapper comes before what it is around.
    tensors: dict[str, torch.Tensor] = {}
    ranks, alphas = {}, {}
    for each in fitted:
        path, layer = modules[each.module], each.layer
        weight = _weight(part.get_submodule(path))
        flat = (1,) * (weight.ndim - 2)
        down, up = (file.get_tensor(key).to(weight.device, weight.dtype)
                    for key in (layer.down, layer.up))  # fmt: skip
        tensors[f"{path}.lora_A.weight"] = down.reshape(layer.rank, *weight.shape[1:]).contiguous()
        tensors[f"{path}.lora_B.weight"] = up.reshape(len(weight), layer.rank, *flat).contiguous()
        ranks[path] = layer.rank
        own = float(file.get_tensor(layer.alpha)) if layer.alpha is not None else layer.said
        alphas[path] = _number(layer.rank if own is None else own)
    config = LoraConfig(
        r=max(ranks.values()), lora_alpha=max(ranks.values()), rank_pattern=ranks,
        alpha_pattern=alphas, target_modules=list(ranks), inference_mode=True,
    )  # fmt: skip
    with torch.no_grad(), warnings.catch_warnings():
        # PEFT warns of several adapters in one model, which is what is wanted.
        warnings.filterwarnings("ignore", "Already found a `peft_config`", UserWarning)
        inject_adapter_in_model(config, part, adapter_name=name, low_cpu_mem_usage=True)
        result: Any = set_peft_model_state_dict(part, tensors, name, low_cpu_mem_usage=True)
    if result.unexpected_keys:
        raise CannotWear(f"PEFT has no place for {result.unexpected_keys[0]}")
    part.eval()
    return sum(tensor.nbytes for tensor in tensors.values())


def _number(alpha: float) -> int:
    """PEFT says that an alpha is a whole number, and takes any."""
    return int(alpha) if math.isclose(alpha, round(alpha)) else alpha  # type: ignore[return-value]


def _weight(module: nn.Module) -> torch.Tensor:
    base = module.get_base_layer() if isinstance(module, BaseTunerLayer) else module
    weight = base.weight
    assert isinstance(weight, torch.Tensor)
    return weight


def _wrapped(part: nn.Module) -> list[LoraLayer]:
    return [module for module in part.modules() if isinstance(module, LoraLayer)]


def _place(adapter: Adapter, root: Path) -> Path:
    """Where its file is; a link that leads out of the inbox is not followed."""
    path = disk.below(root, adapter.file)
    if path is None:
        raise CannotWear(
            f"the LoRA {adapter.file!r} is outside the inbox", "copy it into the inbox"
        )
    return path


def _layers_per_block(pipe: Pipe) -> int:
    layers = pipe.unet.config.layers_per_block
    return layers if isinstance(layers, int) else 2
