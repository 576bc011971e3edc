"""What has to hold on a GPU as on a CPU: `pytest -m gpu tests/render/test_devices.py` on one.

Thirty pictures by three workers over one copy of the weights; then a worker is killed, then the
keeper, and in the end the device has all its memory back.
"""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from PIL import Image

from pipeline.core.observed import Painted
from pipeline.core.resolved import Resolved, Task
from pipeline.model import describe
from pipeline.modelfiles import ModelFiles
from pipeline.pool import WorkerPool
from pipeline.settings import BUNDLED_MODEL
from tests.conftest import Figures
from tests.render.conftest import Pool

pytestmark = [pytest.mark.process, pytest.mark.timeout(1200)]
CUDA = pytest.param("cuda", marks=pytest.mark.gpu)
CPU = pytest.param("cpu", marks=pytest.mark.slow)
SLACK = 64 << 20
"""Bytes of a GPU that others may take or give back meanwhile."""


@pytest.fixture(params=[CUDA, CPU])
def pool(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Pool]:
    """Three workers with the bundled model on the device."""
    files = ModelFiles(path=BUNDLED_MODEL, sha256=describe(BUNDLED_MODEL).sha256)

    def make(wake: Callable[[], None]) -> WorkerPool:
        return WorkerPool(tmp_path, files, workers=3, device=request.param, threads=1, wake=wake)

    pool = Pool(tmp_path, make)
    yield pool
    pool.pool.kill()


def test_all_workers_draw_the_same_whoever_is_killed(pool: Pool, figures: Figures) -> None:
    names = pool.all_free()
    assert len(names) == 3
    pictures = [[drawn(pool, name, seed) for name in names] for seed in range(10)]
    same = sum(one == first for first, *others in pictures for one in (first, *others))
    figures.add("pictures by three workers over one copy", 30, differing=30 - same)
    assert same == 30
    assert len({first for first, *_ in pictures}) == 10
    for victim in (names[0], "keeper"):
        os.kill(pool.pool.pids()[victim], signal.SIGKILL)
        pool.until(lambda: len(pool.pool.free()) < 3)
        assert [drawn(pool, name, 3) for name in pool.all_free()] == pictures[3]


@pytest.mark.gpu
def test_a_gpu_has_its_memory_back(tmp_path: Path) -> None:
    torch.zeros(1, device="cuda")
    before = torch.cuda.mem_get_info()[0]
    files = ModelFiles(path=BUNDLED_MODEL, sha256=describe(BUNDLED_MODEL).sha256)

    def make(wake: Callable[[], None]) -> WorkerPool:
        return WorkerPool(tmp_path, files, workers=3, device="cuda", threads=1, wake=wake)

    pool = Pool(tmp_path, make)
    names = pool.all_free()
    drawn(pool, names[0], 1)
    assert torch.cuda.mem_get_info()[0] < before
    os.kill(pool.pool.pids()["keeper"], signal.SIGKILL)
    pool.until(lambda: not pool.pool.free())
    pool.all_free()
    pool.pool.kill()
    assert torch.cuda.mem_get_info()[0] > before - SLACK


def drawn(pool: Pool, worker: str, seed: int) -> bytes:
    """The pixels of a picture that this worker draws."""
    asked = Resolved(
        prompt="1girl, red hair, night", negative="", width=256, height=256, steps=3, guidance=4.0,
        sampler="dpmpp_2m", schedule="karras", model=describe(BUNDLED_MODEL).sha256,
    )  # fmt: skip
    name = f"{worker}-{seed}"
    told = pool.draw(
        Task(
            job=name, take=1, index=1, seed=seed, resolved=asked, digest="d", file=f"{name}.01.png"
        ),
        worker,
    )
    assert isinstance(told, Painted), told
    with Image.open(pool.root / told.file) as image:
        return image.convert("RGB").tobytes()
