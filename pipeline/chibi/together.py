"""Several processes that learn as one: each takes a part of every batch.

Owns the group and what passes between its members. On few cores two processes of one thread are
faster than one of two threads, and a busy neighbour slows them far less. Without a group, or
with one process, everything here does nothing.
"""

import os
import tempfile
from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.multiprocessing.spawn import spawn

PATIENCE = timedelta(hours=2)


def run(count: int, work: Callable[..., None], *arguments: Any) -> None:
    """Call `work(*arguments)` in `count` processes of one group; here, if one is enough.

    Raises what torch raises when a member fails; the others end with it.
    """
    if count == 1:
        work(*arguments)
        return
    with tempfile.TemporaryDirectory() as folder:
        meeting = Path(folder) / "meeting"
        spawn(_member, (count, meeting, work, arguments), nprocs=count)


def rank() -> int:
    """Return this member's number, 0 for the first or only one."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def size() -> int:
    """Return how many members there are."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def share(batch: int) -> int:
    """Return this member's part of a batch, at least 1."""
    return max(1, batch // size())


def agreed(value: float) -> float:
    """Return the first member's value, to all."""
    if size() == 1:
        return value
    told = torch.tensor([value], dtype=torch.float64)
    distributed.broadcast(told, src=0)
    return float(told)


def wait() -> None:
    """Return when all members have come here."""
    if size() > 1:
        distributed.barrier()


def add(values: Tensor) -> None:
    """Give every member the sum of all members' values, in place."""
    if size() > 1:
        distributed.all_reduce(values)


def average_gradients(weights: Iterable[nn.Parameter]) -> None:
    """Give every member the mean of all members' gradients."""
    if size() == 1:
        return
    gradients: list[Tensor] = []
    for weight in weights:
        if weight.grad is None:
            weight.grad = torch.zeros_like(weight)
        gradients.append(weight.grad)
    flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
    distributed.all_reduce(flat)
    flat.div_(size())
    parts = flat.split([gradient.numel() for gradient in gradients])
    for gradient, part in zip(gradients, parts, strict=True):
        gradient.copy_(part.view_as(gradient))


def _member(
    number: int, count: int, meeting: Path, work: Callable[..., None], arguments: tuple[Any, ...]
) -> None:
    torch.set_num_threads(1)
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    distributed.init_process_group(
        "gloo", init_method=f"file://{meeting}", rank=number, world_size=count, timeout=PATIENCE
    )
    try:
        work(*arguments)
    finally:
        distributed.destroy_process_group()
