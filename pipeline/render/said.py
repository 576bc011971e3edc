"""What encoders have said of rows of tokens or of pictures, so that they need not be asked again.

What is encoded by itself comes out the same each time, bit for bit: the negative of a production,
a prompt that is drawn with many seeds and a bible's pictures are encoded once. Owns how much of it
is kept. Never calls an encoder.
"""

from collections.abc import Callable, Hashable, Mapping
from types import MappingProxyType
from typing import Generic, TypeVar

import torch

_Tensors = TypeVar("_Tensors", bound=tuple[torch.Tensor | None, ...])


class Said(Generic[_Tensors]):
    """What was said last, of at most so many bytes; what was asked for longest ago goes first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._said: dict[Hashable, _Tensors] = {}
        self._size = 0

    @property
    def kept(self) -> Mapping[Hashable, _Tensors]:
        """All of it, that asked for longest ago first."""
        return MappingProxyType(self._said)

    def of(self, asked: Hashable, say: Callable[[], _Tensors]) -> _Tensors:
        """What is said of something, given by all that it depends on; `say` is asked if it is
        new."""
        said = self._said.pop(asked, None)
        if said is None:
            said = say()
            self._size += _bytes(said)
        self._said[asked] = said
        while self._size > self._most and len(self._said) > 1:
            self._size -= _bytes(self._said.pop(next(iter(self._said))))
        return said


def _bytes(said: tuple[torch.Tensor | None, ...]) -> int:
    return sum(tensor.nbytes for tensor in said if tensor is not None)
