"""A rehearsal comes to the state that a run begun now would come to, and changes nothing."""

import time
from collections.abc import Callable
from pathlib import Path

from pipeline.commands.planning import rehearsed
from pipeline.core.commands import Command, Hold, Pause, Render, Restore
from pipeline.core.plan import Plan, plan
from pipeline.orders import send
from tests.running import JOB, MODEL, Run


def planned(root: Path) -> Plan:
    return plan(rehearsed(root, MODEL, workers=3), lambda _: True)


def words(root: Path) -> list[tuple[str, int]]:
    return [(each.word, each.render) for each in planned(root).jobs]


def two_takes(start: Callable[..., Run]) -> Path:
    """The inbox of a job with two takes, whose runner has ended."""
    run = start()
    for number in (1, 2):
        run.drop("rain.yaml", f"{JOB}seed: {number}\n")
        run.until(
            lambda number=number: (  # type: ignore[misc]
                run.status("rain") == "done" and len(run.state.jobs["rain"].takes) == number
            )
        )
    run.close()
    return run.root


def given(root: Path, said: Command) -> list[tuple[str, int]]:
    """The plan with this command waiting, and it waits on."""
    name = send(root, said, at=time.time_ns())
    found = words(root)
    file = root / ".pipeline/commands" / f"{name}.json"
    assert file.exists()
    file.unlink()
    return found


def test_commands_that_wait_are_obeyed(start: Callable[..., Run]) -> None:
    root = two_takes(start)
    assert words(root) == [("done", 0)]
    assert given(root, Render(target="rain")) == [("render", 1)]
    assert given(root, Restore(job="rain", take=1)) == [("done", 0)]
    assert words(root) == [("done", 0)]


def test_a_command_may_speak_of_what_no_run_has_seen(tmp_path: Path) -> None:
    (tmp_path / ".pipeline").mkdir()
    (tmp_path / "rain.yaml").write_text(JOB)
    assert words(tmp_path) == [("render", 1)]
    send(tmp_path, Hold(target="rain"), at=1)
    send(tmp_path, Pause(reason="tea"), at=2)
    found = planned(tmp_path)
    assert [each.word for each in found.jobs] == ["held"]
    assert found.paused == "tea"
    assert sorted(path.name for path in (tmp_path / ".pipeline").iterdir()) == ["commands"]


def test_a_take_that_cannot_be_restored_is_not(start: Callable[..., Run]) -> None:
    root = two_takes(start)
    (root / ".pipeline/takes/rain.take1.01.png").write_bytes(b"retouched")
    send(root, Restore(job="rain", take=1), at=1)
    takes = rehearsed(root, MODEL, workers=3).jobs["rain"].takes
    assert [take.number for take in takes] == [1, 2]
