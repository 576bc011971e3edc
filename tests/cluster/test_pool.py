"""What the head makes of what nodes say; the test plays the nodes, and the clock."""

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from pipeline.cluster import ClusterPool
from pipeline.cluster import words as w
from pipeline.core import observed as o
from pipeline.core.resolved import Adapter, Picture, Source, Task
from pipeline.modelfiles import ModelFiles
from pipeline.pool import Several
from pipeline.pool.models import ALONE
from pipeline.render import png
from pipeline.room import Room
from tests.cluster.fleets import Played
from tests.fakes import FAKE_MADE, square
from tests.render.conftest import task

MODEL, OTHER, LORA = "ab" * 32, "cd" * 32, "ef" * 32
ADAPTER = Adapter(file="loras/ink.safetensors", sha256=LORA)
LACK = w.Lack(called="LoRA loras/ink.safetensors", sha256=LORA, why="nothing at /a/b")


class _Head:
    """A pool whose nodes are played; `now` is its clock."""

    def __init__(self, root: Path, several: Several = ALONE) -> None:
        self.root = root
        self.fleet = Played()
        self.now = 1000.0
        self.reports: list[o.Report] = []
        self.pool = ClusterPool(
            root, ModelFiles(path=root / "model", sha256=MODEL), fleet=self.fleet, workers=2,
            device="cpu", threads=1, wake=lambda: None, several=several, clock=lambda: self.now,
        )  # fmt: skip
        self.pool.start()

    def open(self, post: str, *models: str, lacks: tuple[w.Lack, ...] = ()) -> None:
        """A node joins, whose two workers are warm."""
        self.fleet.say(post, w.Opening(), w.Opened(models=models or (MODEL,), lacks=lacks))
        self.idle(post)

    def idle(self, post: str, turn: int = 0, free: int = 0) -> None:
        pid = 100 * (1 + sum(map(ord, post)))
        workers = tuple(w.OnePhase(name=f"worker-{n}", pid=pid + n, phase="idle") for n in (1, 2))
        self.fleet.say(post, w.Lives(workers=workers, keeper=pid, turn=turn, free=free, each=4))
        self.poll()

    def poll(self) -> list[o.Report]:
        fresh = self.pool.poll()
        self.reports += fresh
        return fresh

    def until(self, so: Callable[[], object]) -> None:
        """Poll until that is so: files are read and written by other threads."""
        deadline = time.monotonic() + 10
        while not so():
            assert time.monotonic() < deadline, f"waited in vain; reported: {self.reports}"
            self.poll()

    def heard(self, kind: type[o.Report]) -> list[Any]:
        return [report for report in self.reports if isinstance(report, kind)]

    def finish(self, post: str, draw: w.Draw) -> None:
        """A node has drawn it."""
        self.fleet.say(post, drawn(draw))
        self.poll()


def drawn(draw: w.Draw) -> w.Drawn:
    data = png.encode(square(draw.task), draw.task, "played", FAKE_MADE)
    return w.Drawn(
        number=draw.number, data=data, sha256=hashlib.sha256(data).hexdigest(), seconds=1.0,
        made=FAKE_MADE,
    )  # fmt: skip


@pytest.fixture
def head(tmp_path: Path) -> _Head:
    return _Head(tmp_path)


@pytest.fixture
def several(tmp_path: Path) -> _Head:
    """One of two models of 10 weights each."""
    room = Room(weights={MODEL: 10, OTHER: 10})
    others = (ModelFiles(path=tmp_path / "other", sha256=OTHER),)
    return _Head(tmp_path, Several(others=others, room=room))


def with_lora(job: str) -> Task:
    return task(job, adapters=(ADAPTER,))


def test_workers_come_and_go_with_their_nodes(head: _Head) -> None:
    assert head.pool.live() == ()
    head.open("one#1")
    head.open("two#2")
    names = ["one:worker-1", "one:worker-2", "two:worker-1", "two:worker-2"]
    assert [live.name for live in head.pool.live()] == names
    assert list(head.pool.free()) == names
    assert head.pool.pids().keys() == {*names, "one:keeper", "two:keeper"}
    head.fleet.say("one#1", None)
    head.poll()
    assert [live.name for live in head.pool.live()] == names[2:]
    lost = head.heard(o.Lost)
    assert [(each.worker, each.cause, each.blamed, each.task) for each in lost] == [
        ("one:worker-1", "node", False, None), ("one:worker-2", "node", False, None),
    ]  # fmt: skip


def test_a_picture_comes_back_and_is_put_in_place_by_the_head(head: _Head) -> None:
    head.open("one#1")
    wanted = task("rain")
    head.pool.submit("one:worker-2", wanted)
    (draw,) = head.fleet.drawn("one#1")
    assert (draw.worker, draw.task) == ("worker-2", wanted)
    head.fleet.say(
        "one#1", w.Begun(number=draw.number, encoding=0.5),
        w.Ticked(number=draw.number, step=3, steps=4, preview=b"jpeg"),
    )  # fmt: skip
    head.poll()
    (live,) = [each for each in head.pool.live() if each.task is not None]
    assert (live.name, live.phase, live.step, live.steps) == ("one:worker-2", "rendering", 3, 4)
    assert head.heard(o.Began)[0].at == head.now
    assert head.heard(o.Stepped)[0].preview == b"jpeg"
    head.finish("one#1", draw)
    head.until(lambda: head.heard(o.Painted))
    (painted,) = head.heard(o.Painted)
    assert (painted.worker, painted.file) == ("one:worker-2", "rain.01.png")
    assert hashlib.sha256((head.root / "rain.01.png").read_bytes()).hexdigest() == painted.sha256
    assert "one:worker-2" in head.pool.free()


def test_what_is_not_the_picture_that_was_drawn_is_not_kept(head: _Head) -> None:
    head.open("one#1")
    head.pool.submit("one:worker-1", task("rain"))
    (draw,) = head.fleet.drawn("one#1")
    head.fleet.say("one#1", replace(drawn(draw), data=b"\x89PNG and not much more"))
    head.until(lambda: head.heard(o.Failed))
    assert "not the picture that it drew" in head.heard(o.Failed)[0].error
    assert list(head.root.glob("*.png")) == []


def test_a_lost_nodes_picture_is_drawn_elsewhere_and_its_late_answer_means_nothing(
    head: _Head,
) -> None:
    head.open("one#1")
    head.open("two#2")
    wanted = task("rain")
    head.pool.submit("one:worker-1", wanted)
    (late,) = head.fleet.drawn("one#1")
    head.fleet.say("one#1", None)
    head.poll()
    (lost,) = [each for each in head.heard(o.Lost) if each.task == wanted]
    assert (lost.cause, lost.blamed) == ("node", False)
    head.pool.submit("two:worker-1", wanted)
    head.fleet.say("one#1", drawn(late))
    (draw,) = head.fleet.drawn("two#2")
    assert draw.number != late.number
    head.finish("two#2", draw)
    head.until(lambda: head.heard(o.Painted))
    head.fleet.say("two#2", drawn(late))
    head.poll()
    assert {live.name for live in head.pool.live()} == {"two:worker-1", "two:worker-2"}
    assert [each.worker for each in head.heard(o.Painted)] == ["two:worker-1"]


def test_a_node_that_comes_back_is_another_one(head: _Head) -> None:
    head.open("one#1")
    head.pool.submit("one:worker-1", task("rain"))
    head.fleet.say("one#1", None)
    head.open("one#2")
    assert head.pool.free() == ("one:worker-1", "one:worker-2")
    head.fleet.say("one#1", w.Halted(number=1))
    head.poll()
    assert head.heard(o.Stopped) == []


def test_what_a_node_lacks_is_drawn_by_another_and_it_gets_no_more_of_that(head: _Head) -> None:
    head.open("one#1")
    head.open("two#2")
    first = with_lora("a")
    head.pool.submit("one:worker-1", first)
    (draw,) = head.fleet.drawn("one#1")
    path = head.root.resolve() / ADAPTER.file
    assert draw.weights == (
        w.Weights(what="LoRA", path=path, sha256=LORA, file=ADAPTER.file),
    )  # fmt: skip
    head.fleet.say("one#1", w.Returned(number=draw.number, lacks=(LACK,)))
    head.poll()
    head.idle("one#1")
    assert [each.task for each in head.fleet.drawn("two#2")] == [first]
    assert not head.pool.takes("one:worker-1", with_lora("b"))
    assert head.pool.takes("two:worker-2", with_lora("b"))
    assert head.pool.takes("one:worker-1", task("plain"))
    with pytest.raises(ValueError, match="not free"):
        head.pool.submit("one:worker-1", with_lora("b"))
    head.now += 61
    assert not head.pool.takes("one:worker-1", with_lora("b")), "it changed within one turn"
    head.poll()
    assert head.pool.takes("one:worker-1", with_lora("b"))


def test_what_no_node_has_fails_and_says_who_lacks_what(head: _Head) -> None:
    head.open("one#1")
    head.open("two#2")
    head.pool.submit("one:worker-1", with_lora("a"))
    for post in ("one#1", "two#2"):
        (draw,) = head.fleet.drawn(post)
        head.fleet.say(post, w.Returned(number=draw.number, lacks=(LACK,)))
        head.poll()
    (failed,) = head.heard(o.Failed)
    for said in ("one has no LoRA loras/ink.safetensors", "two has no LoRA", LORA[:12],
                 "nothing at /a/b", "ANIME_NODE_WEIGHTS"):  # fmt: skip
        assert said in failed.error
    head.pool.submit("one:worker-1", with_lora("b"))
    head.poll()
    assert len(head.heard(o.Failed)) == 2


def test_while_a_node_is_being_opened_nobody_says_that_none_can(head: _Head) -> None:
    head.open("one#1")
    head.fleet.say("two#2", w.Opening())
    head.pool.submit("one:worker-1", with_lora("a"))
    (draw,) = head.fleet.drawn("one#1")
    head.fleet.say("one#1", w.Returned(number=draw.number, lacks=(LACK,)))
    head.poll()
    assert head.heard(o.Failed) == []
    head.open("two#2")
    assert [each.task for each in head.fleet.drawn("two#2")] == [with_lora("a")]


def test_where_no_node_has_the_model_a_picture_fails_and_says_so(head: _Head) -> None:
    lack = w.Lack(called="model dream", sha256=MODEL, why="nothing at /models/dream")
    head.fleet.say("one#1", w.Opening(), w.Opened(models=(), lacks=(lack,)))
    head.poll()
    assert head.pool.live() == ()
    (name,) = head.pool.free()
    head.pool.submit(name, task("rain"))
    (failed,) = head.poll()
    assert isinstance(failed, o.Failed)
    assert f"one has no model dream of sha256 {MODEL[:12]} (nothing at /models" in failed.error
    head.open("two#2")
    assert head.pool.free() == ("two:worker-1", "two:worker-2")


def test_no_worker_is_free_before_it_has_heard_what_is_to_be_held(several: _Head) -> None:
    several.open("one#1", MODEL, OTHER)
    several.pool.hold((OTHER,))
    assert several.fleet.ordered["one#1"][-1] == w.Hold(turn=1, models=(OTHER,))
    assert several.pool.free() == ()
    assert {live.phase for live in several.pool.live()} == {"switching"}
    several.now += 3
    several.idle("one#1", turn=1)
    assert len(several.pool.free()) == 2
    (switched,) = several.heard(o.Switched)
    assert switched == o.Switched(model=OTHER, left=(MODEL,), seconds=3.0)


def test_a_node_draws_only_with_models_that_it_has(several: _Head) -> None:
    several.open("one#1", MODEL)
    several.open("two#2", MODEL, OTHER)
    with_other = task("rain", model=OTHER)
    assert not several.pool.takes("one:worker-1", with_other)
    assert several.pool.takes("two:worker-1", with_other)
    several.fleet.say("two#2", w.Unfit(lack=w.Lack(called="model x", sha256=OTHER, why="torn")))
    several.poll()
    assert several.pool.takes("one:worker-1", with_other)  # To say that nobody can.
    several.pool.submit("one:worker-1", with_other)
    several.poll()
    assert "two has no model x" in several.heard(o.Failed)[0].error


def test_models_are_held_together_as_far_as_the_smallest_node_has_room(several: _Head) -> None:
    several.open("one#1", MODEL, OTHER)
    several.idle("one#1", free=1000)
    assert several.pool.fits((MODEL, OTHER))
    several.open("two#2", MODEL, OTHER)
    several.idle("two#2", free=100)
    assert not several.pool.fits((MODEL, OTHER))


def test_a_dead_worker_is_told_with_its_picture_and_who_is_to_blame(head: _Head) -> None:
    head.open("one#1")
    wanted = task("rain")
    head.pool.submit("one:worker-1", wanted)
    (draw,) = head.fleet.drawn("one#1")
    pid = head.pool.pids()["one:worker-1"]
    dead = w.Dead(
        worker="worker-1", pid=pid, cause="crash", detail="SIGSEGV", blamed=True,
        number=draw.number,
    )  # fmt: skip
    head.fleet.say("one#1", dead)
    (lost,) = head.poll()
    assert lost == o.Lost(
        worker="one:worker-1", pid=pid, cause="crash", detail="SIGSEGV", blamed=True, task=wanted
    )
    (live,) = [each for each in head.pool.live() if each.name == "one:worker-1"]
    assert (live.phase, live.pid) == ("starting", None)


def test_what_waits_for_another_node_can_be_cancelled(head: _Head) -> None:
    head.open("one#1")
    head.fleet.say("two#2", w.Opening())
    wanted = with_lora("a")
    head.pool.submit("one:worker-1", wanted)
    (draw,) = head.fleet.drawn("one#1")
    head.fleet.say("one#1", w.Returned(number=draw.number, lacks=(LACK,)))
    head.poll()
    head.pool.cancel(wanted.id)
    (stopped,) = head.poll()
    assert (type(stopped), stopped.task) == (o.Stopped, wanted)  # type: ignore[union-attr]
    head.open("two#2")
    assert head.fleet.drawn("two#2") == []


def test_a_cancelled_picture_is_stopped_once_also_where_it_comes_back(head: _Head) -> None:
    head.open("one#1")
    first, second = task("a"), with_lora("b")
    head.pool.submit("one:worker-1", first)
    head.pool.submit("one:worker-2", second)
    for wanted in (first, second, first):
        head.pool.cancel(wanted.id)
    one, two = head.fleet.drawn("one#1")
    cancels = [each for each in head.fleet.ordered["one#1"] if isinstance(each, w.Cancel)]
    assert [each.number for each in cancels] == [one.number, two.number]
    head.fleet.say(
        "one#1", w.Halted(number=one.number), w.Returned(number=two.number, lacks=(LACK,))
    )
    head.poll()
    assert [each.task for each in head.heard(o.Stopped)] == [first, second]


def test_pictures_that_it_is_drawn_from_travel_whole(head: _Head) -> None:
    (head.root / "in").mkdir()
    (head.root / "in/sketch.png").write_bytes(b"a sketch")
    sha256 = hashlib.sha256(b"a sketch").hexdigest()
    source = Source(picture=Picture(file="in/sketch.png", sha256=sha256), strength=0.5)
    head.open("one#1")
    head.pool.submit("one:worker-1", task("a", source=source))
    head.until(lambda: head.fleet.drawn("one#1"))
    (draw,) = head.fleet.drawn("one#1")
    assert draw.pictures == (w.Sent(file="in/sketch.png", data=b"a sketch"),)


def test_a_run_ends_only_where_no_node_can_draw(head: _Head) -> None:
    head.open("one#1")
    head.fleet.say("two#2", w.Opening(), w.Broke(error="no GPU", hint="mend it"))
    assert head.poll() == []
    head.fleet.say("one#1", w.Broke(error="no keeper"))
    (broken,) = head.poll()
    assert isinstance(broken, o.Broken)
    assert "one: no keeper" in broken.error
    assert "two: no GPU" in broken.error
    assert head.poll() == []


def test_a_run_whose_nodes_could_draw_waits_until_they_can_again(head: _Head) -> None:
    head.open("one#1")
    head.fleet.say("one#1", w.Warmed(worker="worker-1", pid=7))
    head.fleet.say("one#1", w.Broke(error="the keeper died"))
    assert [type(report) for report in head.poll()] == [o.WorkerWarm]
    assert head.pool.free() == ()
    assert head.pool.live() == ()
    head.open("one#1")
    assert len(head.pool.free()) == 2


def test_what_comes_while_it_ends_is_kept_and_told(head: _Head) -> None:
    head.open("one#1")
    head.pool.submit("one:worker-1", task("rain"))
    (draw,) = head.fleet.drawn("one#1")
    head.fleet.say("one#1", drawn(draw))
    head.pool.stop(5.0)
    assert head.fleet.closed
    (painted,) = [each for each in head.pool.poll() if isinstance(each, o.Painted)]
    assert (head.root / painted.file).is_file()
    assert head.pool.free() == ()
