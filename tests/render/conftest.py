"""The tiny model, once for all tests of the room, and what its pictures are asked to be."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from pipeline.cluster import ClusterPool
from pipeline.cluster.rays import connect
from pipeline.core.observed import Report, WorkerLive
from pipeline.core.resolved import Resolved, Task
from pipeline.model import describe
from pipeline.modelfiles import ModelFiles
from pipeline.pool import WorkerPool
from tests.cluster import rayed
from tests.cluster.fleets import Here

RESOLVED = Resolved(
    prompt="girl, red hair, night city",
    negative="bad",
    width=64,
    height=64,
    steps=4,
    guidance=5.0,
    sampler="dpmpp_2m",
    schedule="karras",
    model="ab" * 32,
)


def task(job: str, index: int = 1, seed: int = 7, **inputs: Any) -> Task:
    """A picture of the tiny model; `inputs` are fields of its `Resolved`."""
    resolved = replace(RESOLVED, **inputs)
    file = f"{job}.{index:02d}.png"
    return Task(job=job, take=1, index=index, seed=seed, resolved=resolved, digest="d", file=file)


class Pool:
    """A pool under test: polls until something is so, woken as the runner is."""

    def __init__(self, root: Path, make: Callable[[Callable[[], None]], Any]) -> None:
        self.root = root
        self.reports: list[Report] = []
        self._woken = threading.Event()
        self.pool = make(self._woken.set)
        self.pool.start()

    def until(self, so: Callable[[], Any], seconds: float = 240.0) -> None:
        """Poll until `so()`; fails with what was reported when that takes too long."""
        end = time.monotonic() + seconds
        while True:
            self.reports += self.pool.poll()
            self.pool.step(time.monotonic())
            if so():
                return
            assert time.monotonic() < end, f"waited in vain; reported so far: {self.reports}"
            self._woken.wait(0.2)
            self._woken.clear()

    def all_free(self) -> list[str]:
        """Wait until there are workers, and every one is warm and idle."""
        self.until(lambda: 0 < len(self.pool.live()) == len(self.pool.free()))
        return list(self.pool.free())

    def of(self, task: Task, *kinds: type[Report]) -> list[Any]:
        """What was reported of a task, of all kinds or of these."""
        mine = [report for report in self.reports if getattr(report, "task", None) == task]
        return [report for report in mine if not kinds or isinstance(report, kinds)]

    def draw(self, task: Task, worker: str | None = None) -> Any:
        """Have a picture drawn and wait for what becomes of it."""
        before = len(self.reports)
        self.pool.submit(worker or self.all_free()[0], task)
        ends = {"Painted", "Failed", "Stopped", "Lost"}
        self.until(lambda: any(type(r).__name__ in ends for r in self.reports[before:]))
        return next(r for r in self.reports[before:] if type(r).__name__ in ends)

    def worker(self, name: str) -> WorkerLive:
        """What a worker does now."""
        lives: tuple[WorkerLive, ...] = self.pool.live()
        return next(live for live in lives if live.name == name)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A diffusers folder with random weights."""
    from tests.render import tiny  # torch is for those who ask for a model

    return tiny.build(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def pipe(tiny_model: Path) -> Iterator[Any]:
    """The tiny model as diffusers alone has it, on one thread, for one test alone."""
    import torch  # It is for those who ask for a model.

    from tests.render.bare import load

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield load(tiny_model)
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def other_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another one, with other weights."""
    from tests.render import tiny

    return tiny.build(tmp_path_factory.mktemp("models") / "other", seed=21)


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Iterator[Pool]:
    """The real pool, with two workers of one thread each."""
    root = tmp_path_factory.mktemp("inbox")

    sha256 = describe(tiny_model).sha256

    def make(wake: Callable[[], None]) -> WorkerPool:
        return WorkerPool(
            root,
            ModelFiles(path=tiny_model, sha256=sha256),
            workers=2,
            device="cpu",
            threads=1,
            wake=wake,
        )

    pool = Pool(root, make)
    yield pool
    pool.pool.stop(5.0)


@pytest.fixture(scope="session")
def over_ray(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Iterator[Pool]:
    """The same, with Ray between."""
    if rayed.missing():
        pytest.skip("Ray is not installed")
    root = tmp_path_factory.mktemp("inbox")
    sha256 = describe(tiny_model).sha256
    with rayed.cluster(1) as started:
        fleet = connect(started.address)

        def make(wake: Callable[[], None]) -> ClusterPool:
            return ClusterPool(
                root, ModelFiles(path=tiny_model, sha256=sha256), fleet=fleet, workers=2,
                device="cpu", threads=1, wake=wake,
            )  # fmt: skip

        pool = Pool(root, make)
        yield pool
        pool.pool.stop(5.0)


@pytest.fixture(scope="session")
def clustered(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Iterator[Pool]:
    """A pool of one node, which is this machine, with two workers of one thread each."""
    root = tmp_path_factory.mktemp("inbox")
    sha256 = describe(tiny_model).sha256

    def make(wake: Callable[[], None]) -> ClusterPool:
        return ClusterPool(
            root, ModelFiles(path=tiny_model, sha256=sha256), fleet=Here({"node": ()}),
            workers=2, device="cpu", threads=1, wake=wake,
        )  # fmt: skip

    pool = Pool(root, make)
    yield pool
    pool.pool.stop(5.0)
