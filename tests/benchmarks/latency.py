"""From a rename into the inbox to the begin of the first UNet call, on an idle warm runner."""

import threading
import time
from pathlib import Path
from statistics import median, quantiles

from pipeline.core import observed as o
from tests.benchmarks.table import Row
from tests.studio import Studio

DROPS = 60


class Drop(threading.Thread):
    """Drops a job a moment later, from outside the loop, as a person would; `at` says when."""

    def __init__(self, studio: Studio, file: str, seed: int) -> None:
        super().__init__()
        self.at = 0.0
        self._studio, self._file = studio, file
        self._text = f"kind: job\nprompt: 1girl, blue hair\nsteps: 1\nseed: {seed}\n"

    def run(self) -> None:
        time.sleep(0.02)  # The loop is to be found waiting.
        self.at = self._studio.drop(self._file, self._text)


def latency(folder: Path, device: str) -> list[Row]:
    """Each drop waits until the picture before it is finished and the runner is at rest."""
    waits: list[float] = []
    with Studio(folder / "latency", device=device) as studio:
        studio.warm()
        for number in range(DROPS):
            drop = Drop(studio, f"d{number}.yaml", number)
            drop.start()
            studio.until(studio.settled(number + 1))
            drop.join()
            began = studio.heard(o.Began)[-1]
            assert isinstance(began, o.Began)
            waits.append((began.at - began.encoding - drop.at) * 1000)
    return [
        Row(
            what="rename into the inbox to the first UNet call, text encoding aside, median",
            against=f"{DROPS} drops, idle and warm",
            figure=median(waits),
            unit="ms",
            wanted="<= 20",
        ),
        Row(
            what="the same, 99th percentile",
            against=f"{DROPS} drops",
            figure=quantiles(waits, n=100)[98],
            unit="ms",
            wanted="<= 60",
        ),
    ]
