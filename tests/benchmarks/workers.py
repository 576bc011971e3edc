"""What three workers buy over one: pictures a minute, and that they really draw at once."""

import os
import time
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from statistics import median

from pipeline.core import events as e
from pipeline.journal import JOURNAL_NAME, replay
from tests.benchmarks.table import Row
from tests.studio import Studio

JOBS = 9
ROUNDS = 3


def workers(folder: Path, device: str) -> list[Row]:
    """Three workers and one in turn, warm, on the same jobs; the threads are shared out alike."""
    cores = os.cpu_count() or 1
    three: list[float] = []
    one: list[float] = []
    with (
        Studio(folder / "three", workers=3, device=device) as trio,
        Studio(folder / "one", workers=1, device=device) as solo,
        Studio(folder / "one-thread", workers=1, threads=1, device=device) as single,
    ):
        for studio in (trio, solo, single):
            studio.warm()
        bare: list[float] = []
        for number in range(ROUNDS):
            three.append(_minute(trio, number))
            one.append(_minute(solo, number))
            bare.append(_minute(single, number))
    overlap = _overlap(folder / "three")
    return [
        Row(
            what=f"pictures a minute, {JOBS} jobs, 3 workers",
            against=f"1 worker with all {cores} cores",
            figure=median(a / b for a, b in zip(three, one, strict=True)),
            wanted=">= 1.0",
            note=f"{median(three):.0f} against {median(one):.0f} a minute",
        ),
        Row(
            what=f"pictures a minute, {JOBS} jobs, 3 workers",
            against="1 worker with one thread",
            figure=median(a / b for a, b in zip(three, bare, strict=True)),
            note=f"{median(three):.0f} against {median(bare):.0f}; at most {cores} on this machine",
        ),
        Row(
            what="a picture of the bundled model, 15 steps with guidance, on one worker",
            against=f"its own time, all {cores} cores",
            figure=60 / median(one),
            unit="s",
            wanted="<= 3",
            note="drop to picture, nine in a row",
        ),
        Row(
            what="renders at once, mean over the time that any is drawn",
            against="3 workers",
            figure=overlap,
            wanted=">= 2",
            note="from the journal's times",
        ),
    ]


def _minute(studio: Studio, number: int) -> float:
    """Pictures a minute over one batch of jobs."""
    before = studio.state.finished
    start = time.monotonic()
    for job in range(JOBS):
        studio.drop(f"r{number}-{job}.yaml", f"kind: job\nprompt: 1girl, smile\nseed: {job}\n"
                    f"guidance: {7 + number / 10}\n")  # fmt: skip
    studio.until(studio.settled(before + JOBS), 600)
    return JOBS * 60 / (time.monotonic() - start)


def _overlap(root: Path) -> float:
    """Renders in work, on the mean over the time in which there is at least one."""
    marks: list[tuple[datetime, int]] = []
    for line in replay(root / ".pipeline" / JOURNAL_NAME):
        match e.decode(line.raw):
            case e.RenderStarted():
                marks.append((datetime.fromisoformat(line.at), 1))
            case e.ImageRendered():
                marks.append((datetime.fromisoformat(line.at), -1))
    marks.sort()
    busy = weighted = 0.0
    running = 0
    for (at, change), (then, _) in pairwise(marks):
        running += change
        seconds = (then - at).total_seconds()
        if running > 0:
            busy += seconds
            weighted += running * seconds
    return weighted / busy
