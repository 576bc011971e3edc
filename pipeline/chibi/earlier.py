"""A written model as the beginning of a new training.

Owns how its weights are taken over when the vocabulary has changed since. Never trains.
"""

from pathlib import Path
from typing import Final

import torch
from diffusers import AutoencoderTiny, UNet2DConditionModel
from diffusers.models.unets.unet_2d_blocks import AutoencoderTinyBlock
from torch import nn
from transformers import CLIPTextModel, CLIPTokenizer

_WORDS: Final = "embeddings.token_embedding.weight"


def take_over_vae(vae: AutoencoderTiny, folder: Path) -> None:
    """Give an autoencoder the weights of the model in `folder`, of the same shape or smaller.

    A larger one rebuilds pictures just as the smaller one does, until it learns more: what it has
    more of is not yet listened to.
    """
    old = AutoencoderTiny.from_pretrained(folder / "vae").float()
    _grow(old.encoder.layers, vae.encoder.layers)
    _grow(old.decoder.layers, vae.decoder.layers)


def take_over_unet(
    unet: UNet2DConditionModel, text: CLIPTextModel, tokenizer: CLIPTokenizer, folder: Path
) -> bool:
    """Give UNet and text encoder the weights of the model in `folder`, of the same shapes.

    A token keeps what was learned of it, whatever its number; new ones begin as they are. Returns
    whether the shapes were the same; networks of other shapes stay as they are.
    """
    old = UNet2DConditionModel.from_pretrained(folder / "unet")
    if shapes(old) != shapes(unet):
        return False
    unet.load_state_dict(old.float().state_dict())
    state = CLIPTextModel.from_pretrained(folder / "text_encoder").float().state_dict()
    known = CLIPTokenizer.from_pretrained(folder / "tokenizer").get_vocab()
    (name,) = (name for name in state if name.endswith(_WORDS))
    learned, words = state[name], text.state_dict()[name].clone()
    kept = {number: known[token] for token, number in tokenizer.get_vocab().items()
            if token in known}  # fmt: skip
    words[torch.tensor(list(kept))] = learned[torch.tensor(list(kept.values()))]
    text.load_state_dict({**state, name: words})
    return True


@torch.no_grad()
def _grow(old: nn.Sequential, new: nn.Sequential) -> None:
    known, grown = _stages(old), _stages(new)
    if len(known) != len(grown):
        raise ValueError(f"an autoencoder of {len(known)} stages cannot become one of {len(grown)}")
    for before, after in zip(known, grown, strict=True):
        for small, large in zip(before, after, strict=False):
            for one, other in zip(_convolutions(small), _convolutions(large), strict=True):
                _widen(one, other)
        for block in after[len(before) :]:
            last = _convolutions(block)[-1]
            last.weight.zero_()
            if last.bias is not None:
                last.bias.zero_()


def _stages(layers: nn.Sequential) -> list[list[nn.Module]]:
    """Return what has weights, from one convolution between blocks to the next."""
    stages: list[list[nn.Module]] = []
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            stages.append([layer])
        elif isinstance(layer, AutoencoderTinyBlock):
            stages[-1].append(layer)
    return stages


def _convolutions(module: nn.Module) -> list[nn.Conv2d]:
    return [each for each in module.modules() if isinstance(each, nn.Conv2d)]


def _widen(small: nn.Conv2d, large: nn.Conv2d) -> None:
    outs, ins = small.weight.shape[:2]
    large.weight[:outs].zero_()
    large.weight[:outs, :ins] = small.weight
    if small.bias is not None and large.bias is not None:
        large.bias[:outs] = small.bias


def shapes(module: nn.Module) -> dict[str, torch.Size]:
    """Return the shape of every tensor of a network, by name."""
    return {name: tensor.shape for name, tensor in module.state_dict().items()}
