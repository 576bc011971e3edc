"""Models as large as people have them, with random weights, which take as long as trained ones.

One, two and three workers against a bare loop, one picture at a time and several at once, and what
of the card that uses. On a CPU the same in
miniature, with tiny models, only to see that it runs.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch
from msgspec import Struct
from msgspec.structs import replace

from pipeline.pool import Manner
from tests.benchmarks.loop import Loop, again, drawn
from tests.benchmarks.table import Row
from tests.studio import Studio

ROUNDS = 3
STEPS = 15
THREADS = 1
"""Of the CPU, which has little to do: launching kernels, and packing pictures."""


WAYS = (
    (1, 1, 0), (2, 1, 0), (2, 1, 1), (3, 1, 0), (3, 1, 1), (3, 1, 2),
    (1, 2, 0), (1, 4, 0), (1, 8, 0), (2, 4, 0), (2, 4, 1),
)  # fmt: skip
"""How many workers, how many pictures each draws at once, and how many workers denoise at once; 0
is all."""


class Shape(Struct, frozen=True):
    """A kind of model: `tflop` is that of a UNet's forward pass and of the VAE's decoding, at
    `size` pixels (counted with torch.utils.flop_counter)."""

    name: str
    size: int
    tflop: tuple[float, float]
    wanted: str
    jobs: int
    module: tuple[str, ...]


FULL = (
    Shape("SDXL", 1024, (6.76, 10.5), ">= 1.25", 6, ("tests.render.full_size",)),
    Shape("SD 1.5", 512, (0.80, 2.6), ">= 2", 24, ("tests.render.full_size", "sd")),
)
TINY = (Shape("a tiny SD", 64, (0.0, 0.0), "", 6, ("tests.render.tiny",)),)


def gpu(folder: Path, device: str) -> list[Row]:
    """All shapes, one after the other."""
    shapes = FULL if device == "cuda" else TINY
    return [row for shape in shapes for row in _shape(folder, device, shape)]


def _shape(folder: Path, device: str, shape: Shape) -> list[Row]:
    model = folder / shape.name.replace(" ", "-")
    module, *more = shape.module
    subprocess.run([sys.executable, "-m", module, str(model), *more], check=True)
    free = _free(device)
    with Loop(model, folder / f"{model.name}-loop", device) as loop:
        alone = free - _free(device)
        rates = {way: _rates(folder, device, shape, model, way, loop) for way in WAYS}
    peak = _matmul(device)
    rows = []
    for (workers, batch, denoising), (ours, bare, bytes_held) in rates.items():
        tflop = 2 * STEPS * shape.tflop[0] + shape.tflop[1]
        note = f"{median(ours):.1f} against {median(bare):.1f} a minute"
        if device == "cuda":
            note += (
                f"{', with MPS' if _shares() else ''}; {median(ours) / 60 * tflop / peak:.2f} of "
                f"what a large product of matrices reaches here ({peak:.0f} TFLOP/s); "
                f"{bytes_held / 1e9:.1f} GB of the card, the loop {alone / 1e9:.1f}"
            )
        rows.append(
            Row(
                what=f"{shape.name} at {shape.size}², {STEPS} steps with guidance: "
                f"{workers} worker{'s' if workers > 1 else ''}"
                f"{f', batches of {batch}' if batch > 1 else ''}"
                f"{f', {denoising} of them denoising' if denoising else ''}",
                against="a bare diffusers loop",
                figure=median(a / b for a, b in zip(ours, bare, strict=True)),
                note=note,
            )
        )
    best = max(rows, key=lambda row: row.figure)
    return [*rows, replace(best, what=f"the best of these: {best.what}", wanted=shape.wanted)]


def _rates(
    folder: Path, device: str, shape: Shape, model: Path, way: tuple[int, int, int], loop: Loop
) -> tuple[list[float], list[float], int]:
    """Pictures a minute of ours and of the loop, in turn, and the card's memory that ours took."""
    ours: list[float] = []
    bare: list[float] = []
    free = _free(device)
    workers, batch, denoising = way
    root = folder / f"{model.name}-{workers}-{batch}-{denoising}"
    manner = Manner(batch=batch, denoising=denoising)
    with Studio(root, workers=workers, device=device, model=model, manner=manner) as studio:
        studio.warm()
        for number in range(ROUNDS + 1):  # The first one warms both up.
            ours.append(_minute(studio, shape, number))
            jobs = again(drawn(studio.root.glob(f"r{number}-*.png")))
            bare.append(60 * shape.jobs / loop.draw(jobs, threads=THREADS).seconds)
        held = free - _free(device)
    return ours[1:], bare[1:], held


def _minute(studio: Studio, shape: Shape, number: int) -> float:
    before = studio.state.finished
    start = time.monotonic()
    for job in range(shape.jobs):
        text = (
            f"kind: job\nprompt: 1girl, smile\nseed: {100 * number + job}\nsteps: {STEPS}\n"
            f"size: {shape.size}x{shape.size}\n"
        )
        studio.drop(f"r{number}-{job:02}.yaml", text)
    studio.until(studio.settled(before + shape.jobs), 1200)
    return shape.jobs * 60 / (time.monotonic() - start)


def _shares() -> bool:
    """Whether NVIDIA's Multi-Process Service lets several processes use the card at once."""
    return Path(os.environ.get("CUDA_MPS_PIPE_DIRECTORY", "/tmp/nvidia-mps"), "control").exists()


def _free(device: str) -> int:
    """Bytes of the card that nobody has."""
    return torch.cuda.mem_get_info()[0] if device == "cuda" else 0


def _matmul(device: str) -> float:
    """TFLOP/s of a product of two matrices in fp16, 8192 on a side: what this card really does."""
    if device != "cuda":
        return 1.0
    side = 8192
    one = torch.randn(side, side, device=device, dtype=torch.float16)

    def seconds(work: Callable[[], object]) -> float:
        torch.cuda.synchronize()
        begun = time.perf_counter()
        for _ in range(20):
            work()
        torch.cuda.synchronize()
        return (time.perf_counter() - begun) / 20

    seconds(lambda: one @ one)
    return 2 * side**3 / seconds(lambda: one @ one) / 1e12
