"""An SDXL of full size, which three workers hold once.

It takes 7 GB of disk, 16 GB of memory and, on two cores, some minutes.
"""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.core.resolved import Resolved, Task
from pipeline.model import describe
from pipeline.modelfiles import ModelFiles
from pipeline.pool import WorkerPool
from tests.benchmarks.weights import shared
from tests.conftest import Figures
from tests.render.conftest import Pool

pytestmark = [pytest.mark.slow, pytest.mark.process, pytest.mark.timeout(3600)]


def test_three_workers_hold_a_whole_sdxl_once(tmp_path: Path, figures: Figures) -> None:
    folder = tmp_path / "sdxl"
    subprocess.run([sys.executable, "-m", "tests.render.full_size", str(folder)], check=True)
    described = describe(folder)

    def make(wake: Callable[[], None]) -> WorkerPool:
        files = ModelFiles(path=folder, sha256=described.sha256)
        return WorkerPool(tmp_path, files, workers=3, device="cpu", threads=1, wake=wake)

    pool = Pool(tmp_path, make)
    try:
        pool.until(lambda: len(pool.pool.free()) == 3, seconds=2400)
        warm = shared(pool.pool.pids().values())
        tasks = [_task(number, described.sha256) for number in (1, 2, 3)]
        for worker, task in zip(pool.pool.free(), tasks, strict=True):
            pool.pool.submit(worker, task)
        pool.until(lambda: len(pool.pool.free()) == 3, seconds=1200)
        drawn = shared(pool.pool.pids().values())
        reports = [type(pool.of(task)[-1]).__name__ for task in tasks]
    finally:
        pool.pool.kill()
    figures.add(
        "MB of a whole SDXL's weights, and what keeper and three workers hold of them",
        warm[1] // 10**6, **{"when warm": warm[0] // 10**6, "after pictures": drawn[0] // 10**6},
    )  # fmt: skip
    assert reports == ["Painted"] * 3
    assert warm[1] > 13e9  # fp32, on a CPU.
    assert warm[0] <= 1.02 * warm[1]
    assert drawn[0] <= 1.02 * drawn[1]


def _task(number: int, model: str) -> Task:
    asked = Resolved(
        prompt="1girl, red hair", negative="bad", width=256, height=256, steps=1, guidance=5.0,
        sampler="euler", schedule="normal", model=model,
    )  # fmt: skip
    return Task(
        job=f"j{number}", take=1, index=1, seed=number, resolved=asked, digest="d",
        file=f"j{number}.01.png",
    )  # fmt: skip
