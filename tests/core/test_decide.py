"""What follows from what was observed: submissions, takes, waiting, withdrawal, quarantine."""

from msgspec.structs import replace

from pipeline.core import events as e
from pipeline.core import observed as o
from pipeline.core.pending import claims, pending, wanted
from pipeline.core.status import stale, status, waits_for
from tests.production import MADE, MODEL, Production

PROJECT = "kind: project\nname: Neon Tokyo\nstyle: cyberpunk\n"
AKIRA = "kind: character\nname: Akira\nappearance: silver hair, red eyes\n"
JOB = "kind: job\nprompt: city at night\ncharacters: [akira]\n"


def neon() -> Production:
    production = Production()
    production.drop("neon/project.yaml", PROJECT)
    production.drop("neon/akira.yaml", AKIRA)
    production.drop("neon/roof.yaml", JOB)
    return production


def test_a_job_is_compiled_from_project_bible_and_style() -> None:
    """The bible, the job's prompt and the style all reach the prompt, the style the negative."""
    take = neon().job("neon/roof").takes[-1]
    assert take.cells[0].resolved.prompt == (
        "silver hair, red eyes, city at night, cyberpunk, neon, futuristic"
    )
    assert take.cells[0].resolved.negative == "pastel, rustic"
    drawn = take.cells[0].resolved
    assert (drawn.steps, drawn.sampler, drawn.schedule) == (
        15, "dpmpp_2m", "karras",
    )  # fmt: skip


def test_a_job_without_its_character_waits_and_names_the_nearest() -> None:
    """The reference is not dropped; the job goes on by itself when the character arrives."""
    production = Production()
    production.drop("neon/project.yaml", PROJECT)
    production.drop("neon/akari.yaml", AKIRA.replace("Akira", "Akari"))
    production.drop("neon/roof.yaml", JOB)
    assert status(production.state, production.job("neon/roof")) == "waiting"
    assert str(waits_for(production.state, production.job("neon/roof"))) == (
        "there is no character 'akira' yet (nearest: akari)"
    )
    assert production.tasks() == []
    production.drop("neon/akira.yaml", AKIRA)
    assert status(production.state, production.job("neon/roof")) == "queued"


def test_an_unknown_style_waits() -> None:
    production = Production()
    production.drop("a.yaml", "kind: job\nprompt: x\nstyle: cyberpnuk\n")
    assert "nearest: cyberpunk" in str(waits_for(production.state, production.job("a")))


def test_editing_a_drawn_job_is_a_new_take_and_shelves_the_old_picture() -> None:
    production = neon()
    production.paint(production.tasks()[0])
    production.drop("neon/roof.yaml", JOB + "steps: 20\n")
    (task,) = production.tasks()
    assert (task.take, task.replaces is not None) == (2, True)
    events = production.paint(task, sha256="new")
    assert [type(event).__name__ for event in events] == ["ImageShelved", "ImageRendered"]
    first, second = production.job("neon/roof").takes
    assert first.images[1].file == ".pipeline/takes/neon/roof.take1.01.png"
    assert second.images[1].file == "neon/roof.01.png"


def test_editing_what_does_not_draw_makes_no_take() -> None:
    """Priority, hold and names are handling, not picture."""
    production = neon()
    production.paint(production.tasks()[0])
    production.drop("neon/roof.yaml", JOB + "priority: 5\nname: Roof\n")
    assert len(production.job("neon/roof").takes) == 1
    assert production.tasks() == []


def test_editing_a_bible_makes_drawn_pictures_stale_and_reaches_undrawn_ones() -> None:
    production = neon()
    production.drop("neon/street.yaml", JOB.replace("city at night", "rain"))
    roof, _ = production.tasks()
    production.paint(roof)
    production.drop("neon/akira.yaml", AKIRA.replace("silver", "black"))
    assert stale(production.state, production.job("neon/roof"))
    (street,) = production.tasks()
    assert street.take == 1
    assert street.resolved.prompt.startswith("black hair")
    assert not stale(production.state, production.job("neon/street"))


def test_prose_makes_nothing_stale() -> None:
    production = neon()
    production.paint(production.tasks()[0])
    production.drop("neon/akira.yaml", AKIRA + "backstory: Grew up on the roofs.\n")
    assert not stale(production.state, production.job("neon/roof"))


def test_a_rejected_edit_leaves_the_last_good_version_in_force() -> None:
    production = neon()
    events = production.drop("neon/roof.yaml", JOB + "steps: 1500\n")
    assert [type(event) for event in events] == [e.ManifestRejected]
    assert production.job("neon/roof").spec.steps is None
    assert len(production.tasks()) == 1
    assert [type(event) for event in production.drop("neon/roof.yaml", JOB)] == [e.ManifestMended]


def test_two_files_of_one_key_are_an_error_that_names_both() -> None:
    production = neon()
    production.drop("neon/akira2.yaml", AKIRA)
    (problem,) = production.state.rejected["neon/akira2.yaml"]
    assert problem.message == (
        "the character 'neon-tokyo/akira' is already declared by neon/akira.yaml"
    )
    assert production.state.characters["neon-tokyo/akira"].file == "neon/akira.yaml"


def test_jobs_that_differ_in_case_only_are_an_error() -> None:
    """The path that sorts first has the key, whichever came first."""
    production = neon()
    production.drop("neon/Roof.yml", JOB)
    (problem,) = production.state.rejected["neon/roof.yaml"]
    assert problem.message == (
        "the job 'neon/roof' differs only in letters' case from 'neon/Roof' of neon/Roof.yml"
    )
    production.remove("neon/Roof.yml")
    assert production.state.rejected == {}
    assert len(production.tasks()) == 1


def test_removing_a_manifest_withdraws_it_and_bringing_it_back_draws_nothing() -> None:
    production = neon()
    production.paint(production.tasks()[0])
    production.remove("neon/roof.yaml")
    assert status(production.state, production.job("neon/roof")) == "withdrawn"
    production.drop("neon/roof.yaml", JOB)
    assert status(production.state, production.job("neon/roof")) == "done"
    assert production.tasks() == []


def test_a_seed_is_kept_through_edits_and_moves() -> None:
    production = neon()
    seed = production.job("neon/roof").takes[0].cells[0].seed
    production.drop("neon/roof.yaml", JOB + "steps: 20\n")
    assert production.job("neon/roof").takes[-1].cells[0].seed == seed
    production.drop("neon/moved.yaml", JOB + "steps: 20\n")
    assert production.job("neon/moved").takes[-1].cells[0].seed == seed


def test_count_gives_each_picture_its_own_seed_and_a_raise_keeps_the_drawn() -> None:
    """Picture n has the job's seed + n - 1; the new take finds the first one drawn already."""
    production = Production()
    production.drop("a.yaml", "kind: job\nprompt: x\nseed: 7\n")
    production.paint(production.tasks()[0])
    production.drop("a.yaml", "kind: job\nprompt: x\nseed: 7\ncount: 3\n")
    tasks = production.tasks()
    assert [(task.index, task.seed) for task in tasks] == [(1, 7), (2, 8), (3, 9)]
    assert f"{tasks[0].digest}:7" in production.state.drawn


def test_a_job_that_brings_its_worker_down_twice_is_quarantined() -> None:
    production = neon()
    (task,) = production.tasks()
    lost = o.Lost(worker="worker-1", pid=9, cause="crash", detail="SIGSEGV", blamed=True, task=task)
    production.observe(lost)
    assert len(production.tasks()) == 1
    production.observe(lost)
    assert status(production.state, production.job("neon/roof")) == "quarantined"
    assert production.tasks() == []


def test_unexplained_deaths_quarantine_only_after_five_without_a_picture() -> None:
    production = neon()
    (task,) = production.tasks()
    lost = o.Lost(worker="w", pid=9, cause="killed", detail="SIGKILL", blamed=False, task=task)
    for _ in range(4):
        production.observe(lost)
    assert production.tasks() == [task]
    production.observe(lost)
    assert production.tasks() == []


def test_deaths_that_nothing_explains_count_for_each_picture_by_itself() -> None:
    """One death of the keeper takes all workers along, and they may draw for one job."""
    production = Production()
    production.drop("a.yaml", "kind: job\nprompt: x\ncount: 3\n")
    tasks = production.tasks()
    for _ in range(2):
        for task in tasks:
            production.observe(
                o.Lost(worker="w", pid=9, cause="killed", detail="9", blamed=False, task=task)
            )
    assert production.tasks() == tasks


def test_a_failed_picture_is_not_drawn_again_by_itself() -> None:
    production = neon()
    (task,) = production.tasks()
    production.observe(o.Failed(worker="w", task=task, kind="error", error="no"))
    assert status(production.state, production.job("neon/roof")) == "failed"
    production.record(e.JobRetried(job="neon/roof"))
    assert production.tasks() == [task]


def test_a_picture_reported_twice_is_recorded_once() -> None:
    production = neon()
    (task,) = production.tasks()
    production.paint(task)
    assert production.paint(task) == []


def test_a_paused_queue_hands_out_nothing_and_a_held_job_waits_its_turn() -> None:
    production = neon()
    production.record(e.QueuePaused(reason="asked"))
    assert production.tasks() == []
    production.record(e.QueueResumed(), e.JobHeld(job="neon/roof"))
    assert status(production.state, production.job("neon/roof")) == "held"
    assert production.tasks() == []
    production.record(e.JobReleased(job="neon/roof"))
    assert len(production.tasks()) == 1


def test_higher_priority_is_drawn_first_then_the_older() -> None:
    production = Production()
    production.drop("a.yaml", "kind: job\nprompt: a\n")
    production.drop("b.yaml", "kind: job\nprompt: b\n")
    production.drop("c.yaml", "kind: job\nprompt: c\npriority: 1\n")
    assert [task.job for task in production.tasks()] == ["c", "a", "b"]


def test_two_characters_stand_left_and_right_and_keep_their_own_tags() -> None:
    """A tag that both have stands in both groups."""
    production = neon()
    production.drop("neon/rin.yaml", AKIRA.replace("Akira", "Rin").replace("silver", "pink"))
    production.drop("neon/both.yaml", JOB.replace("[akira]", "[akira, rin]"))
    assert production.job("neon/both").takes[0].cells[0].resolved.prompt == (
        "city at night, cyberpunk, neon, futuristic, "
        "left: silver hair, red eyes, right: pink hair, red eyes"
    )


def test_a_seed_edited_before_the_begin_does_not_take_the_other_seeds_picture() -> None:
    """Seeds are not in the digest; what was handed out with the old one is not wanted any more."""
    production = Production()
    production.drop("a.yaml", "kind: job\nprompt: x\nseed: 1\n")
    (task,) = production.tasks()
    production.drop("a.yaml", "kind: job\nprompt: x\nseed: 99\n")
    assert not wanted(production.state, task)
    assert not [fact for fact in production.paint(task) if isinstance(fact, e.ImageRendered)]
    assert [again.seed for again in production.tasks()] == [99]


def test_a_begun_take_is_not_finished_with_another_model() -> None:
    production = Production()
    production.drop("a.yaml", "kind: job\nprompt: x\ncount: 2\n")
    production.paint(production.tasks()[0])
    other = replace(MODEL, sha256="cd" * 32)
    production.record(e.RunnerStarted(version="0", model=other, workers=3, device="cpu", pid=2))
    production.observe()
    tasks = production.tasks()
    assert [(task.take, task.index) for task in tasks] == [(2, 1), (2, 2)]
    assert {task.resolved.model for task in tasks} == {other.sha256}


def test_a_folder_moved_away_and_back_gives_a_failed_picture_another_chance() -> None:
    production = neon()
    (task,) = production.tasks()
    production.observe(o.Failed(worker="w", task=task, kind="error", error="its folder is gone"))
    production.remove("neon/roof.yaml")
    production.drop("neon/roof.yaml", JOB)
    assert len(production.tasks()) == 1


def test_a_full_disk_fails_nothing_and_pauses_the_queue() -> None:
    production = neon()
    (task,) = production.tasks()
    production.observe(o.Began(worker="w", task=task, at=0.0))
    production.observe(o.Failed(worker="w", task=task, kind="disk_full", error="no space left"))
    assert production.state.paused_by == "disk"
    assert status(production.state, production.job("neon/roof")) == "queued"
    production.record(e.QueueResumed())
    assert production.tasks() == [task]


def test_an_edit_that_waits_stops_the_version_before() -> None:
    """It shows as waiting, not as done, and nothing more of the old version is drawn."""
    production = neon()
    production.drop("neon/roof.yaml", JOB + "count: 3\n")
    production.paint(production.tasks()[0])
    production.drop("neon/roof.yaml", JOB.replace("akira", "nobody") + "count: 3\n")
    assert status(production.state, production.job("neon/roof")) == "waiting"
    assert production.tasks() == []
    production.drop("neon/roof.yaml", JOB + "count: 3\n")
    assert [task.index for task in production.tasks()] == [2, 3]


def test_a_withdrawn_drawing_does_not_seem_begun_when_it_comes_back() -> None:
    production = neon()
    (task,) = production.tasks()
    production.observe(o.Began(worker="w", task=task, at=0.0))
    production.remove("neon/roof.yaml")
    production.drop("neon/akira.yaml", AKIRA.replace("silver", "blue"))
    production.drop("neon/roof.yaml", JOB)
    assert production.tasks()[0].resolved.prompt.startswith("blue hair")


def test_a_job_under_a_broken_project_waits_for_it() -> None:
    """It is not drawn as if there were no project."""
    production = Production()
    production.drop("neon/roof.yaml", "kind: job\nprompt: x\n")
    production.drop("neon/project.yaml", PROJECT + "stile: manga\n")
    assert "neon/project.yaml has errors of its own" in str(
        waits_for(production.state, production.job("neon/roof"))
    )
    production.drop("neon/project.yaml", PROJECT)
    assert "cyberpunk" in production.tasks()[0].resolved.prompt


def test_whose_a_folder_is_does_not_depend_on_what_came_last() -> None:
    production = Production()
    production.drop("neon/project.yml", PROJECT.replace("Neon Tokyo", "Other"))
    production.drop("neon/project.yaml", PROJECT)
    production.drop("neon/project.yml", PROJECT.replace("Neon Tokyo", "Other") + "description: x\n")
    assert production.state.folders == {"neon": "neon-tokyo"}
    production.remove("neon/project.yaml")
    assert production.state.folders == {"neon": "other"}


def test_a_retouched_pictures_successor_keeps_its_name_and_is_shelved() -> None:
    """The name that was free next is the picture's own from then on."""
    production = neon()
    production.paint(production.tasks()[0])
    production.drop("neon/roof.yaml", JOB + "steps: 20\n")
    (task,) = production.tasks()
    production.observe(
        o.Painted(
            worker="w", task=task, file="neon/roof.01-2.png", sha256="2" * 64, seconds=1.0,
            shelved=False, made=MADE,
        )
    )  # fmt: skip
    production.drop("neon/roof.yaml", JOB + "steps: 21\n")
    (after,) = production.tasks()
    assert (after.file, after.replaces) == ("neon/roof.01-2.png", "2" * 64)
    assert after.shelf == ".pipeline/takes/neon/roof.take2.01.png"


def test_of_two_equal_pictures_the_second_waits_for_the_first() -> None:
    production = Production()
    production.drop("a.yaml", "kind: job\nprompt: x\n")
    production.drop("b.yaml", "kind: job\nprompt: x\n")
    first = production.tasks(1)[0]
    assert pending(production.state, set(claims(first)), 5) == []
