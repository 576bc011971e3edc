"""Whether fewer workers that denoise at once draw more: the same jobs by each, in turn."""

import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from pipeline.pool import Manner
from tests.benchmarks.table import Row
from tests.studio import Studio

ROUNDS = 7
JOBS = 24
WAYS = ((3, 0), (3, 2), (3, 1), (2, 0))
"""How many workers, and how many of them denoise at once; 0 is all."""


def turns(folder: Path, device: str) -> list[Row]:
    """All are warm at the same time, and those that have nothing to draw take nothing."""
    with ExitStack() as ending:
        studios = {
            way: ending.enter_context(
                Studio(
                    folder / f"turns-{way[0]}-{way[1]}", workers=way[0], device=device,
                    manner=Manner(denoising=way[1]),
                )
            )
            for way in WAYS
        }  # fmt: skip
        for studio in studios.values():
            studio.warm()
        rates = {way: list[float]() for way in WAYS}
        for number in range(ROUNDS + 1):  # The first one warms them up.
            for way, studio in studios.items():
                rates[way].append(_rate(studio, number))
    usual = rates[WAYS[0]][1:]
    return [
        Row(
            what=f"pictures a minute, {workers} workers, of whom {denoising or 'all'} denoise",
            against="3 workers, of whom all denoise",
            figure=median(a / b for a, b in zip(rates[workers, denoising][1:], usual, strict=True)),
            note=f"{median(rates[workers, denoising][1:]):.1f} a minute",
        )
        for workers, denoising in WAYS[1:]
    ]


def _rate(studio: Studio, number: int) -> float:
    before = studio.state.finished
    begun = time.monotonic()
    for job in range(JOBS):
        text = f"kind: job\nprompt: 1girl, smile, pink hair\nseed: {100 * number + job}\n"
        studio.drop(f"r{number}-{job:02}.yaml", text)
    studio.until(studio.settled(before + JOBS), 1200)
    return JOBS * 60 / (time.monotonic() - begun)
