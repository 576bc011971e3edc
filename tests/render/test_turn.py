"""Only so many workers denoise at once, and nobody waits for one that is dead."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.core.observed import Began, Lost, Painted, Stepped, Stopped
from pipeline.model import describe
from pipeline.modelfiles import ModelFiles
from pipeline.pool import Manner, WorkerPool
from pipeline.render.turn import Turn
from tests.render.conftest import Pool, task

STEPS = 300
_HOLDER = """
import sys, time
from pathlib import Path
from pipeline.render.turn import Turn
turn = Turn(Path(sys.argv[1]), int(sys.argv[2]))
turn.take(lambda: None)
print("has it", flush=True)
time.sleep(600)
"""


class Enough(Exception):
    """Of waiting."""


def enough() -> None:
    raise Enough


def test_one_at_a_time_has_the_only_place(tmp_path: Path) -> None:
    one, other = Turn(tmp_path, 1), Turn(tmp_path, 1)
    one.take(enough)
    one.take(enough)  # It has it already.
    with pytest.raises(Enough):
        other.take(enough)
    one.leave()
    other.take(enough)
    other.leave()
    other.leave()
    one.take(enough)


def test_of_two_places_the_third_waits(tmp_path: Path) -> None:
    turns = [Turn(tmp_path, 2) for _ in range(3)]
    turns[0].take(enough)
    turns[1].take(enough)
    with pytest.raises(Enough):
        turns[2].take(enough)
    turns[0].leave()
    turns[2].take(enough)


def test_without_places_nobody_waits(tmp_path: Path) -> None:
    turns = [Turn(tmp_path, 0) for _ in range(3)]
    for turn in turns:
        turn.take(enough)
        assert not turn.limited
    assert list(tmp_path.iterdir()) == []


@pytest.mark.process
def test_one_that_is_killed_lets_go_of_its_place(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _HOLDER, str(tmp_path), "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "has it\n"
        mine = Turn(tmp_path, 1)
        with pytest.raises(Enough):
            mine.take(enough)
        holder.kill()
        waits: list[float] = []
        mine.take(lambda: waits.append(time.monotonic()))
        assert len(waits) < 1000


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Iterator[
    Callable[[int], Pool]
]:  # fmt: skip
    """A pool of three workers of which so many denoise at once; 0 is all."""
    files = ModelFiles(path=tiny_model, sha256=describe(tiny_model).sha256)
    pools: dict[int, Pool] = {}

    def made(denoising: int) -> Pool:
        if denoising not in pools:
            root = tmp_path_factory.mktemp("inbox")
            pools[denoising] = Pool(
                root,
                lambda wake: WorkerPool(
                    root, files, workers=3, device="cpu", threads=1, wake=wake,
                    manner=Manner(denoising=denoising),
                ),
            )  # fmt: skip
        return pools[denoising]

    yield made
    for pool in pools.values():
        pool.pool.stop(5.0)


def three(pool: Pool, name: str) -> list[float]:
    """Have three pictures drawn by three workers; when each began to denoise, and the seconds that
    the first to begin took."""
    workers = pool.all_free()
    tasks = [task(f"{name}{n}", seed=n, steps=STEPS) for n in range(3)]
    for worker, each in zip(workers, tasks, strict=True):
        pool.pool.submit(worker, each)
    pool.until(lambda: all(pool.of(each, Painted) for each in tasks))
    began = sorted((pool.of(each, Began)[0].at, n) for n, each in enumerate(tasks))
    return [at - began[0][0] for at, _ in began]


@pytest.mark.process
def test_workers_take_turns_and_their_pictures_are_the_same(make: Callable[[int], Pool]) -> None:
    limited, free = make(1), make(0)
    together = three(free, "a")
    in_turn = three(limited, "a")
    # Otherwise all begin at once; now the third begins when two are done.
    alone = in_turn[1]
    assert together[2] < alone / 2
    assert in_turn[2] > 1.5 * alone
    for name in ("a0.01.png", "a1.01.png", "a2.01.png"):
        assert _pixels(limited.root / name) == _pixels(free.root / name)


@pytest.mark.process
def test_one_that_waits_can_be_cancelled_and_a_killed_one_lets_others_on(
    make: Callable[[int], Pool],
) -> None:
    pool = make(1)
    workers = pool.all_free()
    tasks = [task(f"b{n}", seed=n, steps=400) for n in range(3)]
    for worker, each in zip(workers, tasks, strict=True):
        pool.pool.submit(worker, each)
    pool.until(lambda: any(pool.of(each, Stepped) for each in tasks))
    (holder,) = [n for n, each in enumerate(tasks) if pool.of(each, Began)]
    waiting, last = (each for n, each in enumerate(tasks) if n != holder)
    pool.pool.cancel(waiting.id)
    pool.until(lambda: pool.of(waiting, Stopped))
    assert not pool.of(waiting, Began)
    assert not pool.of(last, Began)
    pid = pool.worker(workers[holder]).pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    pool.until(lambda: pool.of(tasks[holder], Lost) and pool.of(last, Began))
    pool.pool.cancel(last.id)
    pool.until(lambda: pool.of(last, Stopped))


def _pixels(path: Path) -> bytes:
    from PIL import Image

    with Image.open(path) as image:
        return image.tobytes()
