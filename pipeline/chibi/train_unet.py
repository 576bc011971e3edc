"""Training of the UNet and the text encoder on latents and captions.

Owns their loss, the average of their weights, and the warm-up of the text encoder. Never paints
and never changes the autoencoder.
"""

import copy
import random
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
import torch
from diffusers import DDPMScheduler, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from torch import Tensor, nn
from transformers import CLIPTextModel, CLIPTokenizer

from pipeline.chibi import together
from pipeline.chibi.muon import Muon
from pipeline.chibi.network import build_scheduler
from pipeline.chibi.pace import halved
from pipeline.chibi.tokenizer import LENGTH

BATCH: Final = 24
PEAK_RATE: Final = 1e-3
DECAY: Final = 0.999
SNR_CAP: Final = 5.0
CUT: Final = 0.2
GRAIN: Final = 4
"""Latents' width and height are a multiple of this: each level below the first halves them."""


class Album(msgspec.Struct, frozen=True, kw_only=True):
    """Pictures of one size to learn from.

    `latents` are raw (unscaled) [n, channels, side, side] and `focus` says how much each of their
    cells counts [n, side, side]; `caption(number, rng)` says picture `number` anew each time, and
    is empty now and then for guidance's sake. `share` is how often a batch comes from here,
    relative to the other albums; `alone` are the numbers of those that show one figure.
    """

    latents: Tensor
    focus: Tensor
    caption: Callable[[int, random.Random], str]
    alone: Sequence[int]
    share: float = 1.0


class UnetTrainer:
    """Learns to predict `v` from noisy latents and captions, keeping an average of its weights.

    A batch comes from one of the `albums`, so that pictures of several sizes are learned, and
    one in a few is cut to a portrait's or a landscape's shape.
    """

    def __init__(
        self,
        unet: UNet2DConditionModel,
        text: CLIPTextModel,
        tokenizer: CLIPTokenizer,
        albums: Sequence[Album],
        *,
        scale: float,
        seed: int = 0,
        batch: int = BATCH,
    ) -> None:
        # Plain products: the fused kind learns more slowly on a CPU (its way back is dear there).
        unet.set_attn_processor(AttnProcessor())
        self.unet, self.text, self._tokenizer = unet, text, tokenizer
        self.averages = copy.deepcopy(unet), copy.deepcopy(text)
        self._albums, self._scale = albums, scale
        self._device = next(unet.parameters()).device
        self._batch = together.share(batch)
        self._steps = 0
        self._seed = seed
        self._noises = DDPMScheduler.from_config(build_scheduler().config)
        alphas = self._noises.alphas_cumprod
        self._ratios = (alphas / (1.0 - alphas)).to(self._device)
        self._weights = [*unet.parameters(), *text.parameters()]
        self._optimizer = Muon([unet, text])

    def step(self, rate: float, progress: float) -> dict[str, float]:
        """Learn from one batch; return its loss."""
        loss = self._loss()
        for weight in self._weights:
            weight.grad = None
        loss.backward()
        together.average_gradients(self._weights)
        length = nn.utils.clip_grad_norm_(self._weights, 1.0)
        self._optimizer.step(rate)
        self._steps += 1
        self._average()
        return {"loss": float(loss.detach()), "gradient": float(length)}

    def state(self) -> dict[str, Any]:
        """Return weights, averages, optimizer and place; random numbers follow from the place."""
        return {
            "unet": self.unet.state_dict(),
            "text": self.text.state_dict(),
            "averages": [average.state_dict() for average in self.averages],
            "optimizer": self._optimizer.state_dict(),
            "steps": self._steps,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a saved state."""
        self.unet.load_state_dict(state["unet"])
        self.text.load_state_dict(state["text"])
        for average, saved in zip(self.averages, state["averages"], strict=True):
            average.load_state_dict(saved)
        self._optimizer.load_state_dict(state["optimizer"])
        self._steps = int(state["steps"])

    def _loss(self) -> Tensor:
        rng = random.Random(f"{self._seed}/{self._steps}/{together.rank()}")
        generator = torch.Generator().manual_seed(rng.getrandbits(62))
        album, window, alone = self._page()
        known = album.alone if alone else range(len(album.latents))
        chosen = rng.sample(known, min(self._batch, len(known)))
        rows, columns = window
        clean = album.latents[chosen][..., rows, columns].to(torch.float32) * self._scale
        focus = album.focus[chosen][..., rows, columns].to(torch.float32)
        noise = torch.randn(clean.shape, generator=generator)
        times = _times(len(chosen), generator)
        clean, noise, times, focus = (
            each.to(self._device) for each in (clean, noise, times, focus)
        )
        noisy = self._noises.add_noise(clean, noise, times)
        wanted = self._noises.get_velocity(clean, noise, times)
        tokens = tokens_of(self._tokenizer, [album.caption(number, rng) for number in chosen])
        with halved(self._device):
            states = self.text(tokens.to(self._device)).last_hidden_state
            found = self.unet(
                noisy.to(memory_format=torch.channels_last), times, encoder_hidden_states=states
            ).sample
        losses = (found.float() - wanted).square().mean(dim=1)
        losses = (losses * focus).mean(dim=(1, 2))
        # The easiest times (hardly any noise) would otherwise outweigh those that decide.
        ratio = self._ratios[times]
        weighted: torch.Tensor = losses * ratio.clamp(max=SNR_CAP).add(1.0) / ratio.add(1.0)
        return weighted.mean()

    def _page(self) -> tuple[Album, tuple[slice, slice], bool]:
        """Return this step's album, what is seen of its pictures, and whether only single figures
        will do, the same for all members."""
        rng = random.Random(f"{self._seed}/{self._steps}")
        album = rng.choices(self._albums, [album.share for album in self._albums])[0]
        side = album.latents.shape[-1]
        whole = slice(0, side)
        if rng.random() >= CUT:
            return album, (whole, whole), False
        # Two to three, in steps that the UNet's levels allow.
        short = max(side * 2 // 3 // GRAIN, 1) * GRAIN
        if rng.random() < 0.5:
            # A head is near the top: of a landscape, the upper part is what a person frames.
            return album, (slice(0, short), whole), False
        left = (side - short) // 2
        return album, (whole, slice(left, left + short)), True

    @torch.no_grad()
    def _average(self) -> None:
        keep = min(DECAY, (self._steps + 1) / (self._steps + 10))
        for average, module in zip(self.averages, (self.unet, self.text), strict=True):
            torch._foreach_lerp_(list(average.parameters()), list(module.parameters()), 1.0 - keep)


def tokens_of(tokenizer: CLIPTokenizer, captions: Sequence[str]) -> Tensor:
    """Return token numbers [n, 77], padded and cut as pipelines do it."""
    encoded = tokenizer(
        list(captions),
        padding="max_length",
        max_length=LENGTH,
        truncation=True,
        return_tensors="pt",
    )
    tokens: Tensor = encoded.input_ids
    return tokens


def _times(count: int, generator: torch.Generator) -> Tensor:
    # Spread evenly over the batch: the loss of a batch then hardly depends on luck.
    even = (torch.arange(count) + torch.rand(count, generator=generator)) / count
    return (1000 * even).long().clamp(0, 999)
