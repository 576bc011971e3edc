"""Failures in a row of different jobs pause the queue; a success or `anime resume` ends the row."""

import msgspec
import pytest

from pipeline.core import events as e
from pipeline.core import observed as o
from pipeline.core.commands import Resume, Retry
from pipeline.core.decide import BLAMED_DEATHS
from pipeline.core.evolve import evolve
from pipeline.core.state import State
from pipeline.core.status import status
from tests.production import MODEL, Production

NAMES = ("fog", "hail", "mist", "rain", "snow")


def weather(pause_after: int = 3, text: str = "") -> Production:
    production = Production()
    production.record(
        e.RunnerStarted(
            version="0", model=MODEL, workers=3, device="cpu", pid=1, pause_after=pause_after
        )
    )
    for name in NAMES:
        production.drop(f"{name}.yaml", f"kind: job\nprompt: {name}\n{text}")
    return production


def fail(production: Production, job: str, error: str = "RuntimeError: no") -> list[e.Event]:
    task = next(task for task in production.tasks() if task.job == job)
    return production.observe(o.Failed(worker="w", task=task, kind="error", error=error))


def pauser(production: Production) -> str | None:
    return production.state.paused_by


def test_so_many_different_jobs_pause_the_queue_and_are_named() -> None:
    production = weather()
    fail(production, "fog", "RuntimeError: first")
    assert production.state.paused is None
    fail(production, "hail", "RuntimeError: second\nline")
    failed, paused = fail(production, "mist", "x" * 500)
    assert isinstance(failed, e.RenderFailed)
    assert isinstance(paused, e.QueuePaused)
    assert paused.by == "failures"
    assert paused.reason.startswith(
        "3 jobs failed one after another: fog (RuntimeError: first); "
        "hail (RuntimeError: second line); mist (xxx"
    )
    assert "anime resume" in paused.reason
    assert len(paused.reason) < 500
    assert production.tasks() == []


def test_one_job_that_fails_with_every_picture_pauses_nothing() -> None:
    production = weather(text="count: 4\n")
    for _ in range(4):
        fail(production, "fog")
    fail(production, "hail")
    assert production.state.paused is None
    assert list(production.state.failing) == ["fog", "hail"]


def test_a_picture_that_is_drawn_ends_the_row() -> None:
    production = weather()
    fail(production, "fog")
    fail(production, "hail")
    production.paint(next(task for task in production.tasks() if task.job == "mist"))
    fail(production, "rain")
    assert production.state.paused is None


def test_resume_ends_the_row_and_so_many_more_pause_again() -> None:
    production = weather()
    for job in ("fog", "hail", "mist"):
        fail(production, job)
    assert production.command(Resume()).answer == "the queue goes on"
    production.command(Retry(target=None))
    fail(production, "rain")
    fail(production, "snow")
    assert production.state.paused is None
    fail(production, "fog")
    assert production.state.paused_by == "failures"


def test_what_is_in_work_and_fails_later_pauses_no_second_time() -> None:
    production = weather()
    tasks = production.tasks()
    for task in tasks:
        production.observe(o.Failed(worker="w", task=task, kind="error", error="no"))
    assert sum(isinstance(event, e.QueuePaused) for event in production.events) == 1
    assert len(production.state.failing) == 5


def test_a_job_that_is_quarantined_counts_and_a_full_disk_does_not() -> None:
    production = weather()
    fail(production, "fog")
    fail(production, "hail")
    (task,) = [task for task in production.tasks() if task.job == "mist"]
    production.observe(o.Failed(worker="w", task=task, kind="disk_full", error="no room"))
    assert pauser(production) == "disk"
    production.record(e.QueueResumed())
    fail(production, "rain")
    fail(production, "snow")
    death = o.Lost(worker="w", pid=1, cause="crash", detail="SIGSEGV", blamed=True, task=task)
    for _ in range(BLAMED_DEATHS):
        production.observe(death)
    assert status(production.state, production.job("mist")) == "quarantined"
    assert pauser(production) == "failures"
    assert "mist (brought its worker down 2 times" in (production.state.paused or "")


def test_a_picture_that_is_wanted_no_longer_does_not_count() -> None:
    production = weather()
    (task,) = [task for task in production.tasks() if task.job == "fog"]
    production.remove("fog.yaml")
    production.observe(o.Failed(worker="w", task=task, kind="error", error="no"))
    assert production.state.failing == {}


@pytest.mark.parametrize(("after", "failures"), [(1, 1), (2, 2), (5, 5)])
def test_how_many_is_a_setting(after: int, failures: int) -> None:
    production = weather(after)
    for number, name in enumerate(NAMES[:failures], 1):
        assert production.state.paused is None, number
        fail(production, name)
    assert production.state.paused is not None


def test_it_can_be_never() -> None:
    production = weather(0)
    for name in NAMES:
        fail(production, name)
    assert production.state.paused is None


def test_the_journal_alone_gives_the_same() -> None:
    production = weather()
    for job in ("fog", "hail"):
        fail(production, job)
    again = State()
    for number, event in enumerate(production.events, 1):
        name, fields = e.encode(event)
        line = msgspec.json.encode({"type": name, **msgspec.json.decode(fields)})
        evolve(again, number, f"at-{number}", e.decode(line))
    assert msgspec.json.encode(again) == msgspec.json.encode(production.state)
    assert list(again.failing) == ["fog", "hail"]


def test_a_new_start_neither_ends_the_row_nor_the_pause() -> None:
    """A service that is started again at night must not burn the rest of it."""
    production = weather()
    for job in ("fog", "hail", "mist"):
        fail(production, job)
    production.record(e.RunnerStarted(version="0", model=MODEL, workers=3, device="cpu", pid=2))
    assert production.state.paused_by == "failures"
    assert len(production.state.failing) == 3
