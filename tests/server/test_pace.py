"""How long the queue may take goes by the work of its pictures, and what is drawn counts too."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from pipeline.core.manifest import Job
from pipeline.core.observed import WorkerLive
from pipeline.core.resolved import Task
from pipeline.server.board import Board
from tests.server.productions import WORKERS, Production
from tests.server.test_older import LIVE

SMALL, STEPS = "64x64", 10
TOOK = 2.5
"""Seconds that a production says of every picture."""


def seconds(made: Production, drawing: Sequence[WorkerLive] = ()) -> float | None:
    board = Board(made.state.copy(), inbox=made.inbox)
    found: float | None = json.loads(board.snapshot(LIVE, drawing=tuple(drawing)))["seconds"]
    return found


def asked(made: Production, name: str, **spec: object) -> str:
    said = {"prompt": name, "size": SMALL, "steps": STEPS, **spec}
    return made.job(f"{name}.yaml", Job(**said))  # type: ignore[arg-type]


@pytest.fixture
def drawn(production: Production) -> Production:
    """One small picture of few steps was drawn."""
    production.begin()
    production.finish(production.task(asked(production, "first")))
    return production


def worker(task: Task, step: int) -> WorkerLive:
    return WorkerLive(name=WORKERS[0], pid=1, phase="rendering", task=task, step=step, steps=STEPS)


def test_nothing_is_foretold_before_anything_was_drawn(production: Production) -> None:
    production.begin()
    asked(production, "first")
    assert seconds(production) is None


def test_twice_the_steps_and_four_times_the_pixels_take_eight_times_as_long(
    drawn: Production,
) -> None:
    asked(drawn, "alike")
    assert seconds(drawn) == pytest.approx(TOOK)
    asked(drawn, "large", size="128x128", steps=2 * STEPS)
    assert seconds(drawn) == pytest.approx((TOOK + 8 * TOOK) / 2)


def test_what_is_being_drawn_counts_as_far_as_it_is_not_done(drawn: Production) -> None:
    key = asked(drawn, "now")
    task = drawn.task(key)
    drawn.start_drawing(task)
    assert seconds(drawn) == 0
    assert seconds(drawn, [worker(task, 4)]) == pytest.approx(0.6 * TOOK)
    asked(drawn, "next")
    assert seconds(drawn, [worker(task, 4)]) == pytest.approx(1.6 * TOOK / 2)


def test_more_workers_than_pictures_make_it_no_shorter(drawn: Production) -> None:
    asked(drawn, "several", count=6)
    assert seconds(drawn) == pytest.approx(6 * TOOK / len(WORKERS))
