"""Which model a job is drawn with, what it is called, and what holds where one cannot be had."""

from msgspec.structs import replace

from pipeline.core import events as e
from pipeline.core import observed as o
from pipeline.core.adapters import AdapterFile
from pipeline.core.models import name_of, standby
from pipeline.core.recipe import of_record
from pipeline.core.record import Record
from pipeline.core.resolved import Model, Offered
from pipeline.core.status import outdated, status, waits_for
from tests.production import MADE, MODEL, Production

INK = Model(name="ink-v3", sha256="1c" * 32, width=512, height=768)
OFFERED = (
    Offered(name="ink", model=INK),
    Offered(name="gone", error="model gone does not exist; check its path"),
)
JOB = "kind: job\nprompt: rain\n"


def made(*offered: Offered) -> Production:
    """A production in which these models may be named."""
    production = Production()
    begin(production, *offered)
    return production


def begin(production: Production, *offered: Offered) -> None:
    started = e.RunnerStarted(
        version="0", model=MODEL, workers=3, device="cpu", pid=1, models=offered
    )
    production.record(started)
    production.observe()


def waits(production: Production, key: str) -> str:
    return str(waits_for(production.state, production.job(key)))


def test_the_jobs_word_comes_before_its_projects_and_that_before_the_usual_one() -> None:
    production = made(*OFFERED, Offered(name="plain", model=MODEL))
    production.drop("inked/project.yaml", "kind: project\nname: Inked\nmodel: ink\n")
    production.drop("inked/a.yaml", JOB)
    production.drop("inked/b.yaml", f"{JOB}model: plain\n")
    production.drop("c.yaml", JOB)
    production.drop("d.yaml", f"{JOB}model: ink\n")
    found = {
        task.job: (task.resolved.model, task.resolved.width, task.resolved.called)
        for task in production.tasks()
    }
    assert found == {
        "inked/a": (INK.sha256, 512, "ink"),
        "inked/b": (MODEL.sha256, 256, "plain"),
        "c": (MODEL.sha256, 256, ""),
        "d": (INK.sha256, 512, "ink"),
    }
    names = {key: name_of(production.state, job) for key, job in production.state.jobs.items()}
    assert names == {"inked/a": "ink", "inked/b": "plain", "c": "plain", "d": "ink"}


def test_a_job_that_names_none_has_the_digest_that_it_had_with_one_model() -> None:
    alone, several = Production(), made(*OFFERED)
    for production in (alone, several):
        production.drop("a.yaml", JOB)
    ours, theirs = several.tasks()[0], alone.tasks()[0]
    assert (ours.digest, ours.seed, ours.resolved) == (theirs.digest, theirs.seed, theirs.resolved)
    assert name_of(alone.state, alone.job("a")) is None


def test_what_a_model_is_called_is_beside_the_digest() -> None:
    production = made(Offered(name="ink", model=INK))
    production.drop("a.yaml", f"{JOB}model: ink\n")
    (task,) = production.tasks()
    assert replace(task.resolved, called="other").digest == task.digest
    production.paint(task)
    begin(production, Offered(name="ink", model=replace(INK, sha256="2d" * 32)))
    assert outdated(production.state, production.job("a")) == ("model",)


def test_a_name_that_is_unknown_waits_and_says_the_nearest() -> None:
    production = made(*OFFERED)
    production.drop("a.yaml", f"{JOB}model: inc\n")
    assert waits(production, "a") == "there is no model 'inc' in the settings (nearest: ink)"
    assert not production.tasks()
    production.drop("p/project.yaml", "kind: project\nname: P\nmodel: inc\n")
    production.drop("p/a.yaml", JOB)
    assert "in the settings, which its project names (nearest: ink)" in waits(production, "p/a")
    production.drop("p/project.yaml", "kind: project\nname: P\nmodel: ink\n")
    assert [task.job for task in production.tasks()] == ["p/a"]


def test_a_model_that_was_not_there_at_the_start_holds_its_own_jobs_only() -> None:
    production = made(*OFFERED)
    production.drop("a.yaml", f"{JOB}model: gone\n")
    production.drop("b.yaml", JOB)
    assert waits(production, "a") == (
        "the model gone cannot be used: model gone does not exist; check its path"
    )
    assert [task.job for task in production.tasks()] == ["b"]
    begin(production, Offered(name="gone", model=INK))
    assert [task.job for task in production.tasks()] == ["a", "b"]


def test_a_model_that_does_not_load_holds_what_is_begun_and_what_is_not() -> None:
    production = made(*OFFERED)
    production.drop("begun.yaml", f"{JOB}model: ink\ncount: 2\n")
    production.drop("new.yaml", f"{JOB}model: ink\nseed: 5\n")
    production.drop("mine.yaml", JOB)
    production.paint(production.tasks()[0])
    (failed,) = [
        event
        for event in production.observe(
            o.Unusable(model=INK.sha256, error="it is torn", hint="copy it again")
        )
        if isinstance(event, e.ModelFailed)
    ]
    assert (failed.name, failed.error) == ("ink", "it is torn; copy it again")
    state = production.state
    assert {key: status(state, job) for key, job in state.jobs.items()} == {
        "begun": "waiting",
        "new": "waiting",
        "mine": "queued",
    }
    assert waits(production, "begun") == "the model ink cannot be used: it is torn; copy it again"
    assert [task.job for task in production.tasks()] == ["mine"]
    assert [(each.name, each.state) for each in standby(state)] == [
        ("test", "warm"),
        ("ink", "unusable"),
        ("gone", "unusable"),
    ]
    begin(production, *OFFERED)
    assert [task.id for task in production.tasks()] == ["begun@1.2", "new@1.1", "mine@1.1"]


def test_a_switch_says_which_models_went_and_which_are_warm() -> None:
    third = Model(name="third", sha256="3e" * 32, width=64, height=64)
    production = made(Offered(name="ink", model=INK), Offered(name="third", model=third))
    assert list(production.state.warm) == [MODEL.sha256]
    production.observe(o.Switched(model=INK.sha256, left=(), seconds=2.0))
    assert list(production.state.warm) == [MODEL.sha256, INK.sha256]
    event = production.observe(o.Switched(model=third.sha256, left=(MODEL.sha256,), seconds=2.0))[0]
    assert event == e.ModelSwitched(model=third.sha256, name="third", left=("test",), seconds=2.0)
    assert list(production.state.warm) == [INK.sha256, third.sha256]
    assert production.state.switches == 2
    begin(production)
    assert (production.state.warm, production.state.switches) == ((MODEL.sha256,), 0)


def test_a_job_that_takes_another_model_is_drawn_again() -> None:
    production = made(*OFFERED)
    production.drop("a.yaml", JOB)
    production.paint(production.tasks()[0])
    production.drop("a.yaml", f"{JOB}model: ink\n")
    (task,) = production.tasks()
    assert (task.take, task.resolved.model) == (2, INK.sha256)


def test_a_lora_is_judged_by_the_model_that_its_job_is_drawn_with() -> None:
    production = made(*OFFERED)
    adapter = e.AdapterDeclared(
        file="loras/momo.safetensors",
        adapter=AdapterFile(sha256="a1" * 32, unfit={MODEL.sha256: "it is made for SDXL"}),
    )
    production.record(adapter)
    production.drop("a.yaml", f"{JOB}lora: momo\n")
    production.drop("b.yaml", f"{JOB}lora: momo\nmodel: ink\n")
    assert "it is made for SDXL" in waits(production, "a")
    assert [task.job for task in production.tasks()] == ["b"]


def test_a_recipe_names_the_model_as_it_was_asked_for() -> None:
    production = made(*OFFERED)
    production.drop("a.yaml", f"{JOB}model: ink\n")
    (task,) = production.tasks()
    record = Record(
        job="a", take=1, index=1, seed=1, digest=task.digest, resolved=task.resolved,
        model=INK.name, made=MADE, pixels="0",
    )  # fmt: skip
    assert of_record(record).job.model == "ink"
    forged = replace(record, resolved=replace(record.resolved, called="ink\nkind: project"))
    assert of_record(forged).job.model is None
    assert "the model that was called" in of_record(forged).notes[-1]
