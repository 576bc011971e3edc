"""The loop: what is dropped is drawn once, in order, and a restart goes on where it was."""

import time
from collections.abc import Callable

import msgspec

from pipeline.core import events as e
from tests.running import JOB, Run, fold


def test_a_dropped_job_is_drawn_beside_its_manifest(start: Callable[..., Run]) -> None:
    run = start()
    run.drop("show/rain.yaml")
    run.until(lambda: run.status("show/rain") == "done")
    assert (run.root / "show/rain.01.png").is_file()
    kinds = [type(event).__name__ for event in run.watcher.events]
    assert kinds == [
        "RunnerStarted", "JobSubmitted", "RenderRequested", "RenderStarted", "ImageRendered",
    ]  # fmt: skip
    assert [tick.step for tick in run.watcher.ticks] == list(range(1, 16))


def test_the_live_state_is_the_fold_of_the_journal_byte_for_byte(start: Callable[..., Run]) -> None:
    run = start()
    run.drop("show/project.yaml", "kind: project\nname: Show\n")
    run.drop("show/rain.yaml", JOB + "count: 3\n")
    run.drop("show/bad.yaml", "kind: job\npromt: rain\n")
    run.until(lambda: run.status("show/rain") == "done" and bool(run.state.rejected))
    assert msgspec.json.encode(fold(run.root)) == msgspec.json.encode(run.state)


def test_a_bad_manifest_gets_an_error_file_that_goes_when_it_is_mended(
    start: Callable[..., Run],
) -> None:
    run = start()
    run.drop("bad.yaml", "kind: job\npromt: rain\n")
    run.drop("good.yaml")
    run.until(lambda: run.status("good") == "done" and bool(run.state.rejected))
    report = run.root / "bad.error.txt"
    assert "bad.yaml:2:1" in report.read_text()
    assert "prompt" in report.read_text()
    run.drop("bad.yaml")
    run.until(lambda: run.status("bad") == "done")
    assert not report.exists()


def test_a_waiting_job_says_for_what_and_where(start: Callable[..., Run]) -> None:
    run = start()
    run.drop("akari.yaml", "kind: character\nname: Akari\n")
    run.drop("roof.yaml", "kind: job\ncharacters:\n  - akira\n")
    run.until(lambda: run.status("roof") == "waiting" and (run.root / "roof.error.txt").exists())
    text = (run.root / "roof.error.txt").read_text()
    assert "roof.yaml:3:5: there is no character 'akira' yet (nearest: akari)" in text
    run.drop("akira.yaml", "kind: character\nname: Akira\nappearance: red hair\n")
    run.until(lambda: run.status("roof") == "done")
    assert not (run.root / "roof.error.txt").exists()


def test_a_picture_in_work_at_a_crash_is_drawn_again_with_its_seed_and_once(
    start: Callable[..., Run],
) -> None:
    run = start()
    run.pool.patient = True
    run.drop("rain.yaml", JOB + "count: 2\n")
    run.until(lambda: run.status("rain") == "rendering")
    first = run.pool.submitted[0]
    again = start()
    again.until(lambda: again.status("rain") == "done")
    assert first.seed in {task.seed for task in again.pool.submitted}
    drawn = [fact for fact in again.watcher.events if isinstance(fact, e.ImageRendered)]
    assert sorted(fact.index for fact in drawn) == [1, 2]


def test_a_manifest_that_went_away_while_nobody_watched_is_withdrawn(
    start: Callable[..., Run],
) -> None:
    run = start()
    run.drop("rain.yaml")
    run.drop("snow.yaml")
    run.until(lambda: run.status("rain") == run.status("snow") == "done")
    (run.root / "rain.yaml").unlink()
    again = start()
    again.until(lambda: again.status("rain") == "withdrawn")
    assert again.status("snow") == "done"
    assert (again.root / "rain.01.png").is_file()


def test_a_withdrawn_job_is_stopped_and_back_again_it_is_reused(start: Callable[..., Run]) -> None:
    run = start()
    run.pool.patient = True
    run.drop("rain.yaml")
    run.until(lambda: run.status("rain") == "rendering")
    (run.root / "rain.yaml").unlink()
    run.until(lambda: run.status("rain") == "withdrawn" and len(run.pool.free()) == 3)
    assert not (run.root / "rain.01.png").exists()
    run.pool.patient = False
    run.drop("rain.yaml")
    run.until(lambda: run.status("rain") == "done")


def test_a_moved_manifest_reuses_its_picture(start: Callable[..., Run]) -> None:
    """The same document elsewhere has the same seed and digest: nothing is drawn."""
    run = start()
    run.drop("rain.yaml")
    run.until(lambda: run.status("rain") == "done")
    (run.root / "rain.yaml").replace(run.root / "moved.yaml")
    run.until(lambda: run.status("moved") == "done")
    assert len(run.pool.submitted) == 1
    assert (run.root / "moved.01.png").read_bytes() == (run.root / "rain.01.png").read_bytes()
    (reused,) = [fact for fact in run.watcher.events if isinstance(fact, e.ImageReused)]
    assert reused.source == "rain.01.png"


def test_an_edit_draws_a_new_take_and_keeps_the_old_picture(start: Callable[..., Run]) -> None:
    run = start()
    run.drop("rain.yaml")
    run.until(lambda: run.status("rain") == "done")
    old = (run.root / "rain.01.png").read_bytes()
    run.drop("rain.yaml", JOB + "steps: 20\n")
    run.until(lambda: len(run.state.jobs["rain"].takes) == 2 and run.status("rain") == "done")
    assert (run.root / ".pipeline/takes/rain.take1.01.png").read_bytes() == old
    assert (run.root / "rain.01.png").read_bytes() != old
    run.drop("rain.yaml")
    run.until(lambda: len(run.state.jobs["rain"].takes) == 3 and run.status("rain") == "done")
    assert (run.root / "rain.01.png").read_bytes() == old
    assert len(run.pool.submitted) == 2


def test_fewer_pictures_put_the_extra_ones_on_the_shelf_and_more_bring_them_back(
    start: Callable[..., Run],
) -> None:
    """Pictures that resolve as before are kept; nothing is drawn twice."""
    run = start()
    run.drop("rain.yaml", JOB + "count: 3\n")
    run.until(lambda: run.status("rain") == "done")
    third = (run.root / "rain.03.png").read_bytes()
    run.drop("rain.yaml", JOB + "count: 2\n")
    run.until(lambda: not (run.root / "rain.03.png").exists())
    assert (run.root / ".pipeline/takes/rain.take1.03.png").read_bytes() == third
    assert (run.root / "rain.02.png").exists()
    run.drop("rain.yaml", JOB + "count: 3\n")
    run.until((run.root / "rain.03.png").exists)
    assert (run.root / "rain.03.png").read_bytes() == third
    assert len(run.pool.submitted) == 3


def test_a_retouched_picture_is_never_overwritten(start: Callable[..., Run]) -> None:
    run = start()
    run.drop("rain.yaml")
    run.until(lambda: run.status("rain") == "done")
    (run.root / "rain.01.png").write_bytes(b"retouched by hand")
    run.drop("rain.yaml", JOB + "steps: 20\n")
    run.until(lambda: len(run.state.jobs["rain"].takes) == 2 and run.status("rain") == "done")
    assert (run.root / "rain.01.png").read_bytes() == b"retouched by hand"
    assert run.state.jobs["rain"].takes[-1].images[1].file == "rain.01-2.png"


def test_a_renamed_production_takes_its_pictures_along(start: Callable[..., Run]) -> None:
    run = start()
    run.drop("show/rain.yaml")
    run.until(lambda: run.status("show/rain") == "done")
    (run.root / "show").rename(run.root / "film")
    run.until(lambda: run.status("film/rain") == "done")
    assert len(run.pool.submitted) == 1
    assert [path.name for path in (run.root / "film").glob("*.png")] == ["rain.01.png"]


def test_nothing_is_handed_out_while_git_works(start: Callable[..., Run]) -> None:
    """A picture begun in the midst of a checkout may be one that is about to change."""
    run = start()
    (run.root / ".git").mkdir()
    run.drop("rain.yaml")
    run.until(lambda: run.status("rain") == "done")
    again = start()
    lock = again.root / ".git" / "index.lock"
    again.drop("snow.yaml", "kind: job\nprompt: snow\nhold: true\n")
    again.until(lambda: again.status("snow") == "held")
    again.drop("wind.yaml", "kind: job\nprompt: wind\n")
    lock.touch()
    now = time.monotonic()
    for tick in range(5):
        again.runner.step(now + tick)
    assert again.pool.submitted == []
    lock.unlink()
    again.until(lambda: again.status("wind") == "done")


def test_what_a_kill_left_between_shelf_and_name_is_tidied_at_the_next_start(
    start: Callable[..., Run],
) -> None:
    run = start()
    run.drop("rain.yaml", JOB + "count: 2\n")
    run.until(lambda: run.status("rain") == "done")
    second = (run.root / "rain.02.png").read_bytes()
    run.drop("rain.yaml", JOB)
    run.until(lambda: not (run.root / "rain.02.png").exists())
    (run.root / "rain.02.png").write_bytes(second)
    again = start()
    again.until(lambda: not (again.root / "rain.02.png").exists())
    assert (again.root / ".pipeline/takes/rain.take1.02.png").read_bytes() == second
