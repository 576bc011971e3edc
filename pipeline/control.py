"""ControlNets by their headers: whether a file is one, and whether it goes with a model.

Owns names and shapes, torch-free. A ControlNet is a copy of the encoder of the UNet that it was
made for, with layers of its own beside it; so it goes with a model whose encoder has the same
shapes. Two layouts are known: diffusers' own, and that of the first ControlNets
(`control_model.input_blocks.…`, as in https://github.com/lllyasviel/ControlNet).
"""

from collections.abc import Mapping
from math import prod

from pipeline.lora import Body, Shape, from_sgm

_OWN = ("controlnet_cond_embedding.", "controlnet_down_blocks.", "controlnet_mid_block.")
_FIRST = "control_model."
_FIRST_OWN = ("zero_convs.", "middle_block_out.", "input_hint_block.")
_UNION = ("task_embedding", "control_add_embedding", "control_type", "transformer_layes")
_ENCODER = ("conv_in", "time_embedding", "add_embedding", "down_blocks", "mid_block")


def is_controlnet(header: Mapping[str, Shape]) -> bool:
    """Whether a file of these tensors is a ControlNet."""
    return any(name.startswith((_OWN[0], f"{_FIRST}{_FIRST_OWN[2]}")) for name in header)


def why_not(header: Mapping[str, Shape]) -> str:
    """What is wrong with a ControlNet whatever the model; empty if nothing is."""
    for name in header:
        if any(sign in name for sign in _UNION):
            return f"it is a ControlNet for several kinds at once (Union, {name}); take one for one"
        if "lora" in name:
            return f"it is a Control-LoRA ({name}); take the whole ControlNet"
    return ""


def misfit(header: Mapping[str, Shape], body: Body) -> str:
    """Why a ControlNet does not go with a model; empty if it does."""
    model = {
        name: shape for name, shape in body.parts.get("unet", {}).items()
        if name.partition(".")[0] in _ENCODER
    }  # fmt: skip
    mine: dict[str, Shape] = {}
    for name, shape in header.items():
        if not name.endswith(".weight") or len(shape) not in (2, 4):
            continue
        module = _module(name.removesuffix(".weight"), body)
        if module:
            mine[module] = shape
    for module, shape in mine.items():
        if module not in model:
            return f"it is made for a model of another build, which has a {module}"
        other = model[module]
        if (prod(shape[1:]), shape[0]) != (prod(other[1:]), other[0]):
            return (
                f"it is made for a model of another build: its {module} is of the shape "
                f"{_shown(shape)}, and the model's of {_shown(other)}"
            )
    lacking = next((module for module in model if module not in mine), None)
    return f"it is made for a model of another build, without a {lacking}" if lacking else ""


def _module(name: str, body: Body) -> str | None:
    """The module of the UNet of which this is a copy, or None if it is of the ControlNet alone."""
    if not name.startswith(_FIRST):
        return None if f"{name}.".startswith(_OWN) else name
    rest = name.removeprefix(_FIRST)
    if rest.startswith(_FIRST_OWN):
        return None
    flat = rest.replace(".", "_")
    known = body.flat.get("unet", {})
    return known.get(from_sgm(flat, body.layers_per_block), rest)


def _shown(shape: Shape) -> str:
    return " x ".join(map(str, shape))
