"""All weights of a model in one piece of memory that several processes see.

Owns the memory and the table of what lies where. On the CPU it is a file without a name, which
every worker maps for reading only, so that a write to a weight is a crash and not a wrong picture
in another worker; on a GPU it is one tensor, shared as torch shares it.
"""

import gc
import mmap
import os
import tempfile
import warnings
from collections.abc import Mapping, MutableMapping
from multiprocessing.connection import Connection
from multiprocessing.reduction import recv_handle, send_handle

import torch
from msgspec import Struct

NAME = "anime-weights"
"""What the memory is called in /proc/PID/maps."""
_ALIGNMENT = 512
"""As torch's own allocators, of 64 bytes on the CPU and 512 on a GPU: kernels may round differently
on memory that is aligned otherwise."""


class Place(Struct, frozen=True, kw_only=True):
    """Where a tensor lies: bytes from the slab's begin, and its shape and type; `last` is whether
    it lies in torch's channels_last format."""

    offset: int
    shape: tuple[int, ...]
    dtype: torch.dtype
    last: bool = False


Table = dict[str, Place]


class Slab:
    """The keeper's end: the memory itself. It must outlive every process that has it attached."""

    def __init__(self, tensors: MutableMapping[str, torch.Tensor], device: torch.device) -> None:
        """Each of the `tensors` is taken away once it is in the slab, so that a model that nobody
        else holds is never in memory twice."""
        self.table, self.size = _lay_out(tensors)
        self._file: int | None = None
        if device.type == "cpu":
            self._file = _anonymous_file(self.size)
            with mmap.mmap(self._file, self.size) as memory:
                target = torch.frombuffer(memory, dtype=torch.uint8)
                _fill(target, self.table, tensors)
                del target
        else:
            self._tensor = torch.empty(self.size, dtype=torch.uint8, device=device)
            _fill(self._tensor, self.table, tensors)

    def free(self) -> bool:
        """Let go of the memory, once nobody has it attached; false where it is not free for all
        that, as after a process that had it was killed: torch keeps what it may still use."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
            return True
        before = torch.cuda.memory_allocated()
        del self._tensor
        gc.collect()
        torch.cuda.ipc_collect()
        torch.cuda.empty_cache()
        return torch.cuda.memory_allocated() <= before - self.size

    def send(self, connection: Connection) -> None:
        """Give another process what `receive` needs."""
        connection.send((self.table, self.size, self._file is not None))
        if self._file is not None:
            send_handle(connection, self._file, None)
        else:
            connection.send(self._tensor)


def receive(connection: Connection) -> dict[str, torch.Tensor]:
    """The tensors of the slab that the other end of `connection` has sent: views, no copies.

    Raises:
        EOFError: the other end is gone.
    """
    table, size, mapped = connection.recv()
    if mapped:
        descriptor = recv_handle(connection)
        memory = mmap.mmap(descriptor, size, prot=mmap.PROT_READ)
        os.close(descriptor)
        with warnings.catch_warnings():
            # Torch warns that the memory cannot be written, which is the point.
            warnings.simplefilter("ignore", UserWarning)
            slab = torch.frombuffer(memory, dtype=torch.uint8)
    else:
        slab = connection.recv()
    return {name: _view(slab, place) for name, place in table.items()}


def _lay_out(tensors: Mapping[str, torch.Tensor]) -> tuple[Table, int]:
    table, end = {}, 0
    for name, tensor in tensors.items():
        last = _is_last(tensor)
        table[name] = Place(offset=end, shape=tuple(tensor.shape), dtype=tensor.dtype, last=last)
        end += -(-tensor.nbytes // _ALIGNMENT) * _ALIGNMENT
    return table, max(end, _ALIGNMENT)


def _fill(slab: torch.Tensor, table: Table, tensors: MutableMapping[str, torch.Tensor]) -> None:
    for name, place in table.items():
        _view(slab, place).copy_(tensors.pop(name))


def _view(slab: torch.Tensor, place: Place) -> torch.Tensor:
    size = place.dtype.itemsize
    for length in place.shape:
        size *= length
    numbers = slab[place.offset : place.offset + size].view(place.dtype)
    if place.last:
        count, channels, height, width = place.shape
        return numbers.view(count, height, width, channels).permute(0, 3, 1, 2)
    return numbers.view(place.shape)


def _is_last(tensor: torch.Tensor) -> bool:
    """By the strides themselves: those of a 1x1 convolution fit both formats otherwise."""
    if tensor.ndim != 4:
        return False
    _, channels, height, width = tensor.shape
    return tensor.stride() == (height * width * channels, 1, width * channels, channels)


def _anonymous_file(size: int) -> int:
    """Memory of the kernel that no limit of /dev/shm holds and that no crash leaves behind."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create(NAME, os.MFD_CLOEXEC)
    else:
        descriptor, path = tempfile.mkstemp(prefix=f"{NAME}-")
        os.unlink(path)
    os.ftruncate(descriptor, size)
    return descriptor
