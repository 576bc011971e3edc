"""How long a training runs and how fast it learns on the way.

Owns the budget of one training (steps, minutes), its learning rate, checkpoints and progress
lines. Never knows what is trained.
"""

import math
import os
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import msgspec
import torch

from pipeline.chibi import together

WARM_UP = 0.03
FLOOR = 0.02


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """The end of a training: `steps`, or `minutes` of computing, whichever comes first."""

    steps: int
    minutes: float = math.inf
    checkpoint_seconds: float = 240.0

    def __post_init__(self) -> None:
        if self.steps < 1 or self.minutes <= 0:
            raise ValueError(
                f"Budget: steps={self.steps}, minutes={self.minutes}; both must be above zero"
            )


class Trainer(Protocol):
    """What can be trained: it takes one step at a learning rate and says what it lost."""

    def step(self, rate: float, progress: float) -> dict[str, float]:
        """Learn from one batch at `rate`, `progress` in 0..1 of the budget; return the losses."""

    def state(self) -> dict[str, Any]:
        """Return tensors and plain values from which `restore` goes on."""

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state` returned."""


def learning_rate(progress: float, peak: float) -> float:
    """Return the rate at `progress` (0..1): a linear warm-up, then a cosine down to 2%."""
    if progress < WARM_UP:
        return peak * max(progress / WARM_UP, FLOOR)
    rest = (min(progress, 1.0) - WARM_UP) / (1.0 - WARM_UP)
    return peak * (FLOOR + (1.0 - FLOOR) * 0.5 * (1.0 + math.cos(math.pi * rest)))


def train(
    trainer: Trainer,
    *,
    budget: Budget,
    peak: float,
    checkpoint: Path,
    exported: Callable[[int], None] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> int:
    """Train until the budget is spent, going on from `checkpoint` if it is there.

    `exported` is called with the number of steps after each checkpoint, so that whoever waits
    finds weights early. Returns the number of steps ever taken.
    """
    first, spent = _resume(trainer, checkpoint)
    began = saved = clock()
    taken = max(first, budget.steps)
    for step in range(first, budget.steps):
        now = clock()
        elapsed = spent + now - began
        progress = together.agreed(max(step / budget.steps, elapsed / (60 * budget.minutes)))
        if progress >= 1.0:
            taken = step
            break
        rate = learning_rate(progress, peak)
        losses = trainer.step(rate, progress)
        if together.rank() > 0:
            continue
        if step % 25 == 0:
            report(f"{checkpoint.stem} {step} {progress:6.1%} {_line(losses)} lr {rate:.1e}")
        if clock() - saved > budget.checkpoint_seconds:
            saved = clock()
            _save(trainer, checkpoint, step + 1, spent + saved - began)
            if exported is not None:
                exported(step + 1)
    if together.rank() == 0:
        _save(trainer, checkpoint, taken, spent + clock() - began)
    together.wait()
    return taken


@cache
def half_is_faster(device: str) -> bool:
    """Return whether this kind of device multiplies in bfloat16; others emulate it, slowly."""
    if device != "cpu":
        return bool(torch.cuda.is_bf16_supported())
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def halved(device: torch.device) -> torch.autocast:
    """Return a context in which layers compute in bfloat16 where that is faster."""
    kind = device.type
    return torch.autocast(kind, dtype=torch.bfloat16, enabled=half_is_faster(kind))


def report(line: str) -> None:
    """Print a progress line with the time of day."""
    if together.rank() > 0:
        return
    print(time.strftime("%H:%M:%S"), line, file=sys.stderr, flush=True)


def _line(losses: dict[str, float]) -> str:
    return " ".join(f"{name} {value:.4f}" for name, value in losses.items())


def _resume(trainer: Trainer, checkpoint: Path) -> tuple[int, float]:
    if not checkpoint.exists():
        return 0, 0.0
    saved = torch.load(checkpoint, map_location="cpu", weights_only=True)
    trainer.restore(saved["trainer"])
    report(f"{checkpoint.stem} goes on from step {saved['step']}")
    together.wait()
    return int(saved["step"]), float(saved["seconds"])


def _save(trainer: Trainer, checkpoint: Path, step: int, seconds: float) -> None:
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    part = checkpoint.with_suffix(".part")
    torch.save({"trainer": trainer.state(), "step": step, "seconds": seconds}, part)
    os.replace(part, checkpoint)
