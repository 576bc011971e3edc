"""Whatever a person, the workers and the disk do, and wherever the runner dies: nothing that was
acknowledged is lost, no picture is made twice, and the state is the fold of the journal."""

import pytest

from tests.faults import machine


def test_nothing_is_lost_whatever_happens() -> None:
    """A sample, the same each time."""
    before = sum(machine.Machine.steps.values())
    machine.run(40, 40, steady=True)
    assert sum(machine.Machine.steps.values()) - before > 500


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_nothing_is_lost_in_thousands_of_steps() -> None:
    machine.run(400, 60, steady=False)
    assert sum(machine.Machine.steps.values()) > 5_000
