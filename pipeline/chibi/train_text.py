"""Warm-up of the text encoder: a minute of learning what captions say, without any picture.

Owns only that. An encoder that already tells attributes and sides apart makes the UNet follow
its words much sooner than one that has to be found through noise.
"""

import random
from collections.abc import Sequence
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPTextModel, CLIPTokenizer

from pipeline.chibi import together
from pipeline.chibi.dataset import training_caption
from pipeline.chibi.scene import Scene
from pipeline.chibi.train_unet import tokens_of

BATCH: Final = 48
NOTHING: Final = "nothing"


class TextTrainer:
    """Learns to say every attribute of a scene from the mean of its caption's states."""

    def __init__(
        self,
        text: CLIPTextModel,
        tokenizer: CLIPTokenizer,
        scenes: Sequence[Scene],
        *,
        seed: int = 0,
        batch: int = BATCH,
    ) -> None:
        self.text, self._tokenizer, self._scenes = text, tokenizer, scenes
        self._device = next(text.parameters()).device
        self._rng = random.Random(seed + together.rank())
        self._batch = together.share(batch)
        self._answers = [attributes(scene) for scene in scenes]
        self._classes = {
            name: sorted({answer[name] for answer in self._answers}) for name in self._answers[0]
        }
        width = text.config.hidden_size
        self._heads = nn.ModuleDict(
            {name: nn.Linear(width, len(words)) for name, words in self._classes.items()}
        ).to(self._device)
        weights = [*text.parameters(), *self._heads.parameters()]
        self._optimizer = torch.optim.AdamW(weights, lr=1e-3, betas=(0.9, 0.99))
        self._weights = weights

    def step(self, rate: float, progress: float) -> dict[str, float]:
        """Learn from one batch of captions; return loss and share of right answers."""
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        chosen = self._rng.choices(range(len(self._scenes)), k=self._batch)
        captions = [training_caption(self._scenes[number], self._rng) for number in chosen]
        states = self.text(
            tokens_of(self._tokenizer, captions).to(self._device)
        ).last_hidden_state.mean(dim=1)
        losses, right = [], []
        for name, head in self._heads.items():
            found, wanted = head(states), self._wanted(name, chosen)
            losses.append(functional.cross_entropy(found, wanted))
            right.append((found.argmax(dim=1) == wanted).float().mean())
        loss = torch.stack(losses).mean()
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        together.average_gradients(self._weights)
        nn.utils.clip_grad_norm_(self._weights, 1.0)
        self._optimizer.step()
        return {"loss": float(loss.detach()), "right": float(torch.stack(right).mean())}

    def state(self) -> dict[str, Any]:
        """Return weights and optimizer."""
        return {
            "text": self.text.state_dict(),
            "heads": self._heads.state_dict(),
            "optimizer": self._optimizer.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a saved state."""
        self.text.load_state_dict(state["text"])
        self._heads.load_state_dict(state["heads"])
        self._optimizer.load_state_dict(state["optimizer"])

    def _wanted(self, name: str, chosen: Sequence[int]) -> Tensor:
        words = self._classes[name]
        wanted = [words.index(self._answers[number][name]) for number in chosen]
        return torch.tensor(wanted, device=self._device)


def attributes(scene: Scene) -> dict[str, str]:
    """Return every attribute by name, of both sides; what is not there is `nothing`."""
    found = {
        "background": scene.background,
        "style": scene.style or NOTHING,
        "framing": scene.framing,
    }
    sides = ("first", "second")
    for number, side in enumerate(sides):
        figure = scene.figures[number] if number < len(scene.figures) else None
        for name in scene.figures[0].__struct_fields__:
            value = getattr(figure, name) if figure is not None else None
            found[f"{side}_{name}"] = value or NOTHING
    return found
