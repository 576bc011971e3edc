"""What previews cost: the share of a picture's time that making them takes."""

import time
from pathlib import Path
from statistics import median
from typing import Any

import torch
from msgspec.structs import replace

from pipeline.render.emerging import Emerging
from pipeline.render.paint import Painter
from pipeline.settings import Settings
from tests.benchmarks.table import Row
from tests.render.test_bundled import RESOLVED, pipeline

PICTURES = 10


class _Timed(Emerging):
    """Notes the seconds that each preview took."""

    def __init__(self, pipe: Any) -> None:
        super().__init__(pipe)
        self.seconds: list[float] = []

    def previews(self) -> list[bytes]:
        start = time.perf_counter()
        made = super().previews()
        self.seconds.append(time.perf_counter() - start)
        return made


def previews(folder: Path, device: str) -> list[Row]:
    """Pictures of the bundled model as it draws them by default, a preview every three steps."""
    pipe = pipeline().to(device)
    painter = Painter(pipe, torch.device(device))
    painter._emerging = timed = _Timed(pipe)
    inputs = replace(RESOLVED, steps=15)
    every = Settings(inbox=folder).previews
    shares, sizes = [], list[int]()
    for seed in range(PICTURES + 1):
        timed.seconds = []
        start = time.perf_counter()
        painter.paint(
            inputs, seed, lambda _: None, lambda *_: None,
            previews=every, emerged=lambda data: sizes.append(len(data)),
        )  # fmt: skip
        shares.append(sum(timed.seconds) / (time.perf_counter() - start))
    share = median(shares[1:])  # The first picture warms everything up.
    return [
        Row(what="making previews", against="a picture's time", figure=100 * share, unit="%",
            wanted="<= 3", note=f"{PICTURES} pictures of 15 steps, one every {every}"),
        Row(what="largest preview", against="", figure=max(sizes) / 1000, unit="kB",
            wanted="<= 10", note=f"{len(sizes)} previews"),
    ]  # fmt: skip
