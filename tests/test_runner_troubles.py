"""The loop when things go wrong, and how it ends."""

import errno
import os
import shutil
import time
from collections.abc import Callable

from pipeline import inscription, orders
from pipeline.core import events as e
from pipeline.core.commands import Resume, Retry
from pipeline.inbox.watch import MOST
from pipeline.journal.files import RealFiles
from tests.running import JOB, Run, fold


def test_a_paused_start_draws_nothing(start: Callable[..., Run]) -> None:
    run = start(opening=(e.QueuePaused(reason="asked"),))
    run.drop("rain.yaml")
    run.until(lambda: run.status("rain") == "queued" and len(run.pool.free()) == 3)
    run.runner.step(time.monotonic())
    assert run.pool.submitted == []


def test_a_lost_inbox_withdraws_nothing_and_hands_out_nothing(start: Callable[..., Run]) -> None:
    """An unmounted folder is not a deletion."""
    run = start()
    run.drop("rain.yaml")
    run.until(lambda: run.status("rain") == "done")
    hidden = run.root.with_name("hidden")
    run.root.rename(hidden)
    run.until(lambda: bool(run.watcher.lives and run.watcher.lives[-1].inbox_lost))
    assert run.status("rain") == "done"
    hidden.rename(run.root)
    run.until(lambda: run.watcher.lives[-1].inbox_lost is None)
    assert run.status("rain") == "done"


def test_once_ends_by_itself_and_says_whether_something_needs_a_person(
    start: Callable[..., Run],
) -> None:
    run = start(once=True)
    run.drop("rain.yaml")
    assert run.runner.run() == 0
    assert (run.root / "rain.01.png").is_file()
    run.drop("bad.yaml", "kind: nothing\n")
    again = start(once=True)
    assert again.runner.run() == 1
    shutil.rmtree(again.root / ".pipeline" / "takes", ignore_errors=True)


def test_a_stop_lets_pictures_in_work_finish_and_hands_out_no_more(
    start: Callable[..., Run],
) -> None:
    run = start()
    run.pool.patient = True
    run.drop("rain.yaml", JOB + "count: 5\n")
    run.until(lambda: len(run.pool.submitted) == 3)
    run.runner.stop()
    run.pool.patient = False
    assert run.runner.run() == 0
    assert len(run.pool.submitted) == 3
    assert run.state.finished == 3


def test_a_run_to_its_end_that_leaves_pictures_owed_says_so(start: Callable[..., Run]) -> None:
    run = start(once=True, opening=(e.QueuePaused(reason="asked"),))
    run.drop("rain.yaml")
    assert run.runner.run() == 1
    assert run.pool.submitted == []


def test_a_full_disk_is_no_good_end(start: Callable[..., Run]) -> None:
    run = start(once=True)
    run.pool.fail("rain", "No space left on device", kind="disk_full")
    run.drop("rain.yaml")
    assert run.runner.run() == 1
    assert "make room" in (run.state.paused or "")


def test_failures_in_a_row_pause_the_queue_through_restarts_until_it_is_resumed(
    start: Callable[..., Run],
) -> None:
    run = start()
    names = ("fog", "hail", "mist", "rain", "snow")
    for name in names:
        run.pool.fail(name, "RuntimeError: the card is gone")
        run.drop(f"{name}.yaml", f"kind: job\nprompt: {name}\n")
    run.until(lambda: run.state.paused_by == "failures")
    tried = len(run.pool.submitted)
    run.close()
    assert fold(run.root).paused_by == "failures"
    again = start()
    again.until(lambda: len(again.pool.free()) == 3)
    again.runner.step(time.monotonic())
    assert again.pool.submitted == []
    orders.send(again.root, Resume(), at=time.time_ns())
    orders.send(again.root, Retry(), at=time.time_ns())
    again.until(lambda: all(again.status(name) == "done" for name in names))
    assert tried >= 3
    assert again.state.failing == {}


def test_an_inbox_lost_while_pictures_are_in_work_costs_none_of_them(
    start: Callable[..., Run],
) -> None:
    run = start()
    run.pool.patient = True
    run.drop("rain.yaml", JOB + "count: 3\n")
    run.until(lambda: run.status("rain") == "rendering" and len(run.pool.submitted) == 3)
    first = run.pool.submitted[0]
    run.runner.step(time.monotonic())
    hidden = run.root.with_name("hidden")
    run.root.rename(hidden)
    run.pool.fail("rain", "its folder is gone")
    run.pool.finish(first.id)
    run.pool.lose("worker-2")
    run.until(lambda: run.watcher.lives[-1].inbox_lost is not None)
    for _ in range(3):
        run.runner.step(time.monotonic())
    assert run.state.finished == 0
    hidden.rename(run.root)
    run.pool.patient = False
    run.until(lambda: run.status("rain") == "done")
    assert sorted(file.name for file in run.root.glob("*.png")) == [
        f"rain.0{number}.png" for number in (1, 2, 3)
    ]
    assert run.state.jobs["rain"].unexplained == {}
    assert fold(run.root).finished == 3


def test_a_picture_too_large_for_the_memory_is_drawn_once_more_with_less(
    start: Callable[..., Run],
) -> None:
    run = start()
    run.pool.fail("rain", "OutOfMemoryError: no", kind="out_of_memory")
    run.pool.fail("snow", "OutOfMemoryError: no", kind="out_of_memory", times=2)
    for name in ("rain", "snow", "hail"):
        run.drop(f"{name}.yaml", f"kind: job\nprompt: {name}\n")
    run.until(
        lambda: [run.status(n) for n in ("rain", "snow", "hail")] == ["done", "failed", "done"]
    )
    made = run.state.jobs["rain"].takes[-1].images[1].made
    assert made is not None
    assert made.lean
    record = inscription.record_of(run.root / "rain.01.png")
    assert record is not None
    assert record.made.lean
    tried = [(task.job, task.lean) for task in run.pool.submitted]
    assert sorted(tried) == [
        ("hail", False), ("rain", False), ("rain", True), ("snow", False), ("snow", True),
    ]  # fmt: skip
    assert run.state.paused is None
    assert fold(run.root) == run.state


def test_a_journal_without_room_is_tried_again_until_there_is_some(
    start: Callable[..., Run],
) -> None:
    files = Crowded()
    run = start(files=files)
    files.refusals = 1
    run.drop("rain.yaml")
    run.until(lambda: run.status("rain") == "done")
    told = [live.journal_failed for live in run.watcher.lives]
    assert any("No space left" in why for why in told if why)
    assert told[-1] is None
    assert fold(run.root).finished == 1


class Crowded(RealFiles):
    """A disk that refuses the next `refusals` writes."""

    refusals = 0

    def write(self, fd: int, data: bytes) -> int:
        if self.refusals:
            self.refusals -= 1
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(fd, data)


def test_thousands_at_once_are_read_over_several_turns_and_decided_together(
    start: Callable[..., Run],
) -> None:
    """Not one is drawn before all are known, and each is submitted once."""
    run = start()
    run.close()
    for number in range(2 * MOST + 1):
        run.drop(f"d{number % 7}/j{number}.yaml", JOB + "hold: true\n")
    again = start()
    for _ in range(2):
        again.runner.step(time.monotonic())
        assert not again.inbox.scanned
        assert not again.inbox.quiet
        assert again.state.jobs == {}
    again.until(lambda: len(again.state.jobs) == 2 * MOST + 1)
    submitted = [event for event in again.watcher.events if isinstance(event, e.JobSubmitted)]
    assert len(submitted) == 2 * MOST + 1


def test_a_stop_is_heard_while_thousands_are_read(start: Callable[..., Run]) -> None:
    run = start()
    run.close()
    for number in range(2 * MOST + 1):
        run.drop(f"j{number}.yaml")
    again = start()
    again.runner.step(time.monotonic())
    again.runner.stop()
    assert again.runner.run() == 0
    assert again.state.jobs == {}
    assert again.pool.submitted == []
    third = start()
    third.until(lambda: len(third.state.jobs) == 2 * MOST + 1)
