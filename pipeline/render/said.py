"""What the text encoders have said of rows of tokens, so that it need not be worked out again.

A row is encoded by itself, so what was said of it is what would be said, bit for bit: the negative
of a production, and a prompt that is drawn with many seeds, are encoded once. Owns how much of it
is kept. Never calls an encoder.
"""

from collections.abc import Callable, Hashable, Mapping
from types import MappingProxyType

import torch

MOST_BYTES = 32 << 20
"""Of what is kept: some hundred rows of SDXL in half precision."""

Row = tuple[torch.Tensor, torch.Tensor | None]
"""States of shape (1, tokens, width), and the pooled one, (1, width), where there is one."""


class Said:
    """The rows said last; of too many, those asked for longest ago go first."""

    def __init__(self, most: int = MOST_BYTES) -> None:
        self._most = most
        self._rows: dict[Hashable, Row] = {}
        self._size = 0

    @property
    def rows(self) -> Mapping[Hashable, Row]:
        """What is kept, that asked for longest ago first."""
        return MappingProxyType(self._rows)

    def of(self, row: Hashable, say: Callable[[], Row]) -> Row:
        """What is said of a row, given by all that it depends on; `say` is asked if it is new."""
        said = self._rows.pop(row, None)
        if said is None:
            said = say()
            self._size += _bytes(said)
        self._rows[row] = said
        while self._size > self._most and len(self._rows) > 1:
            self._size -= _bytes(self._rows.pop(next(iter(self._rows))))
        return said


def _bytes(row: Row) -> int:
    return sum(tensor.nbytes for tensor in row if tensor is not None)
