"""What hangs on a UNet while it is shown references: diffusers' own processors, a slot a subject.

Owns putting layers that are loaded already into a processor, with weights and masks. Never loads.
"""

from collections.abc import Sequence
from typing import Any

import torch
from diffusers.models.attention_processor import IPAdapterAttnProcessor2_0
from torch import nn

from pipeline.render.columns import Columns


class AsTheyAre(nn.Module):
    """Stands where diffusers makes words of what an encoder said, once more at every step: these
    are words already."""

    def forward(self, words: list[torch.Tensor]) -> list[torch.Tensor]:
        return words


class Beside(IPAdapterAttnProcessor2_0):  # type: ignore[misc]
    """The processor of one cross attention. For each subject in turn: its `layers`, of a processor
    with one slot, how much it counts, and how many `words` it has."""

    def __init__(
        self, layers: Sequence[Any], weights: Sequence[float], words: Sequence[int],
        columns: Columns,
    ) -> None:  # fmt: skip
        with torch.device("meta"):
            super().__init__(
                layers[0].hidden_size, layers[0].cross_attention_dim, num_tokens=tuple(words),
                scale=list(weights),
            )  # fmt: skip
        self.to_k_ip = nn.ModuleList(layer.to_k_ip[0] for layer in layers)
        self.to_v_ip = nn.ModuleList(layer.to_v_ip[0] for layer in layers)
        self._columns = columns

    def __call__(self, attn: Any, hidden_states: torch.Tensor, *args: Any, **named: Any) -> Any:
        masks = self._columns.at(hidden_states.shape[1])
        return super().__call__(attn, hidden_states, *args, ip_adapter_masks=masks, **named)
