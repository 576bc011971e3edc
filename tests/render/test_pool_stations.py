"""A pool over real stations: nodes join and are lost, and lack what others have."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from pipeline import inscription
from pipeline.cluster import ClusterPool
from pipeline.core import observed as o
from pipeline.core.resolved import Picture, Source
from pipeline.model import describe
from pipeline.modelfiles import ModelFiles
from pipeline.pictures import sha256_of
from pipeline.pool import Manner
from tests.cluster.fleets import Here
from tests.render.conftest import Pool, task

pytestmark = [pytest.mark.slow, pytest.mark.process, pytest.mark.timeout(300)]


@contextmanager
def pool_over(root: Path, fleet: Here, model: Path) -> Iterator[Pool]:
    root.mkdir(exist_ok=True)

    def make(wake: Callable[[], None]) -> ClusterPool:
        files = ModelFiles(path=model, sha256=describe(model).sha256)
        return ClusterPool(
            root,
            files,
            fleet=fleet,
            workers=1,
            device="cpu",
            threads=1,
            wake=wake,
            manner=Manner(previews=1),
        )

    pool = Pool(root, make)
    try:
        yield pool
    finally:
        pool.pool.kill()


def pixels(root: Path, file: str) -> str:
    return inscription.pixels_in(root / file)


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where stations have their folders."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_two_nodes_draw_what_one_machine_does_and_leave_nothing(
    real: Pool, tiny_model: Path, tmp_path: Path, scratch: Path
) -> None:
    sketch = tmp_path / "inbox/in/sketch.png"
    (real.root / "show").mkdir()
    alone = real.draw(task("show/alone"))
    sketch.parent.mkdir(parents=True)
    shutil.copy(real.root / alone.file, sketch)
    source = Source(picture=Picture(file="in/sketch.png", sha256=sha256_of(sketch)), strength=0.5)
    (real.root / "in").mkdir()
    shutil.copy(sketch, real.root / "in/sketch.png")
    wanted = [task("show/plain", seed=3), task("show/from", seed=4, source=source)]
    with pool_over(tmp_path / "inbox", Here({"one": (), "two": ()}), tiny_model) as pool:
        (pool.root / "show").mkdir()
        pool.until(lambda: len(pool.pool.free()) == 2)
        for worker in pool.pool.free():
            for each in wanted:
                mine = replace(each, job=f"{each.job}-{worker}", file=f"{each.file}-{worker}.png")
                painted = pool.draw(mine, worker)
                assert isinstance(painted, o.Painted)
                ours = real.draw(each)
                assert pixels(pool.root, painted.file) == pixels(real.root, ours.file)
                assert painted.made == ours.made
        pool.pool.stop(5.0)
        assert pool.pool.pids() == {}
    assert list(scratch.iterdir()) == []


def test_a_node_that_is_lost_in_mid_picture_is_replaced_by_one_that_joins(
    tiny_model: Path, tmp_path: Path
) -> None:
    fleet = Here({"one": ()})
    with pool_over(tmp_path / "inbox", fleet, tiny_model) as pool:
        (first,) = pool.all_free()
        wanted = task("rain", steps=900)
        pool.pool.submit(first, wanted)
        pool.until(lambda: pool.of(wanted, o.Stepped))
        (post,) = fleet.stations
        fleet.lose(post)
        pool.until(lambda: pool.of(wanted, o.Lost))
        assert pool.pool.live() == ()
        fleet.join("two")
        (second,) = pool.all_free()
        assert second == "two:worker-1"
        short = task("rain")
        assert isinstance(pool.draw(short, second), o.Painted)
        assert len(pool.of(short, o.Painted)) == 1
        assert [file.name for file in pool.root.glob("*.png")] == ["rain.01.png"]


def test_weights_are_looked_for_on_each_node_and_who_has_them_draws(
    tiny_model: Path, tmp_path: Path
) -> None:
    from tests.render.test_pool_adapters import lora

    folder = tmp_path / "weights"
    folder.mkdir()
    adapter = lora(folder, "ink.safetensors", 1)
    fleet = Here({"bare": (), "rich": (folder,)}, cache=tmp_path / "hashes.json")
    with pool_over(tmp_path / "inbox", fleet, tiny_model) as pool:
        pool.until(lambda: len(pool.pool.free()) == 2)
        worn = task("worn", adapters=(adapter,))
        painted = pool.draw(worn, "bare:worker-1")
        assert isinstance(painted, o.Painted)
        assert painted.worker == "rich:worker-1"
        assert not pool.pool.takes("bare:worker-1", worn)
        os.unlink(folder / "ink.safetensors")
        pool.until(lambda: "rich:worker-1" in pool.pool.free())
        failed = pool.draw(task("gone", adapters=(adapter,)), "rich:worker-1")
        assert isinstance(failed, o.Failed)
        assert "bare has no LoRA ink.safetensors" in failed.error
        assert f"nothing at {folder}/ink.safetensors" in failed.error


def test_a_node_without_the_model_has_no_workers(
    tiny_model: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = tmp_path / "model"
    shutil.copytree(tiny_model, model)
    fleet = Here({"one": ()})
    with pool_over(tmp_path / "inbox", fleet, model) as pool:
        pool.all_free()
        shutil.rmtree(model)
        fleet.join("two")
        pool.until(lambda: "two has no model model of sha256" in caplog.text)
        assert [live.name for live in pool.pool.live()] == ["one:worker-1"]
