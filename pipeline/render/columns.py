"""The part of a picture that each subject of several keeps to, where attention asks for it.

Owns the masks of diffusers' IP-Adapter processors. diffusers scales a mask to the cells that
attention has by their number alone, which comes out askew for one size in five of those that are
no multiples of 64; here the cells' rows and columns are known.
"""

from collections.abc import Sequence

import torch
from torch.nn import functional

from pipeline.core.resolved import Likeness


class Columns:
    """The masks of one picture of `width` x `height` pixels, a latent cell being `cell` wide."""

    def __init__(
        self, likenesses: Sequence[Likeness], width: int, height: int, cell: int,
        device: torch.device,
    ) -> None:  # fmt: skip
        self._likenesses = likenesses
        self._width, self._height = width, height
        self._device = device
        self._known: dict[int, list[torch.Tensor | None]] = {}
        self._grids: dict[int, tuple[int, int]] = {}
        rows, columns = height // cell, width // cell
        while rows * columns not in self._grids:
            self._grids[rows * columns] = rows, columns
            rows, columns = -(-rows // 2), -(-columns // 2)

    def at(self, cells: int) -> list[torch.Tensor | None] | None:
        """The masks of all subjects for an attention of so many cells: each float32 of shape
        (1, 1, rows, columns), or None for the whole picture; None if all are about all of it."""
        if all(likeness.whole for likeness in self._likenesses):
            return None
        if cells not in self._known:
            grid = self._grids.get(cells)
            self._known[cells] = [
                None if each.whole else self._mask(each, grid) for each in self._likenesses
            ]
        return self._known[cells]

    def _mask(self, likeness: Likeness, grid: tuple[int, int] | None) -> torch.Tensor:
        mask = torch.zeros(1, 1, self._height, self._width)
        left, right = (round(side * self._width) for side in (likeness.left, likeness.right))
        mask[..., left:right] = 1.0
        if grid is not None:
            mask = functional.interpolate(mask, size=grid, mode="bicubic")
        return mask.to(self._device)
