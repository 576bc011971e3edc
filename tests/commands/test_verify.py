"""What has gone or was changed is named, and what has gone comes back, once and with its seed."""

import json
import os
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import orders
from pipeline.commands.steer import Refused
from pipeline.commands.verify import Verified, report, verify
from pipeline.core import events as e
from pipeline.core.commands import Redraw, Render
from pipeline.pictures import sha256_of
from tests.cli.command import anime
from tests.fakes import square
from tests.running import Run, fold

THREE = "kind: job\nprompt: rain\nseed: 7\ncount: 3\n"


def drawn(start: Callable[..., Run], text: str = THREE) -> Run:
    run = start()
    run.drop("rain.yaml", text)
    run.until(lambda: run.status("rain") == "done")
    return run


def amiss(found: Verified) -> dict[str, str]:
    return {one.file: one.stands for one in found.found}


def command(run: Run, target: str | None = None) -> str:
    """Have what is gone drawn again, and wait until all is done; the answer."""
    name = orders.send(run.root, Redraw(target=target), at=time.time_ns())
    run.until(lambda: name in run.state.answered)
    run.until(lambda: not run.state.owed)
    run.runner.step(time.monotonic())
    answers = [event for event in run.watcher.events if isinstance(event, e.CommandAnswered)]
    return answers[-1].answer


def once_each(run: Run) -> bool:
    """Whether no picture of a job, take and number was finished twice."""
    finished = Counter(
        (event.job, event.take, event.index)
        for event in run.watcher.events
        if isinstance(event, e.ImageRendered | e.ImageReused)
    )
    return set(finished.values()) <= {1}


def test_what_is_as_it_was_drawn_is_no_finding(start: Callable[..., Run]) -> None:
    run = drawn(start)
    found = verify(run.root)
    assert (found.checked, found.found) == (3, ())
    assert list(report(found)) == ["3 pictures, all as they were drawn"]


def test_gone_changed_and_replaced_by_something_else_are_told_apart(
    start: Callable[..., Run],
) -> None:
    run = drawn(start)
    (run.root / "rain.01.png").unlink()
    (run.root / "rain.02.png").write_bytes(b"retouched")
    (run.root / "rain.03.png").unlink()
    (run.root / "rain.03.png").symlink_to("rain.02.png")
    found = verify(run.root)
    assert amiss(found) == {
        "rain.01.png": "gone", "rain.02.png": "changed", "rain.03.png": "changed",
    }  # fmt: skip
    lines = list(report(found))
    assert lines[0] == "gone        rain.01.png  take 1 of rain [1]  it is not there"
    assert lines[3] == "3 of 3 pictures not as drawn"
    assert "--redraw" in lines[4]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_what_cannot_be_read_is_not_said_to_be_gone(start: Callable[..., Run]) -> None:
    run = drawn(start)
    (run.root / "rain.01.png").chmod(0)
    assert amiss(verify(run.root)) == {"rain.01.png": "unreadable"}


def test_pictures_of_older_takes_are_looked_at_too(start: Callable[..., Run]) -> None:
    run = drawn(start)
    run.drop("rain.yaml", THREE.replace("rain", "storm"))
    run.until(lambda: len(run.state.jobs["rain"].takes) == 2 and run.status("rain") == "done")
    (run.root / ".pipeline/takes/rain.take1.02.png").unlink()
    found = verify(run.root)
    assert found.checked == 6
    ((file, stands),) = amiss(found).items()
    assert (file, stands) == (".pipeline/takes/rain.take1.02.png", "gone")
    assert not found.found[0].current
    assert command(run) == "1 picture of older takes no longer counted on"
    assert verify(run.root).found == ()
    assert len(run.state.jobs["rain"].takes) == 2


def test_a_gone_picture_is_drawn_again_with_its_seed_in_a_take_that_keeps_the_others(
    start: Callable[..., Run],
) -> None:
    run = drawn(start)
    kept = {n: (run.root / f"rain.0{n}.png").stat().st_ino for n in (1, 3)}
    tasks = {task.index: task for task in run.pool.submitted}
    (run.root / "rain.02.png").unlink()
    assert command(run) == "queued rain (1 picture gone)"
    assert [(task.take, task.index) for task in run.pool.submitted[3:]] == [(2, 2)]
    again = run.pool.submitted[3]
    assert (again.seed, again.digest) == (tasks[2].seed, tasks[2].digest)
    assert square(again).tobytes() == square(tasks[2]).tobytes()
    assert {n: (run.root / f"rain.0{n}.png").stat().st_ino for n in (1, 3)} == kept
    assert verify(run.root).found == ()
    take = run.state.jobs["rain"].takes[-1]
    assert (take.number, sorted(take.images), take.reason) == (2, [1, 2, 3], "asked")
    assert once_each(run)
    assert sorted(path.name for path in run.root.glob("*.png")) == [
        "rain.01.png", "rain.02.png", "rain.03.png",
    ]  # fmt: skip
    assert fold(run.root) == run.state


def test_a_changed_picture_is_never_touched_nor_drawn_again(start: Callable[..., Run]) -> None:
    run = drawn(start)
    (run.root / "rain.01.png").unlink()
    (run.root / "rain.02.png").write_bytes(b"retouched")
    command(run)
    assert (run.root / "rain.02.png").read_bytes() == b"retouched"
    assert [task.index for task in run.pool.submitted[3:]] == [1]
    assert amiss(verify(run.root)) == {"rain.02.png": "changed"}
    assert command(run) == "nothing has gone of the inbox"
    assert len(run.pool.submitted) == 4


def test_all_at_once_and_again(start: Callable[..., Run]) -> None:
    run = drawn(start)
    for turn in (2, 3):
        for path in run.root.glob("*.png"):
            path.unlink()
        assert command(run, "rain") == "queued rain (3 pictures gone)"
        assert run.state.jobs["rain"].takes[-1].number == turn
        assert verify(run.root).found == ()
    assert once_each(run)
    assert len(run.pool.submitted) == 9


def test_its_like_that_is_still_there_is_copied(start: Callable[..., Run]) -> None:
    run = drawn(start)
    run.drop("again.yaml", THREE)
    run.until(lambda: run.status("again") == "done")
    (run.root / "rain.02.png").unlink()
    command(run)
    assert len(run.pool.submitted) == 3
    assert sha256_of(run.root / "rain.02.png") == sha256_of(run.root / "again.02.png")
    assert verify(run.root).found == ()


def test_a_picture_that_was_put_back_meanwhile_is_not_drawn(start: Callable[..., Run]) -> None:
    """The disk counts when the command is obeyed, not when it was given."""
    run = drawn(start)
    (run.root / "rain.01.png").rename(run.root / "kept")
    run.close()
    orders.send(run.root, Redraw(), at=time.time_ns())
    (run.root / "kept").rename(run.root / "rain.01.png")
    again = start()
    again.until(lambda: bool(again.state.answered))
    assert len(again.state.jobs["rain"].takes) == 1
    assert again.pool.submitted == []


def test_a_crash_right_after_it_was_asked_draws_it_once(start: Callable[..., Run]) -> None:
    run = drawn(start)
    (run.root / "rain.03.png").unlink()
    run.pool.patient = True
    name = orders.send(run.root, Redraw(), at=time.time_ns())
    run.until(lambda: name in run.state.answered and len(run.pool.submitted) == 4)
    run.close()
    again = start()
    again.until(lambda: again.status("rain") == "done")
    assert [(task.take, task.index) for task in again.pool.submitted] == [(2, 3)]
    assert len(again.state.jobs["rain"].takes) == 2
    assert verify(again.root).found == ()


def test_a_stale_job_gets_back_what_was_there(start: Callable[..., Run]) -> None:
    """Whether it is to look as its bible says now is somebody's to decide."""
    run = start()
    akira = "kind: character\nname: akira\nappearance: silver hair\n"
    run.drop("akira.yaml", akira)
    run.drop("rain.yaml", "kind: job\ncharacters: [akira]\ncount: 2\n")
    run.until(lambda: run.status("rain") == "done")
    run.drop("akira.yaml", akira.replace("silver", "blue"))
    (run.root / "rain.01.png").unlink()
    run.until(lambda: "blue" in str(run.state.characters["akira"].spec))
    command(run)
    take = run.state.jobs["rain"].takes[-1]
    assert (take.number, take.restored) == (2, False)
    assert run.pool.submitted[-1].resolved.prompt.startswith("silver hair")
    assert verify(run.root).found == ()


def test_a_take_whose_picture_went_and_was_displaced_is_told(start: Callable[..., Run]) -> None:
    """Somebody took a picture away and had the job drawn anew: the older one is gone for good."""
    run = drawn(start)
    (run.root / "rain.01.png").unlink()
    orders.send(run.root, Render(target="rain"), at=time.time_ns())
    run.until(lambda: len(run.state.jobs["rain"].takes) == 2 and run.status("rain") == "done")
    found = verify(run.root)
    assert [(one.file, one.take, one.stands) for one in found.found] == [("rain.01.png", 1, "gone")]
    command(run)
    assert verify(run.root).found == ()
    assert sorted(run.state.jobs["rain"].takes[-1].images) == [1, 2, 3]
    assert not any(image.discarded for image in run.state.jobs["rain"].takes[-1].images.values())


def test_what_is_not_finished_has_to_wait(start: Callable[..., Run]) -> None:
    run = drawn(start)
    (run.root / "rain.01.png").unlink()
    run.pool.patient = True
    orders.send(run.root, Render(target="rain"), at=time.time_ns())
    run.until(lambda: run.status("rain") == "rendering")
    run.drop("snow.yaml", "kind: job\nprompt: snow\n")
    run.pool.patient = False
    command(run)
    assert len(run.state.jobs["rain"].takes) == 2


def test_a_name_limits_it_and_an_unknown_one_is_refused(start: Callable[..., Run]) -> None:
    run = drawn(start)
    run.drop("snow.yaml", "kind: job\nprompt: snow\n")
    run.until(lambda: run.status("snow") == "done")
    assert verify(run.root, "snow").checked == 1
    with pytest.raises(Refused, match="there is no job"):
        verify(run.root, "hail")


def test_a_withdrawn_job_is_left_out(start: Callable[..., Run]) -> None:
    run = drawn(start)
    for path in run.root.glob("rain*"):
        path.unlink()
    run.until(lambda: run.status("rain") == "withdrawn")
    assert (verify(run.root).checked, verify(run.root).found) == (0, ())


def test_an_inbox_that_never_ran(tmp_path: Path) -> None:
    assert verify(tmp_path) == Verified(checked=0, found=())


@pytest.mark.process
def test_the_command(start: Callable[..., Run]) -> None:
    run = drawn(start)
    run.close()
    cwd = run.root.parent
    fine = anime("verify", cwd=cwd)
    assert (fine.returncode, fine.stdout) == (0, "3 pictures, all as they were drawn\n")
    (run.root / "rain.01.png").unlink()
    said = anime("verify", "rain", "--json", cwd=cwd)
    assert said.returncode == 1
    told = json.loads(said.stdout)
    assert (told["checked"], told["answer"]) == (3, None)
    (one,) = told["found"]
    assert (one["file"], one["stands"], one["current"]) == ("rain.01.png", "gone", True)
    asked = anime("verify", "--redraw", cwd=cwd)
    assert (asked.returncode, asked.stderr) == (1, "")
    assert asked.stdout.endswith("no runner is up; at the next start: redraw as asked\n")
    again = start()
    again.until(lambda: again.state.finished == 4)
    again.close()
    assert anime("verify", cwd=cwd).returncode == 0
