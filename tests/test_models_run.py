"""A run with several models: the queue's order, the switches, and a model that cannot be had.

The pool is the fake one, which fails if a model is taken away under a worker that draws with it.
"""

from pathlib import Path

import pytest

from pipeline.core import events as e
from pipeline.core.models import standby
from pipeline.core.resolved import Model, Offered
from pipeline.core.turns import MOST_PASSED
from tests.running import MODEL, Run

INK = Model(name="ink-v3", sha256="1c" * 32, width=64, height=64)
CLAY = Model(name="clay", sha256="2c" * 32, width=64, height=64)
MODELS = (Offered(name="ink", model=INK), Offered(name="clay", model=CLAY))
SMALL = "kind: job\nprompt: rain\nsteps: 1\n"


@pytest.fixture
def run(tmp_path: Path) -> "Run":
    return Run(tmp_path / "inbox", models=MODELS)


def drop(run: Run, *jobs: tuple[str, str]) -> None:
    """Jobs by name and model, in this order; they are held until all are there."""
    run.drop("paper/project.yaml", "kind: project\nname: Paper\nmodel: ink\n")
    for name, model in jobs:
        text = f"{SMALL}seed: {len(name) * 1000 + int(name[1:])}\n"
        run.drop(f"{name}.yaml", text + (f"model: {model}\n" if model else ""))


def drawn(run: Run) -> list[str]:
    return [event.job for event in run.watcher.events if isinstance(event, e.ImageRendered)]


def switches(run: Run) -> list[str]:
    return [event.name for event in run.watcher.events if isinstance(event, e.ModelSwitched)]


def test_jobs_of_the_model_at_hand_go_first_and_the_others_follow(run: Run) -> None:
    names = [f"j{number:02d}" for number in range(20)]
    drop(run, *[(name, "" if at % 2 else "ink") for at, name in enumerate(names)])
    run.until(lambda: len(drawn(run)) == 20)
    assert switches(run) == ["ink"]
    assert set(drawn(run)[:10]) == set(names[1::2])
    assert run.state.warm == (INK.sha256,)
    run.close()


def test_an_earlier_job_is_passed_by_so_many_and_no_more(run: Run) -> None:
    run.drop("a.yaml", f"{SMALL}model: ink\n")
    run.drop("z.yaml", f"{SMALL}count: {3 * MOST_PASSED}\nseed: 100\n")
    run.until(lambda: len(drawn(run)) == 3 * MOST_PASSED + 1)
    assert drawn(run).index("a") == MOST_PASSED
    assert switches(run) == ["ink", "fake"]
    run.close()


def test_what_is_urgent_comes_first_whatever_its_model(run: Run) -> None:
    run.pool.patient = True
    run.drop("a.yaml", f"{SMALL}count: 9\nseed: 5\n")
    run.until(lambda: len(run.pool.submitted) == 3)
    run.drop("urgent.yaml", f"{SMALL}model: ink\npriority: 9\n")
    run.until(lambda: "urgent" in run.state.jobs)
    run.runner.step(0.0)
    # Nothing more is handed out, and nothing is taken from those that draw.
    for task in list(run.pool.submitted):
        assert run.pool.held == (MODEL.sha256,)
        run.pool.finish(task.id)
        run.runner.step(0.0)
    run.until(lambda: len(run.pool.submitted) == 4)
    assert run.pool.submitted[3].job == "urgent"
    run.pool.patient = False
    run.until(lambda: len(drawn(run)) == 10)
    assert switches(run) == ["ink", "fake"]
    run.close()


def test_a_model_that_fits_in_beside_is_taken_without_waiting(run: Run) -> None:
    run.pool.most, run.pool.patient = 2, True
    run.drop("a.yaml", f"{SMALL}count: 2\nseed: 5\n")
    run.until(lambda: len(run.pool.submitted) == 2)
    run.drop("b.yaml", f"{SMALL}model: ink\n")
    run.until(lambda: len(run.pool.submitted) == 3)
    assert run.pool.held == (MODEL.sha256, INK.sha256)
    run.pool.patient = False
    run.drop("c.yaml", f"{SMALL}model: clay\n")
    run.until(lambda: len(drawn(run)) == 4)
    assert [event.left for event in run.watcher.events if isinstance(event, e.ModelSwitched)] == [
        (),
        ("fake",),
    ]
    run.close()


def test_a_model_that_cannot_be_had_holds_its_jobs_and_the_others_go_on(tmp_path: Path) -> None:
    run = Run(tmp_path / "inbox", once=True, models=MODELS)
    run.pool.unusable.add(INK.sha256)
    drop(run, ("j01", ""), ("j02", "ink"), ("j03", "clay"), ("j04", ""))
    assert run.runner.run() == 1
    assert sorted(drawn(run)) == ["j01", "j03", "j04"]
    assert run.status("j02") == "waiting"
    assert [(each.name, each.state) for each in standby(run.state)][1] == ("ink", "unusable")
    error = (run.root / "j02.error.txt").read_text()
    assert "j02.yaml:5:8: the model ink cannot be used: it is broken; mend it" in error
    run.close()


def test_a_picture_that_was_drawn_before_needs_no_model(run: Run) -> None:
    drop(run, ("j01", "ink"))
    run.until(lambda: drawn(run) == ["j01"])
    run.drop("j02.yaml", SMALL)
    run.until(lambda: len(drawn(run)) == 2)
    assert switches(run) == ["ink", "fake"]
    run.drop("k01.yaml", f"{SMALL}seed: 3001\nmodel: ink\n")
    run.until(lambda: run.status("k01") == "done")
    assert switches(run) == ["ink", "fake"]
    run.close()


def test_an_unknown_name_is_complained_about_at_its_place(run: Run) -> None:
    run.drop("p/project.yaml", "kind: project\nname: P\nmodel: inc\n")
    run.drop("p/a.yaml", SMALL)
    run.drop("b.yaml", f"{SMALL}model: cley\n")
    run.until(lambda: (run.root / "b.error.txt").exists() and (run.root / "p/a.error.txt").exists())
    project = (run.root / "p/project.error.txt").read_text()
    assert "project.yaml:3:8: there is no model 'inc' in the settings (nearest: ink)" in project
    assert "hint: did you mean ink?" in project
    job = (run.root / "b.error.txt").read_text()
    assert "b.yaml:4:8: there is no model 'cley' in the settings (nearest: clay)" in job
    assert "hint: did you mean clay? (the job waits)" in job
    run.drop("p/project.yaml", "kind: project\nname: P\nmodel: ink\n")
    run.until(lambda: drawn(run) == ["p/a"])
    assert not (run.root / "p/project.error.txt").exists()
    run.close()
