"""Ray itself: nodes of a real cluster draw what one machine would, each picture once, also while
one of them is killed in mid-render and another joins."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline import inscription
from pipeline.cluster import words as w
from pipeline.cluster.rays import CannotReach, NoRay, RayFleet, Unprotected, connect
from pipeline.core import events as e
from pipeline.core import observed as o
from pipeline.journal import JOURNAL_NAME, replay
from pipeline.pool import Manner
from tests.cli.command import anime
from tests.cluster import rayed
from tests.studio import Studio

needs_ray = pytest.mark.skipif(rayed.missing(), reason="Ray is not installed")
JOBS = 40
JOB = "kind: job\nprompt: 1girl, pink hair, smile\nsteps: 2\nseed: {seed}\n"


@pytest.fixture
def three() -> Iterator[Any]:
    with rayed.cluster(3) as started:
        yield started


def drop(studio: Studio) -> None:
    for number in range(JOBS):
        studio.drop(f"show/j{number:02d}.yaml", JOB.format(seed=number))


def facts(root: Path) -> list[e.Event]:
    return [e.decode(line.raw) for line in replay(root / ".pipeline" / JOURNAL_NAME)]


def pixels(root: Path) -> dict[str, str]:
    return {each.name: inscription.pixels_in(each) for each in (root / "show").glob("*.png")}


@needs_ray
@pytest.mark.slow
@pytest.mark.process
@pytest.mark.timeout(600)
def test_forty_jobs_over_three_nodes_one_killed_and_one_joining(three: Any, tmp_path: Path) -> None:
    fleet = connect(three.address)
    with Studio(tmp_path / "far", workers=1, threads=1, fleet=fleet) as studio:
        studio.until(lambda: len(studio.pool.free()) == 3, 200)
        assert len({live.name for live in studio.pool.live()}) == 3
        drop(studio)
        studio.until(lambda: all(live.task is not None for live in studio.pool.live()))
        studio.until(studio.settled(6))
        studio.until(lambda: all(live.step > 0 for live in studio.pool.live()))
        three.remove_node(next(iter(three.worker_nodes)), allow_graceful=False)
        studio.until(lambda: bool(studio.heard(o.Lost)), 60)
        joined = time.monotonic()
        three.add_node(num_cpus=1)
        studio.until(lambda: len(studio.pool.live()) == 3, 60)
        assert time.monotonic() - joined < 30
        studio.until(studio.settled(JOBS), 300)
        lost = [each for each in studio.heard(o.Lost) if isinstance(each, o.Lost)]
        assert {(each.cause, each.blamed) for each in lost} == {("node", False)}
        assert any(each.task is not None for each in lost)
    drawn = [fact for fact in facts(tmp_path / "far") if isinstance(fact, e.ImageRendered)]
    assert len(drawn) == len({(fact.job, fact.take, fact.index) for fact in drawn}) == JOBS
    assert len({fact.worker for fact in drawn}) >= 3
    assert not [fact for fact in facts(tmp_path / "far") if isinstance(fact, e.RenderFailed)]
    with Studio(tmp_path / "near", workers=2, threads=1) as studio:
        drop(studio)
        studio.until(studio.settled(JOBS), 300)
    assert pixels(tmp_path / "far") == pixels(tmp_path / "near")
    assert len(pixels(tmp_path / "far")) == JOBS


class Telling:
    """An actor as `pipeline.cluster.post.Post`, that says where it is and draws nothing."""

    def __init__(self, setup: bytes) -> None:
        told = w.setup_of(setup)
        gpus = os.environ.get("CUDA_VISIBLE_DEVICES", "")
        said = f"{told.name} {told.device} {gpus} {os.getpid()}"
        self._words: list[w.Word] = [w.Broke(error=said)]

    def order(self, number: int, order: bytes) -> None:
        self._words.append(w.Ended())

    def listen(self, patience: float) -> bytes:
        words, self._words = self._words, []
        time.sleep(0.0 if words else min(patience, 1.0))
        return w.pack(words)


@needs_ray
@pytest.mark.slow
@pytest.mark.process
@pytest.mark.timeout(300)
def test_each_gpu_has_an_actor_and_one_that_died_is_replaced() -> None:
    """Ray is told of GPUs that are not there, and places as if they were."""
    setup = w.Setup(
        version="0", models=(), held=(), workers=1, device="auto", threads=1, manner=Manner(),
        package=Path("/nowhere"),
    )  # fmt: skip
    heard: list[tuple[str, w.Word | None]] = []
    woken = threading.Event()

    def until(posts: int) -> list[list[str]]:
        """The words of so many actors."""
        deadline = time.monotonic() + 120
        while True:
            heard.extend(fleet.heard())
            said = [word.error.split(" ") for _, word in heard if isinstance(word, w.Broke)]
            if len(said) == posts:
                return said
            assert time.monotonic() < deadline, heard
            woken.wait(1.0)
            woken.clear()

    with rayed.cluster(1) as started:
        started.add_node(num_cpus=1, num_gpus=2)
        fleet = RayFleet(connect(started.address).ray, Telling)
        fleet.start(setup, woken.set)
        try:
            said = until(2)
            assert {(name.rpartition(".")[2], device) for name, device, _, _ in said} == {
                ("0", "cuda"), ("1", "cuda"),
            }  # fmt: skip
            assert {gpu for _, _, gpu, _ in said} == {"0", "1"}
            name, _, gpu, pid = said[0]
            os.kill(int(pid), signal.SIGKILL)
            again = until(3)[2]
            assert again[:3] == [name, "cuda", gpu]
            gone = [post for post, word in heard if word is None]
            assert [fleet.name(post) for post in gone] == [name]
            posts = {post for post, _ in heard}
            assert len(posts) == 3
            fleet.send(next(post for post in posts if fleet.name(post) != name), w.End(grace=0.0))
            assert until(4)[3][0] != name
        finally:
            fleet.close()


@needs_ray
@pytest.mark.slow
@pytest.mark.process
@pytest.mark.timeout(300)
def test_a_run_of_the_command_draws_over_the_cluster_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox/rain.yaml").write_text(JOB.format(seed=1))
    with rayed.cluster(1) as started:
        kept = {name: os.environ[name] for name in os.environ if name.startswith("RAY_")}
        done = anime(
            "run", "--once", "--cluster", started.address, "--device", "cpu", "--workers", "1",
            "--inbox", "inbox", cwd=tmp_path, timeout=250, **kept,
        )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "inbox/rain.01.png").is_file()


@needs_ray
def test_a_cluster_that_is_not_there_is_an_error_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", "ab" * 16)
    with pytest.raises(CannotReach, match=r"--cluster 127\.0\.0\.1:1") as caught:
        connect("127.0.0.1:1")
    assert "ray start" in (caught.value.hint or "")


@pytest.mark.skipif(not rayed.missing(), reason="Ray is installed")
def test_without_ray_it_is_said_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    with pytest.raises(NoRay) as caught:
        connect("auto")
    assert caught.value.hint == "pip install 'anime-pipeline[cluster]'"


def test_without_a_token_nothing_is_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    for mode in ("", "disabled"):
        monkeypatch.setenv("RAY_AUTH_MODE", mode)
        with pytest.raises(Unprotected) as caught:
            connect("auto")
        assert "export RAY_AUTH_MODE=token" in (caught.value.hint or "")
        assert "ray get-auth-token --generate" in (caught.value.hint or "")


@pytest.mark.process
def test_the_command_refuses_without_a_token_and_touches_nothing(tmp_path: Path) -> None:
    (tmp_path / "inbox").mkdir()
    done = anime("run", "--cluster", "auto", "--inbox", "inbox", cwd=tmp_path)
    assert done.returncode == 2
    assert "--cluster auto: Ray is used with token authentication alone" in done.stderr
    assert list((tmp_path / "inbox").iterdir()) == []
