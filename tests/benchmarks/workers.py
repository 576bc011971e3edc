"""What three workers buy over a loop that anybody can write, on the same pictures, bit for bit."""

import os
import time
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from statistics import median

from pipeline.core import events as e
from pipeline.core.record import Record
from pipeline.journal import JOURNAL_NAME, replay
from pipeline.pool import Manner
from tests.benchmarks.loop import Jobs, Loop, again, drawn
from tests.benchmarks.table import Row
from tests.studio import BUNDLED, Studio

JOBS = 24
ROUNDS = 2
BATCH = 4
CORES = os.cpu_count() or 1
MANNER = Manner(batch=BATCH)


def workers(folder: Path, device: str) -> list[Row]:
    """Three workers and two loops in turn, all warm, on the same jobs."""
    with (
        Studio(folder / "three", device=device) as trio,
        Studio(folder / "batches", workers=CORES, device=device, manner=MANNER) as batches,
        Loop(BUNDLED, folder / "loop", device) as loop,
    ):
        trio.warm()
        batches.warm()
        batch = _better(loop, _warm(trio))
        _warm(batches)
        ours: list[float] = []
        best: list[float] = []
        plain: list[float] = []
        tuned: list[float] = []
        jobs: Jobs = ()
        records: list[Record] = []
        for number in range(ROUNDS):
            ours.append(_minute(trio, number))
            best.append(_minute(batches, number))
            jobs = again(records := drawn(trio.root.glob(f"r{number}-*.png")))
            plain.append(60 * JOBS / loop.draw(jobs, threads=CORES).seconds)
            packed = loop.draw(jobs, threads=CORES, tuned=True, batch=batch)
            tuned.append(60 * JOBS / packed.seconds)
        threads = records[0].made.threads
        alone = loop.draw(jobs, threads=threads, tuned=True)
        single = alone if threads == 1 else loop.draw(jobs, threads=1, tuned=True)
        most = CORES * 60 * JOBS / single.seconds
    alike = sum(one.pixels == other for one, other in zip(records, alone.pixels, strict=True))
    return [
        Row(
            what=f"pictures a minute, {JOBS} jobs, 3 workers, files included",
            against=f"a bare diffusers loop with `image.save`, one process, {CORES} cores",
            figure=median(a / b for a, b in zip(ours, plain, strict=True)),
            wanted=">= 1.22",
            note=f"{median(ours):.0f} against {median(plain):.0f}; {CORES} cores could make "
            f"{most:.0f}, which is {most / median(plain):.2f}",
        ),
        Row(
            what=f"the same with a worker a core, in batches of {BATCH}",
            against=f"the loop tuned: channels_last, quick PNG, batches of {batch}",
            figure=median(a / b for a, b in zip(best, tuned, strict=True)),
            wanted=">= 1.1",
            note=f"{median(best):.0f} against {median(tuned):.0f}; 3 workers, one at a time: "
            f"{median(ours):.0f}",
        ),
        Row(
            what="the same pictures, bit for bit",
            against="bare diffusers in channels_last, with the same seeds and as many threads",
            figure=alike / JOBS,
            wanted=">= 1",
            note=f"{alike} of {JOBS}",
        ),
        Row(
            what="renders at once, mean over the time that any is drawn",
            against="3 workers",
            figure=_overlap(folder / "three"),
            wanted=">= 2",
            note="from the journal's times",
        ),
    ]


def _warm(studio: Studio) -> Jobs:
    """A few pictures of which nothing is measured."""
    before = studio.state.finished
    studio.drop("warm.yaml", f"kind: job\nprompt: 1girl\ncount: {BATCH}\n")
    studio.until(studio.settled(before + BATCH), 600)
    return again(drawn(studio.root.glob("warm.*.png")))


def _better(loop: Loop, jobs: Jobs) -> int:
    """How many pictures at once are quicker for the loop: one or `BATCH`."""
    loop.draw(jobs, threads=CORES)

    def took(batch: int) -> float:
        return loop.draw(jobs, threads=CORES, tuned=True, batch=batch).seconds

    took(BATCH)
    return min((1, BATCH), key=took)


def _minute(studio: Studio, number: int) -> float:
    """Pictures a minute over one round of jobs."""
    before = studio.state.finished
    start = time.monotonic()
    for job in range(JOBS):
        text = (
            f"kind: job\nprompt: 1girl, smile, forest\nseed: {job}\nguidance: {7 + number / 10}\n"
        )
        studio.drop(f"r{number}-{job:02}.yaml", text)
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
