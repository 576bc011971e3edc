"""Muon's steps: even in every direction, of Adam's size, and repeatable."""

import torch
from torch import Tensor, nn

from pipeline.chibi.muon import LIKE_ADAM, Muon


class Layers(nn.Module):
    """A convolution and a matrix."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = nn.Conv2d(3, 8, 3)
        self.told = nn.Linear(8 * 4, 6)

    def forward(self, pictures: Tensor) -> Tensor:
        told: Tensor = self.told(self.seen(pictures).flatten(1))
        return told


def layers() -> Layers:
    torch.manual_seed(0)
    return Layers()


def gradients(module: Layers) -> None:
    module.zero_grad()
    torch.manual_seed(1)
    module(torch.randn(4, 3, 4, 4)).square().mean().backward()


def test_a_step_on_a_matrix_moves_it_evenly_in_all_its_directions() -> None:
    module = layers()
    before = module.told.weight.detach().clone()
    gradients(module)
    Muon([module]).step(1e-3)
    moved = (module.told.weight.detach() - before) / (1e-3 * LIKE_ADAM * 32**0.5)
    strengths = torch.linalg.svdvals(moved)
    # All gradients here come from four pictures, so four directions are all there is.
    assert strengths[:4].min() > 0.5
    assert strengths.max() < 1.5


def test_convolutions_and_biases_move_too() -> None:
    module = layers()
    before = [weight.detach().clone() for weight in module.parameters()]
    gradients(module)
    Muon([module]).step(1e-3)
    for old, new in zip(before, module.parameters(), strict=True):
        assert 0 < (new - old).abs().max() < 0.01


def test_a_restored_optimizer_takes_the_same_step() -> None:
    first, second = layers(), layers()
    optimizer, other = Muon([first]), Muon([second])
    gradients(first)
    optimizer.step(1e-3)
    second.load_state_dict(first.state_dict())
    other.load_state_dict(optimizer.state_dict())
    gradients(first)
    gradients(second)
    optimizer.step(1e-3)
    other.step(1e-3)
    for mine, theirs in zip(first.parameters(), second.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs)
