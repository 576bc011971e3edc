"""ControlNets beside weights that several processes share.

Owns a worker's own ControlNets: which are loaded, and how much memory they may take. One is built
as a copy of the encoder of the model's own UNet, whatever a file beside it says, and has to have
just the weights of that. On a CPU its weights are the file, mapped, which all workers share.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers.loaders.single_file_utils import convert_controlnet_checkpoint
from safetensors.torch import load_file

from pipeline.core.resolved import Steering
from pipeline.pictures import sha256_of
from pipeline.render.decoding import CannotUse, place
from pipeline.render.model import Pipe

MOST_BYTES = 3 << 30
"""Of ControlNets that are kept loaded although no picture needs them now."""
_FIRST = "control_model."
_FIRST_CONV = "controlnet_cond_embedding.conv_in.weight"

_diffusers: Any = diffusers
Net = Any
"""diffusers' ControlNetModel."""


class Controls:
    """The ControlNets of one pipeline; of too many, those used longest ago go first."""

    def __init__(self, pipe: Pipe, *, most: int = MOST_BYTES) -> None:
        self._pipe, self._most = pipe, most
        self._nets: dict[str, Net] = {}

    @property
    def kept(self) -> tuple[str, ...]:
        """The sha256 of each that is loaded, longest unused first."""
        return tuple(self._nets)

    def take(self, wanted: Sequence[Steering], root: Path) -> list[Net]:
        """The ControlNets that a picture is steered by; their files are below `root`.

        Raises:
            CannotUse: one of them cannot be had.
        """
        found = []
        for each in wanted:
            net = self._nets.pop(each.sha256, None)
            if net is None:
                net = self._load(each, root)
            self._nets[each.sha256] = net
            found.append(net)
        self._make_room({each.sha256 for each in wanted})
        return found

    def _make_room(self, needed: set[str]) -> None:
        for name in [name for name in self._nets if name not in needed]:
            if sum(map(_bytes, self._nets.values())) <= self._most:
                return
            del self._nets[name]

    def _load(self, wanted: Steering, root: Path) -> Net:
        path = place(wanted.file, root, "ControlNet")
        try:
            if sha256_of(path) != wanted.sha256:
                raise CannotUse(
                    f"the ControlNet {wanted.file} is another one than when the job was read",
                    "put the old one back, or wait until the new one has been seen",
                )
            tensors: dict[str, torch.Tensor] = load_file(path)
        except OSError as error:
            raise CannotUse(
                f"the ControlNet {wanted.file} cannot be read: {error.strerror or error}"
            ) from error
        unet = self._pipe.unet
        net = _built(unet, _widths(tensors))
        if any(name.startswith(_FIRST) for name in tensors):
            tensors = _converted(tensors, net)
        if why := _misfit(net.state_dict(), tensors):
            raise CannotUse(f"the ControlNet {wanted.file} does not go with the model: {why}")
        net.load_state_dict(tensors, assign=True)
        net.eval().requires_grad_(False)
        return net.to(unet.device, unet.dtype)


def _widths(tensors: Mapping[str, torch.Tensor]) -> tuple[int, ...]:
    """How many channels the layers have that read the picture, those of one size once."""
    if _FIRST_CONV not in tensors:
        return (16, 32, 96, 256)
    first = len(tensors[_FIRST_CONV])
    blocks = [
        len(tensors[name])
        for number in range(1, 64, 2)
        if (name := f"controlnet_cond_embedding.blocks.{number}.weight") in tensors
    ]
    return (first, *blocks)


def _built(unet: Any, widths: tuple[int, ...]) -> Net:
    """A ControlNet for this UNet, of mere shapes."""
    with torch.device("meta"):
        return _diffusers.ControlNetModel.from_unet(
            unet, conditioning_embedding_out_channels=widths, load_weights_from_unet=False
        )


def _converted(tensors: dict[str, torch.Tensor], net: Net) -> dict[str, torch.Tensor]:
    """The tensors of the first ControlNets, by diffusers' names."""
    converted: dict[str, torch.Tensor] = convert_controlnet_checkpoint(tensors, dict(net.config))
    return converted


def _misfit(wanted: Mapping[str, torch.Tensor], tensors: dict[str, torch.Tensor]) -> str:
    """What keeps the tensors from being those weights; empty if nothing does."""
    for name, tensor in tensors.items():
        if name not in wanted:
            return f"it has a {name}, which the model's would not have"
        if tensor.shape != wanted[name].shape:
            return (
                f"its {name} is of the shape {tuple(tensor.shape)}, and the model's of "
                f"{tuple(wanted[name].shape)}"
            )
    lacking = [name for name in wanted if name not in tensors]
    return f"it lacks {len(lacking)} weights, such as {lacking[0]}" if lacking else ""


def _bytes(net: Net) -> int:
    return sum(tensor.nbytes for tensor in net.parameters())
