"""A death is blamed on the work only where the work did it."""

import signal

import pytest

from pipeline.pool.deaths import judge, memory_kills, name_of


@pytest.mark.parametrize(
    ("exitcode", "cause", "blamed"),
    [
        (-signal.SIGSEGV, "crash", True),
        (-signal.SIGABRT, "crash", True),
        (0, "exit", True),
        (1, "exit", True),
        (-signal.SIGKILL, "killed", False),
        (-signal.SIGTERM, "killed", False),
        (None, "killed", False),
    ],
)
def test_the_exit_code_decides(exitcode: int | None, cause: str, blamed: bool) -> None:
    verdict = judge(exitcode, condemned=False, keeper_died=False, starved=False)
    assert (verdict.cause, verdict.blamed) == (cause, blamed)
    assert verdict.detail


def test_a_kill_that_we_or_the_kernel_did_is_told_apart() -> None:
    kill = -signal.SIGKILL
    assert judge(kill, condemned=True, keeper_died=False, starved=False).cause == "deadline"
    starved = judge(kill, condemned=False, keeper_died=False, starved=True)
    assert (starved.cause, starved.blamed) == ("out_of_memory", True)
    with_keeper = judge(None, condemned=False, keeper_died=True, starved=False)
    assert (with_keeper.cause, with_keeper.blamed) == ("keeper", False)


def test_the_kernels_count_is_a_number_that_does_not_fall() -> None:
    assert 0 <= memory_kills() <= memory_kills()


def test_signals_have_names() -> None:
    assert name_of(signal.SIGKILL) == "SIGKILL"
    assert name_of(500) == "signal 500"
