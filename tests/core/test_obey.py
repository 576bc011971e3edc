"""What a command does and answers, what ends it, and that none is obeyed twice."""

import random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.core import events as e
from pipeline.core import observed as o
from pipeline.core.commands import (
    Cancel,
    Command,
    Hold,
    Pause,
    Prioritise,
    Release,
    Render,
    Restore,
    Resume,
    Retry,
)
from pipeline.core.evolve import evolve
from pipeline.core.obey import restored
from pipeline.core.pending import wanted
from pipeline.core.state import State
from pipeline.core.status import outdated, stale, status
from tests.core.test_decide import AKIRA, JOB, PROJECT
from tests.production import MODEL, Production

RAIN = "kind: job\nprompt: rain\n"


def neon() -> Production:
    """Two jobs of a project, one of them with its character, and one job of nobody."""
    production = Production()
    production.drop("neon/project.yaml", PROJECT)
    production.drop("neon/akira.yaml", AKIRA)
    production.drop("neon/roof.yaml", JOB + "count: 2\n")
    production.drop("neon/street.yaml", RAIN)
    production.drop("rain.yaml", RAIN)
    return production


def jobs(production: Production) -> list[str]:
    return sorted({task.job for task in production.tasks()})


@pytest.mark.parametrize(
    ("target", "answer", "left"),
    [
        ("neon/roof", "held neon/roof (2 pictures)", ["neon/street", "rain"]),
        ("Neon Tokyo", "held 2 jobs of neon-tokyo (3 pictures)", ["rain"]),
        ("akira", "held neon/roof (2 pictures)", ["neon/street", "rain"]),
        (None, "held 3 jobs of the inbox (4 pictures)", []),
    ],
)
def test_a_job_a_project_a_character_and_everything_can_be_held(
    target: str | None, answer: str, left: list[str]
) -> None:
    production = neon()
    assert production.command(Hold(target=target)).answer == answer
    assert jobs(production) == left
    production.command(Release(target=target))
    assert jobs(production) == ["neon/roof", "neon/street", "rain"]


def test_what_is_so_already_is_answered_and_changes_nothing() -> None:
    production = neon()
    production.command(Hold(target="rain"))
    before = len(production.events)
    answer = production.command(Hold(target="rain"))
    assert (answer.answer, answer.refused) == ("nothing to hold: rain is on hold already", False)
    assert len(production.events) == before + 1
    assert production.command(Retry(target=None)).answer == "nothing to retry in the inbox"


def test_a_command_answered_before_is_not_obeyed_again() -> None:
    """Its file may outlive a crash: the answer that is in the journal says that it is done."""
    production = neon()
    render = o.Commanded(command="one", said=Retry(target="rain"))
    (task,) = [task for task in production.tasks() if task.job == "rain"]
    production.observe(o.Failed(worker="w", task=task, kind="error", error="no"))
    assert [type(event) for event in production.observe(render)] == [
        e.JobRetried, e.CommandAnswered,
    ]  # fmt: skip
    production.observe(o.Failed(worker="w", task=task, kind="error", error="no"))
    assert production.observe(render) == []
    assert status(production.state, production.job("rain")) == "failed"


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    production = neon()
    answer = production.command(Hold(target="neon/roff"))
    assert (answer.refused, answer.answer, answer.hint) == (
        True, "there is no job, project or character 'neon/roff'", "did you mean neon/roof?",
    )  # fmt: skip


def test_a_hold_by_command_ends_when_the_manifests_own_field_changes() -> None:
    production = neon()
    production.command(Hold(target="rain"))
    production.drop("rain.yaml", RAIN + "steps: 20\n")
    assert production.job("rain").on_hold
    production.drop("rain.yaml", RAIN + "hold: true\n")
    production.command(Release(target="rain"))
    assert not production.job("rain").on_hold
    production.drop("rain.yaml", RAIN + "hold: false\n")
    assert not production.job("rain").on_hold
    production.drop("rain.yaml", RAIN + "hold: true\n")
    assert production.job("rain").on_hold


def test_priority_reorders_the_queue_without_a_take_and_the_manifests_own_word_ends_it() -> None:
    production = neon()
    order = ["neon/roof", "neon/roof", "neon/street", "rain"]
    assert [task.job for task in production.tasks()] == order
    answer = production.command(Prioritise(job="rain", priority=5))
    assert answer.answer == "rain has priority 5 now"
    assert production.tasks()[0].job == "rain"
    production.drop("neon/street.yaml", RAIN + "priority: 9\n")
    assert [task.job for task in production.tasks()][:2] == ["neon/street", "rain"]
    production.drop("rain.yaml", RAIN + "priority: -1\n")
    assert production.tasks()[-1].job == "rain"
    assert all(len(job.takes) == 1 for job in production.state.jobs.values())


def test_cancelled_is_owed_no_more_until_retried_or_edited() -> None:
    production = neon()
    assert production.command(Cancel(target="neon-tokyo")).answer == (
        "cancelled 2 jobs of neon-tokyo (3 pictures)"
    )
    assert jobs(production) == ["rain"]
    assert production.command(Retry(target="neon/roof")).answer == "retried neon/roof (2 pictures)"
    production.drop("neon/street.yaml", RAIN + "steps: 20\n")
    assert jobs(production) == ["neon/roof", "neon/street", "rain"]


def test_a_cancelled_job_whose_bible_changed_meanwhile_is_retried_as_it_is_now() -> None:
    production = neon()
    production.command(Cancel(target="neon/roof"))
    production.drop("neon/akira.yaml", AKIRA.replace("silver", "blue"))
    production.command(Retry(target="neon/roof"))
    assert production.tasks()[0].resolved.prompt.startswith("blue hair")


def test_retry_makes_failed_and_quarantined_jobs_owed_again() -> None:
    production = neon()
    roof, other, street, _ = production.tasks()
    production.paint(other)
    production.observe(o.Failed(worker="w", task=roof, kind="error", error="no"))
    production.record(e.JobQuarantined(job="neon/street", reason="it crashed"))
    assert jobs(production) == ["rain"]
    assert production.command(Retry(target=None)).answer == (
        "retried 2 jobs of the inbox (2 pictures)"
    )
    assert [task for task in production.tasks() if task.job != "rain"] == [roof, street]


def test_a_persons_pause_stands_in_for_any_other_and_resume_ends_it() -> None:
    production = neon()
    production.record(e.QueuePaused(reason="no room", by="disk"))
    production.command(Pause(reason="tea"))
    assert (production.state.paused, production.state.paused_by) == ("tea", "person")
    assert production.command(Pause()).answer == "the queue is paused already: tea"
    assert production.command(Resume()).answer == "the queue goes on"
    assert production.command(Resume()).answer == "the queue is not paused"
    assert len(production.tasks()) == 4


def test_an_asked_for_redraw_is_a_new_take_that_reuses_nothing() -> None:
    production = neon()
    (task,) = [task for task in production.tasks() if task.job == "rain"]
    answer = production.command(Render(target="rain"))
    assert answer.answer == "nothing to draw again: rain is queued: it is to be drawn anyway"
    production.paint(task)
    assert production.command(Render(target="rain")).answer == "queued rain (1 picture)"
    take = production.job("rain").takes[-1]
    assert (take.number, take.reason, take.anew) == (2, "asked", True)


def test_only_stale_jobs_are_drawn_again_where_that_is_asked() -> None:
    production = neon()
    for task in production.tasks():
        production.paint(task)
    production.drop("neon/akira.yaml", AKIRA.replace("silver", "blue"))
    assert production.tasks() == []
    answer = production.command(Render(target=None, stale=True))
    assert answer.answer == "queued neon/roof (2 pictures)"
    assert {task.take for task in production.tasks()} == {2}
    assert not stale(production.state, production.job("neon/roof"))


def test_a_stale_job_that_is_cancelled_or_quarantined_stays_so() -> None:
    """As with a redraw that is asked for by name: nothing would be drawn."""
    production = neon()
    for task in production.tasks():
        if task.index == 1:
            production.paint(task)
    production.command(Cancel(target="neon/roof"))
    production.drop("neon/akira.yaml", AKIRA.replace("silver", "blue"))
    assert stale(production.state, production.job("neon/roof"))
    answer = production.command(Render(target="neon/roof", stale=True))
    assert answer.answer == (
        "nothing to draw again: neon/roof is cancelled; anime retry makes it owed again"
    )
    production.command(Retry(target="neon/roof"))
    production.record(e.JobQuarantined(job="neon/roof", reason="it kills"))
    assert "is quarantined" in production.command(Render(target="neon/roof", stale=True)).answer
    assert len(production.job("neon/roof").takes) == 1


def test_what_was_asked_for_waits_for_its_bible_and_is_drawn_then() -> None:
    production = neon()
    for task in production.tasks():
        production.paint(task)
    production.command(Render(target="neon/roof"))
    (_, task) = production.tasks()
    production.remove("neon/akira.yaml")
    assert production.tasks() == []
    assert not wanted(production.state, task)
    assert status(production.state, production.job("neon/roof")) == "waiting"
    production.drop("neon/akira.yaml", AKIRA.replace("silver", "blue"))
    production.remove("neon/akira.yaml")
    production.drop("neon/akira.yaml", AKIRA)
    take = production.job("neon/roof").takes[-1]
    assert (take.number, take.reason, take.anew) == (2, "asked", True)
    assert [task.take for task in production.tasks()] == [2, 2]


def test_a_restored_take_is_stale_once_something_changes_after_it() -> None:
    """What changed before is what somebody chose against; and it stays until it is asked for."""
    production = neon()
    for steps in (11, 12):
        production.drop("neon/roof.yaml", JOB + f"steps: {steps}\n")
        for task in production.tasks():
            production.paint(task)
    production.record(
        *restored(production.state, o.Restored(command="x", job="neon/roof", take=1, placed=()))
    )
    assert not stale(production.state, production.job("neon/roof"))
    production.drop("neon/akira.yaml", AKIRA.replace("silver", "blue"))
    assert outdated(production.state, production.job("neon/roof")) == ("akira.appearance",)
    assert production.tasks() == []
    production.drop("neon/akira.yaml", AKIRA)
    assert not stale(production.state, production.job("neon/roof"))
    production.drop("neon/akira.yaml", AKIRA.replace("silver", "blue"))
    answer = production.command(Render(target=None, stale=True))
    assert answer.answer == "queued neon/roof (1 picture)"


def test_force_does_not_undo_a_restore() -> None:
    """Neither at once nor at the next start."""
    production = Production()
    for prompt in ("a", "b\nforce: true"):
        production.drop("job.yaml", f"kind: job\nprompt: {prompt}\n")
        production.paint(production.tasks()[0])
    production.record(e.TakeRestored(job="job", take=1))
    production.record(e.RunnerStarted(version="0", model=MODEL, workers=3, device="cpu", pid=1))
    production.observe()
    assert [take.number for take in production.job("job").takes] == [2, 1]
    assert production.tasks() == []


def test_a_project_may_have_what_is_stale_drawn_by_itself() -> None:
    production = neon()
    for task in production.tasks():
        production.paint(task)
    production.drop("neon/project.yaml", PROJECT + "rerender: always\n")
    assert production.tasks() == []
    production.drop("neon/akira.yaml", AKIRA.replace("silver", "blue"))
    assert {(task.job, task.take) for task in production.tasks()} == {("neon/roof", 2)}
    assert production.job("neon/roof").takes[-1].reason == "changed"


def test_what_became_stale_before_is_drawn_once_its_project_says_always() -> None:
    production = neon()
    for task in production.tasks():
        production.paint(task)
    production.drop("neon/akira.yaml", AKIRA.replace("silver", "blue"))
    production.drop("neon/project.yaml", PROJECT + "rerender: always\n")
    assert jobs(production) == ["neon/roof"]


def test_force_has_a_drawn_job_drawn_once_more_and_only_once() -> None:
    production = neon()
    (task,) = [task for task in production.tasks() if task.job == "rain"]
    production.paint(task)
    production.drop("rain.yaml", RAIN + "force: true\n")
    (again,) = [task for task in production.tasks() if task.job == "rain"]
    assert (again.take, again.digest, again.seed) == (2, task.digest, task.seed)
    production.paint(again)
    production.drop("rain.yaml", RAIN + "force: true\npriority: 3\n")
    production.drop("rain.yaml", RAIN)
    assert len(production.job("rain").takes) == 2


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (Restore(job="rain", take=1), "take 1 of rain is the current one"),
        (Restore(job="rain", take=7), "rain has no take 7"),
        (Restore(job="neon-tokyo", take=1), "there is no job 'neon-tokyo'"),
        (Prioritise(job="akira", priority=1), "there is no job 'akira'"),
    ],
)
def test_what_cannot_be_is_refused(said: Command, why: str) -> None:
    answer = neon().command(said)
    assert (answer.refused, answer.answer) == (True, why)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_whatever_is_commanded_the_journal_gives_the_same_state_and_nothing_is_owed_twice(
    seed: int,
) -> None:
    """Commands in any order among edits and pictures; through the wire format and back."""
    rng = random.Random(seed)
    production = neon()
    targets = ["rain", "neon/roof", "neon-tokyo", "akira", "nobody", None]
    for _ in range(25):
        match rng.randint(0, 6):
            case 0:
                text = RAIN + rng.choice(["", "steps: 20\n", "force: true\n", "hold: true\n"])
                production.drop("rain.yaml", text)
            case 1:
                hair = rng.choice(["silver", "blue"])
                production.drop("neon/akira.yaml", AKIRA.replace("silver", hair))
            case 2:
                rerender = rng.choice(["ask", "always"])
                production.drop("neon/project.yaml", PROJECT + f"rerender: {rerender}\n")
            case 3 if production.tasks():
                production.paint(rng.choice(production.tasks()))
            case 4 if production.tasks():
                (task,) = rng.sample(production.tasks(), 1)
                production.observe(o.Failed(worker="w", task=task, kind="error", error="no"))
            case _:
                target = rng.choice(targets)
                said: list[Command] = [
                    Hold(target=target), Release(target=target), Cancel(target=target),
                    Retry(target=target), Render(target=target),
                ]  # fmt: skip
                production.command(rng.choice(said))
        ids = [task.id for task in production.tasks()]
        assert len(ids) == len(set(ids))
        for job in production.state.jobs.values():
            numbers = [take.number for take in job.takes]
            assert numbers == list(range(1, len(numbers) + 1))
    again = State()
    for number, event in enumerate(production.events, 1):
        name, fields = e.encode(event)
        line = msgspec.json.encode({"type": name, **msgspec.json.decode(fields)})
        evolve(again, number, f"at-{number}", e.decode(line))
    assert msgspec.json.encode(again) == msgspec.json.encode(production.state)
