"""Commands and takes in a run: what was commanded is done once, also over crashes, and what stands
beside a manifest is what the journal says."""

import hashlib
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from pipeline.core import events as e
from pipeline.core.commands import (
    Cancel,
    Command,
    Hold,
    Pause,
    Release,
    Render,
    Restore,
    Resume,
    Retry,
)
from pipeline.journal import JOURNAL_NAME, replay
from pipeline.orders import send
from tests.running import JOB, Run, fold


def command(run: Run, said: Command) -> e.CommandAnswered:
    """Give a command and turn the loop until it is answered."""
    name = send(run.root, said, at=time.time_ns())
    run.until(lambda: name in run.state.answered)
    return next(
        fact
        for fact in run.watcher.events
        if isinstance(fact, e.CommandAnswered) and fact.command == name
    )


def waiting(run: Run) -> list[str]:
    return sorted(os.listdir(run.root / ".pipeline/commands"))


def drawn(run: Run, key: str, takes: int = 1) -> Callable[[], bool]:
    return lambda: run.status(key) == "done" and len(run.state.jobs[key].takes) == takes


def test_a_command_given_with_the_runner_down_is_obeyed_before_anything_is_drawn(
    start: Callable[..., Run],
) -> None:
    """It may speak of a manifest that the journal does not know yet."""
    run = start()
    run.close()
    run.drop("rain.yaml")
    send(run.root, Hold(target="rain"), at=1)
    again = start()
    again.until(lambda: again.status("rain") == "held")
    again.runner.step(time.monotonic())
    assert again.pool.submitted == []
    assert waiting(again) == []


def test_a_command_and_its_answer_are_one_batch(start: Callable[..., Run]) -> None:
    """So a crash leaves both of them, or neither."""
    run = start()
    run.drop("rain.yaml", JOB + "hold: true\n")
    run.until(lambda: run.status("rain") == "held")
    command(run, Release(target="rain"))
    assert command(run, Hold(target="nobody")).refused
    lines = replay(run.root / ".pipeline" / JOURNAL_NAME)
    batches = {
        line.type: line.batch for line in lines if line.type.startswith(("job_r", "command"))
    }
    assert batches == {"job_released": (1, 2), "command_answered": (1, 1)}
    assert fold(run.root).answered == run.state.answered
    assert waiting(run) == []


def test_a_command_that_was_recorded_before_a_crash_is_not_obeyed_again(
    start: Callable[..., Run],
) -> None:
    """The answer is on the disk, the file was not yet taken away."""
    run = start()
    run.drop("rain.yaml")
    run.until(lambda: run.status("rain") == "done")
    name = send(run.root, Render(target="rain"), at=1)
    kept = (run.root / ".pipeline/commands" / f"{name}.json").read_bytes()
    run.until(drawn(run, "rain", 2))
    run.close()
    (run.root / ".pipeline/commands" / f"{name}.json").write_bytes(kept)
    again = start()
    again.until(lambda: waiting(again) == [])
    assert again.state.jobs["rain"].next_take == 3
    assert again.pool.submitted == []


def test_a_bad_command_is_set_aside_and_the_next_is_obeyed(start: Callable[..., Run]) -> None:
    run = start()
    run.until(lambda: run.inbox.scanned)
    folder = run.root / ".pipeline/commands"
    folder.mkdir()
    (folder / "0.json").write_text('{"command":"explode"}')
    assert command(run, Pause()).answer.startswith("the queue is paused")
    assert waiting(run) == ["refused"]
    (bad,) = [f for f in run.watcher.events if isinstance(f, e.CommandAnswered) and f.refused]
    assert "explode" in bad.answer


def test_cancelling_stops_a_picture_in_work_and_retry_draws_it(start: Callable[..., Run]) -> None:
    run = start()
    run.pool.patient = True
    run.drop("rain.yaml")
    run.until(lambda: run.status("rain") == "rendering")
    assert command(run, Cancel(target="rain")).answer == "cancelled rain (1 picture)"
    run.until(lambda: len(run.pool.free()) == 3)
    assert run.status("rain") == "cancelled"
    assert not (run.root / "rain.01.png").exists()
    run.pool.patient = False
    command(run, Retry(target="rain"))
    run.until(drawn(run, "rain"))


def test_a_pause_outlives_a_restart_and_resume_ends_it(start: Callable[..., Run]) -> None:
    run = start()
    run.until(lambda: run.inbox.scanned)
    command(run, Pause(reason="tea"))
    again = start()
    again.drop("rain.yaml")
    again.until(lambda: again.status("rain") == "queued" and len(again.pool.free()) == 3)
    assert again.pool.submitted == []
    command(again, Resume())
    again.until(drawn(again, "rain"))


def test_nothing_is_commanded_while_the_inbox_is_lost(start: Callable[..., Run]) -> None:
    run = start()
    run.drop("rain.yaml")
    run.until(lambda: run.status("rain") == "done")
    name = send(run.root, Pause(), at=1)
    hidden = run.root.with_name("hidden")
    run.root.rename(hidden)
    run.until(lambda: bool(run.watcher.lives and run.watcher.lives[-1].inbox_lost))
    assert run.state.paused is None
    hidden.rename(run.root)
    run.until(lambda: name in run.state.answered)


def test_a_manifest_is_withdrawn_only_while_the_inbox_is_whole(start: Callable[..., Run]) -> None:
    """Missing files of an inbox without its `.pipeline` were not removed: it is another folder."""
    run = start()
    run.drop("rain.yaml")
    run.until(lambda: run.status("rain") == "done")
    private, hidden = run.root / ".pipeline", run.root.with_name("hidden")
    private.rename(hidden)
    (run.root / "rain.yaml").unlink()
    run.until(lambda: bool(run.watcher.lives and run.watcher.lives[-1].inbox_lost))
    for _ in range(3):
        run.runner.step(time.monotonic() + 5)
    assert run.status("rain") == "done"
    hidden.rename(private)
    run.until(lambda: run.status("rain") == "withdrawn")


def test_an_asked_for_redraw_is_drawn_though_the_same_was_drawn_before(
    start: Callable[..., Run],
) -> None:
    run = start()
    run.drop("rain.yaml")
    run.until(drawn(run, "rain"))
    assert command(run, Render(target="rain")).answer == "queued rain (1 picture)"
    run.until(drawn(run, "rain", 2))
    assert [task.take for task in run.pool.submitted] == [1, 2]
    first, second = run.state.jobs["rain"].takes
    assert first.images[1].file == ".pipeline/takes/rain.take1.01.png"
    assert sha256(run, second.images[1].file) == second.images[1].sha256


def test_a_forced_job_is_drawn_and_one_that_is_not_is_reused(start: Callable[..., Run]) -> None:
    run = start()
    run.drop("rain.yaml", JOB + "seed: 7\n")
    run.until(drawn(run, "rain"))
    run.drop("same.yaml", JOB + "seed: 7\n")
    run.drop("forced.yaml", JOB + "seed: 7\nforce: true\n")
    run.until(lambda: drawn(run, "same")() and drawn(run, "forced")())
    assert [task.job for task in run.pool.submitted] == ["rain", "forced"]


def test_a_picture_that_was_changed_since_is_not_reused(start: Callable[..., Run]) -> None:
    run = start()
    run.drop("rain.yaml", JOB + "seed: 7\n")
    run.until(drawn(run, "rain"))
    (run.root / "rain.01.png").write_bytes(b"retouched")
    run.drop("same.yaml", JOB + "seed: 7\n")
    run.until(drawn(run, "same"))
    assert [task.job for task in run.pool.submitted] == ["rain", "same"]


def two_takes(start: Callable[..., Run], first: str = "", second: str = "steps: 20\n") -> Run:
    run = start()
    run.drop("rain.yaml", JOB + first)
    run.until(drawn(run, "rain"))
    run.drop("rain.yaml", JOB + second)
    run.until(drawn(run, "rain", 2))
    run.runner.step(time.monotonic())
    return run


def test_a_restored_take_stands_beside_its_manifest_and_the_newer_on_the_shelf(
    start: Callable[..., Run],
) -> None:
    run = two_takes(start, "count: 2\n", "count: 3\nsteps: 20\n")
    newer = beside(run)
    answer = command(run, Restore(job="rain", take=1))
    assert answer.answer == "restored take 1 of rain (2 pictures)"
    run.runner.step(time.monotonic())
    assert_true_to_the_disk(run)
    second, first = run.state.jobs["rain"].takes
    assert [image.file for image in first.images.values()] == ["rain.01.png", "rain.02.png"]
    assert sorted(beside(run)) == ["rain.01.png", "rain.02.png"]
    shelf = [sha256(run, image.file) for image in second.images.values()]
    assert shelf == [newer[name] for name in sorted(newer)]
    assert all(image.file.startswith(".pipeline/takes/") for image in second.images.values())
    assert run.status("rain") == "done"
    assert len(run.pool.submitted) == 5


def test_a_picture_that_somebody_moved_back_from_the_shelf_stays(
    start: Callable[..., Run],
) -> None:
    """It is the only one there is; one that is on the shelf as well was left by a crash."""
    run = two_takes(start, "count: 3\nseed: 3\n", "count: 1\nseed: 3\n")
    moved, kept = (f".pipeline/takes/rain.take1.0{number}.png" for number in (2, 3))
    run.until((run.root / kept).exists)
    run.close()
    (run.root / moved).rename(run.root / "rain.02.png")
    (run.root / "rain.03.png").write_bytes((run.root / kept).read_bytes())
    before = beside(run)
    again = start()
    again.until(lambda: not (again.root / "rain.03.png").exists())
    assert beside(again) == {name: before[name] for name in ("rain.01.png", "rain.02.png")}


def test_a_restored_take_counts_until_the_job_is_edited(start: Callable[..., Run]) -> None:
    """Neither a restart nor `render --stale` draws it again; an edit makes take 3."""
    run = two_takes(start)
    command(run, Restore(job="rain", take=1))
    again = start()
    again.until(drawn(again, "rain", 2))
    answer = command(again, Render(stale=True))
    assert answer.answer == "nothing to draw again: rain shows what its manifests say"
    assert again.pool.submitted == []
    again.drop("rain.yaml", JOB + "steps: 25\n")
    again.until(drawn(again, "rain", 3))
    assert [task.take for task in again.pool.submitted] == [3]
    assert_true_to_the_disk(again)


def test_restoring_there_and_back_again_draws_nothing(start: Callable[..., Run]) -> None:
    run = two_takes(start)
    newer = beside(run)
    command(run, Restore(job="rain", take=1))
    older = beside(run)
    assert older != newer
    command(run, Restore(job="rain", take=2))
    assert beside(run) == newer
    assert_true_to_the_disk(run)
    command(run, Restore(job="rain", take=1))
    assert beside(run) == older
    assert_true_to_the_disk(run)
    assert len(run.pool.submitted) == 2


def test_a_take_whose_picture_was_changed_is_not_restored_and_nothing_is_touched(
    start: Callable[..., Run],
) -> None:
    run = two_takes(start, "count: 2\n", "count: 2\nsteps: 20\n")
    before = beside(run)
    (run.root / ".pipeline/takes/rain.take1.02.png").write_bytes(b"other")
    answer = command(run, Restore(job="rain", take=1))
    assert answer.refused
    assert answer.answer == (
        "take 1 of rain cannot be restored: .pipeline/takes/rain.take1.02.png was changed since "
        "it was drawn"
    )
    assert beside(run) == before
    assert run.state.jobs["rain"].takes[-1].number == 2


def test_a_retouched_picture_stays_where_a_take_is_restored(start: Callable[..., Run]) -> None:
    run = two_takes(start)
    (run.root / "rain.01.png").write_bytes(b"retouched")
    command(run, Restore(job="rain", take=1))
    assert (run.root / "rain.01.png").read_bytes() == b"retouched"
    image = run.state.jobs["rain"].takes[-1].images[1]
    assert image.file == "rain.01-2.png"
    assert sha256(run, image.file) == image.sha256


def test_a_crash_between_the_pictures_and_the_answer_is_made_up_for(
    start: Callable[..., Run],
) -> None:
    """The pictures were moved and nothing is recorded; the command is there still."""
    run = two_takes(start)
    journal = run.root / ".pipeline" / "events.jsonl"
    acknowledged = run.root / ".pipeline" / "acknowledged"
    before = journal.read_bytes(), acknowledged.read_bytes()
    shelved = run.root / ".pipeline/takes/rain.take1.01.png"
    old = shelved.read_bytes()
    name = send(run.root, Restore(job="rain", take=1), at=1)
    file = run.root / ".pipeline/commands" / f"{name}.json"
    kept = file.read_bytes()
    run.until(lambda: name in run.state.answered)
    run.close()
    journal.write_bytes(before[0])
    acknowledged.write_bytes(before[1])
    shelved.write_bytes(old)
    file.write_bytes(kept)
    again = start()
    again.until(lambda: name in again.state.answered)
    assert again.state.jobs["rain"].takes[-1].number == 1
    assert (again.root / "rain.01.png").read_bytes() == old
    assert_true_to_the_disk(again)


def test_a_stop_in_mid_take_then_restored_owes_nothing(start: Callable[..., Run]) -> None:
    run = start()
    run.drop("rain.yaml")
    run.until(drawn(run, "rain"))
    run.pool.patient = True
    run.drop("rain.yaml", JOB + "steps: 20\n")
    run.until(lambda: run.status("rain") == "rendering")
    command(run, Restore(job="rain", take=1))
    run.until(lambda: len(run.pool.free()) == 3)
    assert run.status("rain") == "done"
    assert_true_to_the_disk(run)


def test_a_picture_that_is_finished_after_a_restore_goes_to_the_shelf(
    start: Callable[..., Run],
) -> None:
    """Its worker was past the last step, and put it in the place of the restored one."""
    run = start()
    run.drop("rain.yaml")
    run.until(drawn(run, "rain"))
    older = beside(run)
    run.pool.patient = run.pool.late = True
    run.drop("rain.yaml", JOB + "steps: 20\n")
    run.until(lambda: run.status("rain") == "rendering")
    command(run, Restore(job="rain", take=1))
    run.until(lambda: len(run.pool.free()) == 3)
    run.runner.step(time.monotonic())
    assert beside(run) == older
    assert_true_to_the_disk(run)
    second, first = run.state.jobs["rain"].takes
    assert (first.number, first.images[1].file) == (1, "rain.01.png")
    assert second.images[1].file == ".pipeline/takes/rain.take2.01.png"


def test_git_mv_and_a_checkout_there_and_back_cost_no_render(start: Callable[..., Run]) -> None:
    run = start()
    run.drop("show/project.yaml", "kind: project\nname: Show\nstyle: manga\n")
    run.drop("show/rain.yaml", JOB + "count: 2\n")
    run.until(drawn(run, "show/rain"))
    git = Git(run.root)
    git("add", "show")
    git("commit", "-qm", "one")
    run.drop("show/rain.yaml", JOB + "count: 2\nsteps: 20\n")
    run.until(drawn(run, "show/rain", 2))
    git("commit", "-qam", "two")
    assert len(run.pool.submitted) == 4
    newer = beside(run, "show")

    git("checkout", "-q", "HEAD~1")
    run.until(drawn(run, "show/rain", 3))
    assert beside(run, "show") != newer
    git("checkout", "-q", "main")
    run.until(drawn(run, "show/rain", 4))
    assert beside(run, "show") == newer

    git("mv", "show/rain.yaml", "show/wet.yaml")
    run.until(lambda: run.status("show/wet") == "done" and run.status("show/rain") == "withdrawn")
    assert len(run.pool.submitted) == 4


class Git:
    """git in a folder, away from the settings of whoever runs the tests."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / ".gitignore").write_text(".pipeline/\n*.png\n")
        self("init", "-q", "-b", "main")

    def __call__(self, *arguments: str) -> None:
        who = ("-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false")
        env = {"PATH": os.environ["PATH"], "HOME": str(self.root), "GIT_CONFIG_NOSYSTEM": "1"}
        subprocess.run(["git", *who, *arguments], cwd=self.root, env=env, check=True)


def sha256(run: Run, file: str) -> str:
    return hashlib.sha256((run.root / file).read_bytes()).hexdigest()


def beside(run: Run, folder: str = "") -> dict[str, str]:
    """The pictures beside the manifests, by name, as sha256."""
    files = (run.root / folder).glob("*.png")
    return {path.name: sha256(run, str(path.relative_to(run.root))) for path in files}


def assert_true_to_the_disk(run: Run) -> None:
    """Every picture that the journal knows stands where it says, and the state is its fold."""
    state = fold(run.root)
    for job in state.jobs.values():
        for take in job.takes:
            for image in take.images.values():
                assert sha256(run, image.file) == image.sha256, (take.number, image.file)
    for at, was in state.drawn.items():
        assert sha256(run, was.file) == was.sha256, at


def _displace(run: Run, key: str, shelf: str) -> bytes:
    """Do as a worker does that puts a newer picture in place and is killed before it can say so."""
    picture = run.root / f"{key}.02.png"
    old = picture.read_bytes()
    (run.root / shelf).parent.mkdir(parents=True, exist_ok=True)
    os.link(picture, run.root / shelf)
    part = picture.with_name("newer")
    part.write_bytes(b"newer")
    part.replace(picture)
    return old


def test_a_picture_displaced_by_one_that_nobody_asks_for_any_more_is_told_to_be_on_the_shelf(
    start: Callable[..., Run],
) -> None:
    """The worker was killed after the rename, and by the next start the job asks for fewer."""
    run = start()
    run.drop("rain.yaml", JOB + "count: 2\n")
    run.until(drawn(run, "rain"))
    run.drop("rain.yaml", JOB + "count: 2\nsteps: 9\n")
    run.pool.patient = True
    run.until(lambda: run.status("rain") == "rendering")
    shelf = ".pipeline/takes/rain.take1.02.png"
    old = _displace(run, "rain", shelf)
    run.close()
    run.drop("rain.yaml", JOB + "steps: 7\n")
    again = start()
    again.until(drawn(again, "rain", 2))
    again.until(lambda: again.state.jobs["rain"].takes[0].images[2].file == shelf)
    assert (again.root / shelf).read_bytes() == old


def test_so_is_one_of_a_job_whose_manifest_has_gone(start: Callable[..., Run]) -> None:
    run = start()
    run.drop("rain.yaml", JOB + "count: 2\n")
    run.until(drawn(run, "rain"))
    run.drop("rain.yaml", JOB + "count: 2\nsteps: 9\n")
    run.pool.patient = True
    run.until(lambda: run.status("rain") == "rendering")
    shelf = ".pipeline/takes/rain.take1.02.png"
    _displace(run, "rain", shelf)
    (run.root / "rain.yaml").unlink()
    again = start()
    again.until(lambda: again.status("rain") == "withdrawn")
    third = start()
    third.until(lambda: third.state.jobs["rain"].takes[0].images[2].file == shelf)
