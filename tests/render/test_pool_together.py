"""Real workers that draw several pictures of the bundled model at once."""

import os
import signal
from collections.abc import Iterator

import pytest

from pipeline.core.observed import Lost, Painted, Stepped
from pipeline.core.resolved import Resolved, Task
from pipeline.inscription import pixels_in
from pipeline.model import describe
from pipeline.modelfiles import ModelFiles
from pipeline.pool import Manner, WorkerPool
from tests.render.conftest import Pool
from tests.studio import BUNDLED

pytestmark = [pytest.mark.process, pytest.mark.timeout(600)]
SHA256 = describe(BUNDLED).sha256


def shot(number: int) -> Task:
    resolved = Resolved(
        prompt=f"1girl, {('smile', 'blue hair', 'forest')[number]}", negative="",
        width=256, height=256, steps=6, guidance=4.0, sampler="dpmpp_2m", schedule="karras",
        model=SHA256,
    )  # fmt: skip
    return Task(
        job=f"shot{number}", take=1, index=1, seed=number, resolved=resolved, digest="d",
        file=f"shot{number}.png",
    )  # fmt: skip


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    root = tmp_path_factory.mktemp("together")
    files = ModelFiles(path=BUNDLED, sha256=SHA256)
    pool = Pool(
        root,
        lambda wake: WorkerPool(
            root, files, workers=1, device="cpu", threads=1, wake=wake,
            manner=Manner(previews=2, batch=3),
        ),
    )  # fmt: skip
    yield pool
    pool.pool.kill()


def test_three_are_drawn_at_once_and_each_emerges(pool: Pool) -> None:
    tasks = [shot(number) for number in range(3)]
    for seat, task in zip(pool.all_free(), tasks, strict=True):
        pool.pool.submit(seat, task)
    pool.until(lambda: len([r for r in pool.reports if isinstance(r, Painted)]) == 3)
    for place, task in enumerate(tasks):
        (painted,) = pool.of(task, Painted)
        assert (painted.made.batch, painted.made.place) == (3, place)
        assert painted.worker == f"worker-1.{place + 1}"
        steps = pool.of(task, Stepped)
        assert [step.step for step in steps] == [1, 2, 3, 4, 5, 6]
        assert [step.step for step in steps if step.preview is not None] == [2, 4]
    previews = {step.preview for step in pool.reports if isinstance(step, Stepped)} - {None}
    assert len(previews) == 6
    assert len({pixels_in(pool.root / task.file) for task in tasks}) == 3


def test_all_that_a_killed_one_drew_is_drawn_again_the_same(pool: Pool) -> None:
    tasks = [shot(number) for number in range(3)]
    before = [pixels_in(pool.root / task.file) for task in tasks]
    for task in tasks:
        (pool.root / task.file).unlink()
    pool.reports.clear()
    for seat, task in zip(pool.all_free(), tasks, strict=True):
        pool.pool.submit(seat, task)
    pool.until(lambda: any(isinstance(report, Stepped) for report in pool.reports))
    os.kill(pool.pool.pids()["worker-1"], signal.SIGKILL)
    pool.until(lambda: len([r for r in pool.reports if isinstance(r, Lost)]) == 3)
    lost = [report for report in pool.reports if isinstance(report, Lost)]
    assert {(one.cause, one.blamed) for one in lost} == {("killed", False)}
    for seat, task in zip(pool.all_free(), tasks, strict=True):
        pool.pool.submit(seat, task)
    pool.until(lambda: len([r for r in pool.reports if isinstance(r, Painted)]) == 3)
    assert [pixels_in(pool.root / task.file) for task in tasks] == before
