"""From a rename into the inbox to the begin of the first UNet call, on an idle warm runner."""

import threading
from pathlib import Path
from statistics import median, quantiles

from pipeline.core import observed as o
from tests.benchmarks.table import Row
from tests.studio import Studio

DROPS = 60


def latency(folder: Path) -> list[Row]:
    """Each drop waits until the picture before it is finished and the runner is at rest."""
    waits: list[float] = []
    with Studio(folder / "latency") as studio:
        studio.warm()
        for number in range(DROPS):
            dropped: list[float] = []
            text = f"kind: job\nprompt: 1girl, blue hair\nsteps: 1\nseed: {number}\n"
            # The drop comes from outside the loop, as a person's would, while the loop waits.
            dropper = threading.Timer(
                0.02, lambda name=f"d{number}.yaml", text=text: dropped.append(
                    studio.drop(name, text)
                ),
            )  # fmt: skip
            dropper.start()
            studio.until(studio.settled(number + 1))
            dropper.join()
            began = studio.heard(o.Began)[-1]
            assert isinstance(began, o.Began)
            waits.append((began.at - began.encoding - dropped[0]) * 1000)
    return [
        Row(
            what="rename into the inbox to the first UNet call, text encoding aside, median",
            against=f"{DROPS} drops, idle and warm",
            figure=median(waits),
            unit="ms",
            wanted="<= 50",
        ),
        Row(
            what="the same, 99th percentile",
            against=f"{DROPS} drops",
            figure=quantiles(waits, n=100)[98],
            unit="ms",
        ),
    ]
