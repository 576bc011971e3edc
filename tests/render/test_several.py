"""Several models in one pool of real processes: pixels, and that what went is no longer there."""

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.core.observed import Failed, Lost, Painted, Switched, Unusable
from pipeline.inscription import pixels_in, record_of
from pipeline.model import describe
from pipeline.modelfiles import ModelFiles, weights_in
from pipeline.pool import Several, WorkerPool
from pipeline.render.slab import NAME
from pipeline.room import Room
from tests.render.conftest import Pool, task

pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]


class _Two:
    """A pool of the tiny model, another, and one that cannot be loaded."""

    def __init__(self, root: Path, tiny: Path, other: Path) -> None:
        torn = shutil.copytree(other, root / "torn")
        weights = torn / "unet/diffusion_pytorch_model.safetensors"
        _rename_a_tensor(weights)
        self.tiny, self.other, self.torn = (
            ModelFiles(path=path, sha256=describe(path).sha256) for path in (tiny, other, torn)
        )
        files = (self.tiny, self.other, self.torn)

        def make(wake: Callable[[], None]) -> WorkerPool:
            return WorkerPool(
                root, self.tiny, workers=2, device="cpu", threads=1, wake=wake,
                several=Several(
                    others=files[1:],
                    room=Room(weights={each.sha256: weights_in(each) for each in files}),
                ),
            )  # fmt: skip

        self.pool = Pool(root, make)

    def hold(self, *models: ModelFiles) -> None:
        self.pool.pool.hold(tuple(each.sha256 for each in models))
        self.pool.all_free()

    def pixels(self, job: str, model: ModelFiles) -> str:
        painted = self.pool.draw(task(job, model=model.sha256))
        assert isinstance(painted, Painted), painted
        record = record_of(self.pool.root / painted.file)
        assert record is not None
        assert record.model == model.path.name
        return pixels_in(self.pool.root / painted.file)

    def settles(self, slabs: dict[str, int]) -> None:
        """Wait until so many are there; the keeper frees one just after the workers are free."""
        self.pool.until(lambda: self.slabs() == slabs, 60.0)

    def slabs(self) -> dict[str, int]:
        """How many models each process has, by name: mapped by a worker, open in the keeper."""
        found = {}
        for name, pid in self.pool.pool.pids().items():
            if name == "keeper":
                opened = [_link(file) for file in Path(f"/proc/{pid}/fd").iterdir()]
                found[name] = sum(NAME in link for link in opened)
            else:
                lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
                found[name] = len({line.split()[4] for line in lines if NAME in line})
        return found


@pytest.fixture(scope="module")
def two(
    tmp_path_factory: pytest.TempPathFactory, tiny_model: Path, other_model: Path
) -> Iterator[_Two]:
    made = _Two(tmp_path_factory.mktemp("two"), tiny_model, other_model)
    yield made
    made.pool.pool.stop(5.0)


def test_pictures_are_those_of_their_model_and_what_went_is_freed(two: _Two, real: Pool) -> None:
    two.pool.all_free()
    first = two.pixels("first", two.tiny)
    two.settles({"keeper": 1, "worker-1": 1, "worker-2": 1})
    two.hold(two.other)
    second = two.pixels("second", two.other)
    two.settles({"keeper": 1, "worker-1": 1, "worker-2": 1})
    two.hold(two.tiny)
    assert two.pixels("third", two.tiny) == first != second
    assert pixels_in(real.root / real.draw(task("alone")).file) == first
    switches = [report for report in two.pool.reports if isinstance(report, Switched)]
    assert [(one.model, one.left) for one in switches] == [
        (two.other.sha256, (two.tiny.sha256,)),
        (two.tiny.sha256, (two.other.sha256,)),
    ]


@pytest.mark.slow
def test_two_at_once_draw_as_each_alone_also_after_a_worker_died(two: _Two) -> None:
    two.hold(two.tiny)
    alone = two.pixels("alone", two.tiny)
    assert two.pool.pool.fits((two.tiny.sha256, two.other.sha256))
    two.hold(two.tiny, two.other)
    two.settles({"keeper": 2, "worker-1": 2, "worker-2": 2})
    assert two.pixels("mine", two.tiny) == alone
    other = two.pixels("theirs", two.other)
    os.kill(two.pool.pool.pids()["worker-1"], signal.SIGKILL)
    two.pool.until(lambda: any(isinstance(one, Lost) for one in two.pool.reports))
    two.pool.all_free()
    two.settles({"keeper": 2, "worker-1": 2, "worker-2": 2})
    assert two.pixels("again", two.other) == other
    two.hold(two.other)
    two.settles({"keeper": 1, "worker-1": 1, "worker-2": 1})
    assert two.pixels("last", two.other) == other


@pytest.mark.slow
def test_a_killed_keeper_comes_back_with_the_model_that_was_held(two: _Two) -> None:
    two.hold(two.other)
    before = two.pixels("before", two.other)
    keeper = two.pool.pool.pids()["keeper"]
    os.kill(keeper, signal.SIGKILL)
    two.pool.until(lambda: two.pool.pool.pids().get("keeper", keeper) != keeper)
    two.pool.all_free()
    assert two.pixels("after", two.other) == before


def test_a_model_that_does_not_load_is_said_and_the_workers_take_another(two: _Two) -> None:
    two.hold(two.tiny)
    two.hold(two.torn)
    (unusable,) = [report for report in two.pool.reports if isinstance(report, Unusable)]
    assert unusable.model == two.torn.sha256
    assert "torn" in unusable.error
    two.settles({"keeper": 0, "worker-1": 0, "worker-2": 0})
    two.hold(two.other)
    two.pixels("in-spite", two.other)


def test_a_picture_is_never_drawn_with_another_model_than_its_own(two: _Two) -> None:
    two.hold(two.other)
    failed = two.pool.draw(task("astray", model=two.tiny.sha256))
    assert isinstance(failed, Failed)
    assert "is not at hand" in failed.error


def _rename_a_tensor(file: Path) -> None:
    """A file that is whole, as far as is seen without loading it, and lacks a weight."""
    data = file.read_bytes()
    assert data.count(b"conv_in.weight") == 1
    file.write_bytes(data.replace(b"conv_in.weight", b"conv_XX.weight"))


def _link(file: Path) -> str:
    try:
        return str(file.readlink())
    except OSError:
        return ""
