"""kill -9 of any process in any phase: each picture once, with an undisturbed run's pixels, the
state the fold of the journal, and no process, file or shared memory left."""

from pathlib import Path

import pytest

from tests.faults.__main__ import table, tiny_model
from tests.faults.campaign import PHASES, WHO, Campaign, Strike, plan

SAMPLE: list[Strike] = [("worker", "mid-save"), ("worker", "mid-step")]
"""Deaths of keeper and runner are tested elsewhere; whoever starts anew costs seconds."""


def strike(base: Path, strikes: list[Strike], *, seed: int, workers: int) -> None:
    model = tiny_model(base / "model" / "tiny")
    said: list[str] = []
    outcome = Campaign(base, model, seed=seed, workers=workers).run(strikes, said.append)
    assert outcome.good, table(outcome)
    assert sum(outcome.kills.values()) == len(strikes) == len(said)
    assert outcome.aftermath.pictures >= len(strikes) // 2, table(outcome)


@pytest.mark.process
@pytest.mark.timeout(300)
def test_a_sample_loses_and_doubles_nothing(tmp_path: Path) -> None:
    strike(tmp_path, SAMPLE, seed=7, workers=2)


@pytest.mark.slow
@pytest.mark.process
@pytest.mark.timeout(7200)
def test_three_hundred_lose_and_double_nothing(tmp_path: Path) -> None:
    strike(tmp_path, plan(300, 1), seed=1, workers=3)


def test_a_plan_holds_every_process_in_every_phase_and_a_seed_makes_it_again() -> None:
    strikes = plan(300, 5)
    assert len(strikes) == 300
    assert set(strikes) == {(who, phase) for who in WHO for phase in PHASES}
    assert strikes == plan(300, 5) != plan(300, 6)
