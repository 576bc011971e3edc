"""Room is made of older takes alone, said before it is done, and a crash leaves a true state."""

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.commands.gc import Collected, collect, report
from pipeline.commands.steer import Refused
from pipeline.core import events as e
from pipeline.journal import InboxHeld, Journal
from pipeline.ledger import Ledger
from tests.cli.command import anime
from tests.running import Run, fold

NOW = datetime.now(UTC)


def gc(root: Path, *names: str, keep: int = 1, days: int | None = None, yes: bool) -> Collected:
    clock = lambda: NOW + timedelta(hours=1)  # noqa: E731
    return collect(root, names, keep=keep, days=days, yes=yes, clock=clock)


def drawn(start: Callable[..., Run], takes: int = 3) -> Path:
    """An inbox whose two jobs have so many takes; its runner has ended."""
    run = start()
    for number in range(1, takes + 1):
        for key in ("rain", "snow"):
            run.drop(f"{key}.yaml", f"kind: job\nprompt: {key}\nseed: {number}\n")
            run.until(
                lambda key=key, number=number: (  # type: ignore[misc]
                    run.status(key) == "done" and len(run.state.jobs[key].takes) == number
                )
            )
    run.close()
    return run.root


def shelf(root: Path) -> list[str]:
    return sorted(path.name for path in (root / ".pipeline/takes").iterdir())


def test_without_yes_nothing_changes(start: Callable[..., Run]) -> None:
    root = drawn(start)
    journal = (root / ".pipeline/events.jsonl").read_bytes()
    found = gc(root, yes=False)
    assert not found.done
    assert [one.spare.file.rpartition("/")[2] for one in found.going] == shelf(root)
    assert len(shelf(root)) == 4
    assert (root / ".pipeline/events.jsonl").read_bytes() == journal
    assert list(report(found))[-1].endswith("would go; with --yes they do")


def test_older_takes_go_and_the_current_one_stays(start: Callable[..., Run]) -> None:
    root = drawn(start)
    kept = (root / "rain.01.png").read_bytes()
    size = sum(path.stat().st_size for path in (root / ".pipeline/takes").iterdir())
    found = gc(root, "rain", keep=2, yes=True)
    assert [one.spare.take for one in found.going] == [1]
    assert shelf(root) == ["rain.take2.01.png", "snow.take1.01.png", "snow.take2.01.png"]
    more = gc(root, yes=True)
    assert shelf(root) == []
    assert sum(one.size for one in (*found.going, *more.going)) == size
    assert (root / "rain.01.png").read_bytes() == kept
    assert gc(root, yes=True).found == ()
    state = fold(root)
    assert [take.images[1].discarded for take in state.jobs["rain"].takes] == [True, True, False]


def test_sheets_go_with_their_takes(
    start: Callable[..., Run],
) -> None:
    run = start()
    run.drop("akira.yaml", "kind: character\nname: Akira\nexpressions: {glad: smile}\n")
    for number in (1, 2, 3):
        run.drop(
            "faces.yaml",
            f"kind: job\ncharacters: [Akira]\nsheet: expressions\nseed: {number}\n",
        )
        run.until(
            lambda number=number: (  # type: ignore[misc]
                "faces" in run.state.jobs
                and [take.sheet is not None for take in run.state.jobs["faces"].takes]
                == [True] * number
            )
        )
    run.close()
    assert len(shelf(run.root)) == 4
    gc(run.root, keep=2, yes=True)
    assert shelf(run.root) == ["faces.take2.01.png", "faces.take2.sheet.png"]
    assert gc(run.root, yes=True).going[-1].spare.index == 0
    assert shelf(run.root) == []
    assert (run.root / "faces.sheet.png").exists()
    assert gc(run.root, yes=True).found == ()


def test_a_run_goes_on_as_if_nothing_had_been(start: Callable[..., Run]) -> None:
    root = drawn(start)
    gc(root, yes=True)
    run = start()
    run.until(lambda: run.runner._sight.complete)
    assert run.status("rain") == "done"
    assert run.pool.submitted == []
    run.drop("rain.yaml", "kind: job\nprompt: rain\nseed: 1\n")
    run.until(lambda: len(run.state.jobs["rain"].takes) == 4 and run.status("rain") == "done")
    assert [task.take for task in run.pool.submitted] == [4]  # What was discarded is not reused.


def test_what_is_young_retouched_or_foreign_stays(start: Callable[..., Run]) -> None:
    root = drawn(start)
    assert gc(root, days=1, yes=True).found == ()
    takes = root / ".pipeline/takes"
    (takes / "rain.take1.01.png").write_bytes(b"retouched")
    (takes / "rain.take9.01.png").write_bytes(b"foreign")
    (takes / "rain.take2.01.png").unlink()
    found = gc(root, days=0, yes=True)
    assert {one.spare.file.rpartition("/")[2]: one.stands for one in found.found} == {
        "rain.take1.01.png": "retouched", "rain.take2.01.png": "gone",
        "snow.take1.01.png": "ready", "snow.take2.01.png": "ready",
    }  # fmt: skip
    assert shelf(root) == ["rain.take1.01.png", "rain.take9.01.png"]
    assert any("was changed since it was drawn" in line for line in report(found))


def test_a_crash_between_the_event_and_the_file_leaves_work_for_the_next(
    start: Callable[..., Run],
) -> None:
    root = drawn(start)
    state = fold(root)
    image = state.jobs["rain"].takes[0].images[1]
    with Journal.open(root / ".pipeline", clock=lambda: NOW) as journal:
        ledger = Ledger(journal=journal, state=state, audience=_Nobody())
        ledger.fold([e.ImageDiscarded(job="rain", take=1, index=1, file=image.file)])
        ledger.commit()
    lines = fold(root).seq
    found = gc(root, "rain", keep=9, yes=True)
    assert [one.stands for one in found.found] == ["leftover"]
    assert "rain.take1.01.png" not in shelf(root)
    assert fold(root).seq == lines


def test_a_withdrawn_job_and_a_name_that_nothing_has(start: Callable[..., Run]) -> None:
    root = drawn(start, 2)
    (root / "rain.yaml").unlink()
    run = start()
    run.until(lambda: run.status("rain") == "withdrawn")
    run.close()
    assert [one.spare.job for one in gc(root, "rain", yes=True).going] == ["rain"]
    with pytest.raises(Refused, match="there is no job"):
        gc(root, "hail", yes=True)


def test_a_runner_keeps_the_inbox(start: Callable[..., Run]) -> None:
    run = start()
    run.drop("rain.yaml")
    run.until(lambda: run.status("rain") == "done")
    assert gc(run.root, yes=False).found == ()
    with pytest.raises(InboxHeld) as caught:
        gc(run.root, yes=True)
    assert caught.value.exit_code == 4


def test_an_inbox_that_never_ran_has_nothing_to_discard(tmp_path: Path) -> None:
    assert gc(tmp_path, yes=True).found == ()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.process
def test_the_command(start: Callable[..., Run]) -> None:
    root = drawn(start, 2)
    cwd = root.parent
    assert anime("gc", cwd=cwd).returncode == 2
    told = anime("gc", "--takes", cwd=cwd)
    assert told.stdout.splitlines()[0].startswith("would go  .pipeline/takes/rain.take1.01.png  ")
    done = anime("gc", "--takes", "--yes", "rain", "--json", cwd=cwd)
    assert (done.returncode, done.stderr) == (0, "")
    said = json.loads(done.stdout)
    assert said["done"] is True
    assert said["bytes"] > 0
    assert shelf(root) == ["snow.take1.01.png"]
    listed = anime("takes", "rain", cwd=cwd).stdout.splitlines()
    assert listed[1].endswith("  discarded")
    refused = anime("restore", "rain", "1", cwd=cwd)
    assert refused.returncode == 1
    assert "is no longer kept" in refused.stderr
    holding = (
        "import sys, pathlib, datetime; from pipeline.journal import Journal\n"
        "now = lambda: datetime.datetime.now(datetime.UTC)\n"
        "with Journal.open(pathlib.Path(sys.argv[1]), clock=now):\n"
        "    print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", holding, str(root / ".pipeline")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as holder:  # fmt: skip
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        held = anime("gc", "--takes", "--yes", cwd=cwd)
        holder.communicate("")
    assert held.returncode == 4
    assert f"held by the runner with pid {holder.pid}" in held.stderr


class _Nobody:
    def recorded(self, *_: object) -> None: ...
    def ticked(self, *_: object) -> None: ...
    def changed(self, *_: object) -> None: ...
