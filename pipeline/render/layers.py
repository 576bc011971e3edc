"""A LoRA as layers of PEFT beside those of a part of the model, such as its UNet.

Owns what PEFT is told. The first LoRA for a layer puts a wrapper around it; the layer within keeps
the shared weight, and while no adapter is active a wrapper passes on what the layer gives, bit for
bit. Never reads a file that it is not handed.
"""

import math
import warnings
from collections.abc import Sequence
from typing import Any

import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora import LoraLayer
from peft.tuners.tuners_utils import BaseTunerLayer
from peft.utils import set_peft_model_state_dict
from torch import nn

from pipeline.core.resolved import Adapter
from pipeline.lora import Fitted, Misfit, module_name


def inject(part: nn.Module, name: str, fitted: Sequence[Fitted], file: Any) -> int:
    """Put an adapter's layers beside those of a part; returns their bytes.

    Raises:
        Misfit: PEFT does not take one of its tensors.
    """
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
        raise Misfit(f"PEFT has no place for {result.unexpected_keys[0]}")
    part.eval()
    return sum(tensor.nbytes for tensor in tensors.values())


def activate(part: nn.Module, adapters: Sequence[Adapter]) -> None:
    """Of what is loaded, these act on a part from now on, each with its weight, and no others."""
    for layer in _wrapped(part):
        mine = [adapter for adapter in adapters if adapter.sha256 in layer.r]
        layer.enable_adapters(bool(mine))
        if mine:
            layer.set_adapter([adapter.sha256 for adapter in mine], inference_mode=True)
        for adapter in mine:
            layer.set_scale(adapter.sha256, adapter.weight)


def forget(part: nn.Module, name: str) -> None:
    """Take an adapter's layers away, if it has any."""
    for layer in _wrapped(part):
        if name in layer.r:
            others = [one for one in layer.active_adapters if one != name]
            layer.set_adapter(others, inference_mode=True)
            layer.delete_adapter(name)
    getattr(part, "peft_config", {}).pop(name, None)


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
