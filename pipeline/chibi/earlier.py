"""A written model as the beginning of a new training.

Owns how its weights are taken over when the vocabulary has changed since. Never trains.
"""

from pathlib import Path
from typing import Final

import torch
from diffusers import AutoencoderTiny, UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTokenizer

_WORDS: Final = "embeddings.token_embedding.weight"


def take_over_vae(vae: AutoencoderTiny, folder: Path) -> None:
    """Give an autoencoder the weights of the model in `folder`, of the same shape."""
    vae.load_state_dict(AutoencoderTiny.from_pretrained(folder / "vae").float().state_dict())


def take_over_unet(
    unet: UNet2DConditionModel, text: CLIPTextModel, tokenizer: CLIPTokenizer, folder: Path
) -> None:
    """Give UNet and text encoder the weights of the model in `folder`, of the same shapes.

    A token keeps what was learned of it, whatever its number; new ones begin as they are.
    """
    old = UNet2DConditionModel.from_pretrained(folder / "unet")
    unet.load_state_dict(old.float().state_dict())
    state = CLIPTextModel.from_pretrained(folder / "text_encoder").float().state_dict()
    known = CLIPTokenizer.from_pretrained(folder / "tokenizer").get_vocab()
    (name,) = (name for name in state if name.endswith(_WORDS))
    learned, words = state[name], text.state_dict()[name].clone()
    kept = {number: known[token] for token, number in tokenizer.get_vocab().items()
            if token in known}  # fmt: skip
    words[torch.tensor(list(kept))] = learned[torch.tensor(list(kept.values()))]
    text.load_state_dict({**state, name: words})
