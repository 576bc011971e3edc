"""What a start costs: of the program, of a worker in the place of one that was killed, and of a
pipeline over weights that are there already."""

import gc
import os
import signal
import subprocess
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any

import diffusers
import torch
import torch.multiprocessing

from pipeline.core import observed as o
from pipeline.render import model
from tests.benchmarks.table import Row
from tests.studio import BUNDLED, Studio

STARTS = 2
ATTACHES = 7
ASKED = "a model, please"


def lives(folder: Path, device: str) -> list[Row]:
    """A cold start and a kill in turn; then the bundled model read, and taken from a slab."""
    cold: list[float] = []
    killed: list[float] = []
    for number in range(STARTS):
        began, again = _start_and_kill(folder / f"{number}", device)
        cold.append(began)
        killed.append(again)
    large = folder / "sd15"
    subprocess.run(
        [sys.executable, "-m", "tests.render.full_size", str(large), "sd"],
        check=True, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    attach, read = _attach(large, device, 3)
    small, quick = _attach(BUNDLED, device, ATTACHES)
    return [
        Row(
            what="kill -9 of a worker to its next step, while two others draw",
            against="a cold start to the first step",
            figure=median(a / b for a, b in zip(killed, cold, strict=True)),
            wanted="<= 0.5",
            note=f"{median(killed):.1f} against {median(cold):.1f} s",
        ),
        Row(
            what="a worker attaching to the weights, with what comes over the line",
            against="`from_pretrained`",
            figure=attach / read,
            wanted="<= 0.05",
            note=f"a model as large as SD 1.5, {attach:.2f} against {read:.1f} s, imports aside; "
            f"the bundled one, which is small, {small:.2f} against {quick:.2f}",
        ),
    ]


def _start_and_kill(root: Path, device: str) -> tuple[float, float]:
    """Seconds from nothing to the first step of a picture, and from the death of a worker to the
    next step of the one in its place; all three draw."""
    begun = time.monotonic()
    with Studio(root, device=device) as studio:
        studio.drop("a.yaml", "kind: job\nprompt: 1girl\ncount: 9\nsteps: 150\n")
        studio.until(lambda: bool(studio.heard(o.Stepped)))
        cold = time.monotonic() - begun
        studio.until(lambda: len({each.worker for each in _steps(studio)}) == 3)
        dead = studio.pool.pids()["worker-1"]
        os.kill(dead, signal.SIGKILL)
        killed = time.monotonic()
        studio.until(lambda: bool(studio.heard(o.Lost)))
        before = len(_steps(studio))
        studio.until(lambda: "worker-1" in {each.worker for each in _steps(studio)[before:]})
        return cold, time.monotonic() - killed


def _steps(studio: Studio) -> list[o.Stepped]:
    return [each for each in studio.heard(o.Stepped) if isinstance(each, o.Stepped)]


def _attach(of: Path, device: str, times: int) -> tuple[float, float]:
    """Median seconds of both, in turn, in a process that has its imports."""
    loaded = model.load(of, torch.device(device))
    context = torch.multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    child = context.Process(target=_attaching, args=(theirs, of, times))
    child.start()
    theirs.close()
    while (said := ours.recv()) == ASKED:
        loaded.send(ours)
    child.join()
    ours.close()
    attached, read = said
    return median(attached), median(read)


def _attaching(line: Connection, of: Path, times: int) -> None:
    """The worker's side: from asking for a model to a pipeline that could draw."""
    attached: list[float] = []
    read: list[float] = []
    for _ in range(times):
        gc.collect()  # What the last time has left is no part of this one.
        begun = time.perf_counter()
        line.send(ASKED)
        pipe = model.attach(model.fetch(line))
        middle = time.perf_counter()
        other = _read(of)
        attached.append(middle - begun)
        read.append(time.perf_counter() - middle)
        del pipe, other
    line.send((attached, read))


def _read(of: Path) -> Any:
    loader: Any = diffusers.StableDiffusionPipeline
    return loader.from_pretrained(str(of), dtype=torch.float32, safety_checker=None)
