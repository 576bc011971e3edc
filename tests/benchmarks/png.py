"""What the file of a picture takes to make, at the size that people draw."""

import time
from io import BytesIO
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from PIL import Image

from pipeline.render.png import PACKING
from tests.benchmarks.table import Row

SHEET = Path(__file__).parents[2] / "examples" / "contact-sheet.png"
TIMES = 9


def png(folder: Path, device: str) -> list[Row]:
    """Drawn pictures at 1024 x 1024, with a little grain as a decoder leaves it, both ways in turn.

    Seconds are those of the processor.
    """
    drawn = Image.open(SHEET).convert("RGB").resize((1024, 1024), Image.Resampling.LANCZOS)
    grain = np.random.default_rng(1).normal(0.0, 2.0, (1024, 1024, 3))
    grainy = Image.fromarray(np.clip(np.asarray(drawn) + grain, 0, 255).astype(np.uint8))
    ours: list[float] = []
    theirs: list[float] = []
    size = whole = 0
    for _ in range(TIMES):
        mine, size = _packed(grainy, **PACKING)
        default, whole = _packed(grainy)
        ours.append(mine)
        theirs.append(default)
    return [
        Row(
            what="PNG encoding at 1024²",
            against="Pillow's default, same pixels",
            figure=median(ours) / median(theirs),
            wanted="<= 0.25",
            note=f"{median(ours) * 1000:.0f} against {median(theirs) * 1000:.0f} ms",
        ),
        Row(what="its size", against="the same", figure=size / whole, wanted="<= 1.1"),
    ]


def _packed(picture: Image.Image, **how: Any) -> tuple[float, int]:
    stream = BytesIO()
    begun = time.process_time()
    picture.save(stream, "png", **how)
    return time.process_time() - begun, stream.tell()
