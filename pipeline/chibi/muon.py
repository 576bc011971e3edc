"""Muon: gradient descent whose steps on a matrix have all singular values alike.

Owns the optimizer of the UNet and its text encoder. On few cores the number of pictures seen is
what a training is short of, and a step of Muon is worth more than one of Adam. After K. Jordan
et al., "Muon: An optimizer for hidden layers in neural networks" (2024); steps are scaled to the
size of Adam's as J. Liu et al. do in "Muon is scalable for LLM training" (2025). The optimizer of
the same name in torch takes no convolutions.
"""

from collections.abc import Sequence
from typing import Any, Final

import torch
from torch import Tensor, nn

from pipeline.chibi import together
from pipeline.chibi.pace import half_is_faster

MOMENTUM: Final = 0.95
DECAY: Final = 0.01
LIKE_ADAM: Final = 0.2
TURNS: Final = 5
BEND: Final = (3.4445, -4.7750, 2.0315)
"""Coefficients of the quintic that drives singular values towards one, from Jordan et al."""


class Muon:
    """Takes steps on the weights of `modules`: Muon on matrices, AdamW on all else.

    A convolution [out, in, h, w] counts as a matrix [out, in*h*w]. Embeddings, biases and norms
    are no matrices. Members of a group share the work; all hold the same state.
    """

    def __init__(self, modules: Sequence[nn.Module]) -> None:
        embedded = {
            id(module.weight)
            for outer in modules
            for module in outer.modules()
            if isinstance(module, nn.Embedding)
        }
        weights = [weight for module in modules for weight in module.parameters()]
        self._matrices = [w for w in weights if w.ndim > 1 and id(w) not in embedded]
        self._momenta = [torch.zeros_like(matrix) for matrix in self._matrices]
        rest = [w for w in weights if w.ndim < 2 or id(w) in embedded]
        self._adam = torch.optim.AdamW(rest, lr=1e-3, betas=(0.9, 0.99), weight_decay=DECAY)
        self._mine = _shared_out(self._matrices)

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Move all weights along their gradients; `rate` is what Adam's would be."""
        for group in self._adam.param_groups:
            group["lr"] = rate
        self._adam.step()
        gradients = [_gradient(matrix) for matrix in self._matrices]
        torch._foreach_lerp_(self._momenta, gradients, 1.0 - MOMENTUM)
        ahead = torch._foreach_lerp(gradients, self._momenta, MOMENTUM)
        steps = torch.zeros(
            sum(matrix.numel() for matrix in self._matrices), device=self._matrices[0].device
        )
        parts = steps.split([matrix.numel() for matrix in self._matrices])
        for number in self._mine:
            parts[number].copy_(_even(ahead[number].flatten(1)).reshape(-1))
        together.add(steps)
        for matrix, part in zip(self._matrices, parts, strict=True):
            rows, columns = len(matrix), matrix.numel() // len(matrix)
            size = LIKE_ADAM * max(rows, columns) ** 0.5
            matrix.mul_(1.0 - rate * DECAY).sub_(part.view_as(matrix), alpha=rate * size)

    def state_dict(self) -> dict[str, Any]:
        """Return tensors from which `load_state_dict` goes on."""
        return {"momenta": self._momenta, "adam": self._adam.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state."""
        for momentum, saved in zip(self._momenta, state["momenta"], strict=True):
            momentum.copy_(saved)
        self._adam.load_state_dict(state["adam"])


def _even(matrix: Tensor) -> Tensor:
    """Return about the nearest matrix whose singular values are all one (Newton-Schulz)."""
    tall = len(matrix) > matrix.shape[1]
    found = matrix.T if tall else matrix
    found = found / (found.norm() + 1e-7)
    if half_is_faster(found.device.type):
        found = found.to(torch.bfloat16)
    first, second, third = BEND
    for _ in range(TURNS):
        square = found @ found.T
        found = torch.addmm(
            found, torch.addmm(square, square, square, beta=second, alpha=third), found, beta=first
        )
    return found.T if tall else found


def _shared_out(matrices: Sequence[nn.Parameter]) -> list[int]:
    """Return the numbers of the matrices that this member works on, its fair share of the whole."""

    def cost(number: int) -> int:
        matrix = matrices[number]
        return matrix.numel() * min(len(matrix), matrix.numel() // len(matrix))

    loads = [0] * together.size()
    mine = []
    for number in sorted(range(len(matrices)), key=cost, reverse=True):
        member = loads.index(min(loads))
        loads[member] += cost(number)
        if member == together.rank():
            mine.append(number)
    return mine


def _gradient(matrix: nn.Parameter) -> Tensor:
    return torch.zeros_like(matrix) if matrix.grad is None else matrix.grad
