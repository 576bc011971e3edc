"""A death is blamed on the work only where the work did it."""

import signal
from pathlib import Path

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


# As Linux writes them: memory.events of a cgroup of version 2, memory.oom_control of version 1.
_EVENTS = "low 0\nhigh 12\nmax 40\noom 5\noom_kill 2\noom_group_kill 0\n"
_OLD_EVENTS = "low 0\nhigh 0\nmax 0\noom 0\n"
_CONTROL = "oom_kill_disable 0\nunder_oom 0\noom_kill 4\n"
_VMSTAT = "nr_free_pages 913\noom_kill 7\ndrop_pagecache 1\n"


@pytest.mark.parametrize(
    ("texts", "count"),
    [
        ([_EVENTS], 2),
        ([_CONTROL], 4),
        ([_VMSTAT], 7),
        ([_EVENTS, _VMSTAT], 2),
        ([None, _CONTROL], 4),
        ([_OLD_EVENTS, _VMSTAT], 7),
        (["oom_kill many\n", _EVENTS], 2),
        ([None, _OLD_EVENTS], 0),
        ([], 0),
    ],
)
def test_the_first_file_that_counts_kills_for_memory_decides(
    texts: list[str | None], count: int, tmp_path: Path
) -> None:
    files = [tmp_path / str(number) for number in range(len(texts))]
    for file, text in zip(files, texts, strict=True):
        if text is not None:
            file.write_text(text)
    assert memory_kills(files) == count


def test_this_machine_counts_or_says_nothing() -> None:
    assert memory_kills() >= 0


def test_signals_have_names() -> None:
    assert name_of(signal.SIGKILL) == "SIGKILL"
    assert name_of(500) == "signal 500"
