"""What a picture costs a cluster's head, whoever draws it: `python -m tests.benchmarks cluster`.

The nodes are real nodes of Ray on this machine, but draw nothing: they answer each order with steps
and with the bytes of a picture, as large as one of 1024 pixels a side, as fast as a good GPU would
or all at once. So what is measured is all that the head does for a picture: deciding, journal,
orders, progress, the bytes on their way, and putting them in place.
"""

import hashlib
import os
import threading
import time
from pathlib import Path

from pipeline.cluster import words as w
from pipeline.cluster.rays import RayFleet, connect
from pipeline.cluster.station import LINGER
from pipeline.core.resolved import Made
from tests.benchmarks.table import Row
from tests.cluster import rayed
from tests.studio import Studio

JOBS, PACED = 300, 100
NODES = 2
WORKERS = 4
STEPS = 30
EVERY = 3
"""Steps from preview to preview."""
SIZE, PREVIEW = 1_500_000, 8_000
"""Bytes."""
SECONDS = 1.0
"""That a picture takes where it takes any."""
MADE = Made(device="none", dtype="none", threads=1, batch=1, torch="0", diffusers="0")


class Quick:
    """An actor as `pipeline.cluster.post.Post`, that has every picture at once."""

    seconds = 0.0

    def __init__(self, setup: bytes) -> None:
        names = [f"worker-{n + 1}" for n in range(w.setup_of(setup).workers)]
        workers = tuple(
            w.OnePhase(name=name, pid=n + 1, phase="idle") for n, name in enumerate(names)
        )
        models = tuple(model.sha256 for model in w.setup_of(setup).models)
        self._words: list[w.Word] = [
            w.Opened(models=models),
            w.Lives(workers=workers, keeper=1, turn=0, free=0, each=4),
        ]
        self._heard = threading.Condition()
        self._picture, self._preview = os.urandom(SIZE), os.urandom(PREVIEW)
        self._sha256 = hashlib.sha256(self._picture).hexdigest()

    def order(self, number: int, order: bytes) -> None:
        said = w.order_of(order)
        if isinstance(said, w.Draw) and self.seconds:
            threading.Thread(target=self._draw, args=(said.number,), daemon=True).start()
        elif isinstance(said, w.Draw):
            self._say(*self._drawn(said.number))
        elif isinstance(said, w.End):
            self._say(w.Ended())

    def listen(self, patience: float) -> bytes:
        with self._heard:
            self._heard.wait_for(lambda: self._words, patience)
            self._heard.wait_for(lambda: not all(map(_is_mere, self._words)), LINGER)
            words, self._words = self._words, []
        return w.pack(words)

    def _draw(self, number: int) -> None:
        """A picture as it goes, in a thread of its own."""
        words = self._drawn(number)
        for word in words:
            self._say(word)
            time.sleep(self.seconds / len(words))

    def _say(self, *words: w.Word) -> None:
        with self._heard:
            self._words += words
            self._heard.notify_all()

    def _drawn(self, number: int) -> list[w.Word]:
        ticks = [
            w.Ticked(
                number=number, step=step, steps=STEPS,
                preview=self._preview if step % EVERY == 0 else None,
            )
            for step in range(1, STEPS + 1)
        ]  # fmt: skip
        drawn = w.Drawn(
            number=number, data=self._picture, sha256=self._sha256, seconds=1.0, made=MADE
        )
        return [w.Begun(number=number, encoding=0.0), *ticks, drawn]


class Paced(Quick):
    """One whose pictures take their time."""

    seconds = SECONDS


def cluster(folder: Path, device: str) -> list[Row]:
    """Seconds are those of the head's process alone, beside those of the clock."""
    quick, clock = _through(folder / "quick", Quick, JOBS)
    paced, _ = _through(folder / "paced", Paced, PACED)
    return [
        Row(
            what="a picture of a cluster, on the head", against="its own CPU time",
            figure=1000 * paced, unit="ms",
            note=f"{PACED} pictures of {SIZE / 1e6:.1f} MB, {STEPS} steps in {SECONDS:.0f} s, over "
            f"Ray; {NODES} nodes of {WORKERS} workers that draw nothing",
        ),
        Row(
            what="the same, all its steps at once", against="the same", figure=1000 * quick,
            unit="ms", note=f"{JOBS} pictures, {JOBS / clock:.0f} a second by the clock, the nodes "
            "on the same machine",
        ),
    ]  # fmt: skip


def _through(folder: Path, cast: type, jobs: int) -> tuple[float, float]:
    """So many pictures: the head's CPU seconds for one, and seconds of the clock for all."""
    with rayed.cluster(NODES) as started:
        fleet = RayFleet(connect(started.address).ray, cast)
        with Studio(folder, workers=WORKERS, threads=1, fleet=fleet) as studio:
            studio.until(lambda: len(studio.pool.free()) == NODES * WORKERS)
            for number in range(jobs):
                studio.drop(f"j{number:03d}.yaml", f"kind: job\nprompt: rain {number}\n")
            cpu, clock = time.process_time(), time.monotonic()
            studio.until(studio.settled(jobs))
            return (time.process_time() - cpu) / jobs, time.monotonic() - clock


def _is_mere(word: w.Word) -> bool:
    return isinstance(word, w.Ticked)
