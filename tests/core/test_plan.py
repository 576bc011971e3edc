"""A plan says of each job what a run would do, and of a stale one which input changed."""

from pipeline.core import events as e
from pipeline.core.plan import Plan, plan
from pipeline.core.state import Drawn
from tests.production import Production

AKIRA = "kind: character\nname: Akira\nappearance: silver hair\noutfit: black jacket\n"
ROOF = "kind: job\ncharacters: [Akira]\nprompt: roof\nseed: 4\ncount: 2\n"


def production() -> Production:
    made = Production()
    made.drop("neon/project.yaml", "kind: project\nname: Neon\nstyle: manga\n")
    made.drop("neon/akira.yaml", AKIRA)
    made.drop("neon/roof.yaml", ROOF)
    return made


def drawn() -> Production:
    made = production()
    for task in made.tasks():
        made.paint(task)
    return made


def planned(made: Production, *, there: bool = True) -> Plan:
    return plan(made.state, lambda _: there)


def words(made: Production) -> dict[str, tuple[str, int, int, tuple[str, ...]]]:
    return {each.job: (each.word, each.render, each.reuse, each.why) for each in planned(made).jobs}


def test_what_is_owed_is_rendered_and_nothing_tells_how_long() -> None:
    found = planned(production())
    assert [(each.word, each.render) for each in found.jobs] == [("render", 2)]
    assert (found.render, found.seconds) == (2, None)


def test_what_is_drawn_is_done() -> None:
    found = planned(drawn())
    assert [each.word for each in found.jobs] == ["done"]
    assert (found.render, found.seconds) == (0, 0.0)


def test_a_stale_job_names_the_input_that_changed() -> None:
    made = drawn()
    made.drop("neon/akira.yaml", AKIRA.replace("silver", "black"))
    assert words(made)["neon/roof"] == ("stale", 0, 0, ("akira.appearance",))
    made.drop("neon/project.yaml", "kind: project\nname: Neon\ndefaults: {steps: 9}\n")
    assert set(words(made)["neon/roof"][3]) == {
        "akira.appearance", "project.steps", "style", "style manga",
    }  # fmt: skip


def test_prose_makes_nothing_stale() -> None:
    made = drawn()
    made.drop("neon/akira.yaml", AKIRA + "backstory: She was never here.\n")
    assert words(made)["neon/roof"][0] == "done"


def test_what_was_drawn_elsewhere_is_reused_if_it_is_still_there() -> None:
    made = drawn()
    made.drop("neon/again.yaml", ROOF.replace("count: 2", "count: 3"))
    assert words(made)["neon/again"] == ("render", 1, 2, ())
    found = planned(made, there=False)
    assert [each.render for each in found.jobs if each.job == "neon/again"] == [3]


def test_of_two_equal_pictures_one_is_drawn() -> None:
    made = Production()
    made.drop("job.yaml", "kind: job\nprompt: x\nseeds: [5, 5]\n")
    assert words(made)["job"] == ("render", 1, 1, ())


def test_waiting_held_and_quarantined_say_why() -> None:
    made = production()
    made.drop("neon/waits.yaml", "kind: job\ncharacters: [Akiro]\n")
    made.drop("neon/held.yaml", "kind: job\nprompt: x\nhold: true\n")
    made.drop("neon/bad.yaml", "kind: job\nprompt: y\n")
    made.record(e.JobQuarantined(job="neon/bad", reason="it kills"))
    found = words(made)
    assert found["neon/waits"] == (
        "waiting", 0, 0, ("there is no character 'Akiro' yet (nearest: akira)",)
    )  # fmt: skip
    assert found["neon/held"] == ("held", 0, 0, ())
    assert found["neon/bad"] == ("quarantined", 0, 0, ("it kills",))


def test_the_estimate_is_what_such_pictures_took_shared_among_the_workers() -> None:
    """A picture here took 1 s; one of four times the steps takes four, three workers draw."""
    made = drawn()
    made.drop("neon/long.yaml", "kind: job\nprompt: x\nstyle: none\nsteps: 60\ncount: 3\n")
    found = planned(made)
    assert found.seconds is not None
    assert abs(found.seconds - 4.0) < 1e-6


def test_the_higher_priority_comes_first() -> None:
    made = production()
    made.drop("neon/first.yaml", "kind: job\nprompt: x\npriority: 5\n")
    assert [each.job for each in planned(made).jobs] == ["neon/first", "neon/roof"]


def test_a_picture_that_is_there_is_asked_for_by_what_the_journal_says_of_it() -> None:
    made = drawn()
    made.drop("neon/again.yaml", ROOF)
    asked: list[Drawn] = []
    plan(made.state, lambda one: not asked.append(one))  # type: ignore[func-returns-value]
    assert {one.file for one in asked} == {"neon/roof.01.png", "neon/roof.02.png"}


def test_of_two_alike_jobs_one_is_drawn_and_the_other_copied() -> None:
    made = Production()
    made.drop("a.yaml", "kind: job\nprompt: x\nseed: 5\n")
    made.drop("b.yaml", "kind: job\nprompt: x\nseed: 5\n")
    assert words(made) == {"a": ("render", 1, 0, ()), "b": ("reuse", 0, 1, ())}


def test_what_is_to_be_drawn_anew_is_no_copy() -> None:
    made = Production()
    made.drop("job.yaml", "kind: job\nprompt: x\nforce: true\nseeds: [5, 5]\n")
    assert words(made)["job"] == ("render", 2, 0, ())


def test_a_take_that_has_begun_is_drawn_to_its_end_without_its_bible() -> None:
    """As the runner does; the rest of the job waits only once it is edited."""
    made = production()
    made.paint(made.tasks()[0])
    made.remove("neon/akira.yaml")
    assert [task.index for task in made.tasks()] == [2]
    assert words(made)["neon/roof"] == ("render", 1, 0, ())
    made.drop("neon/roof.yaml", ROOF.replace("roof", "street"))
    assert made.tasks() == []
    assert words(made)["neon/roof"][:3] == ("waiting", 0, 0)


def test_no_more_workers_draw_than_there_are_pictures() -> None:
    made = drawn()
    made.drop("neon/long.yaml", "kind: job\nprompt: x\nstyle: none\nsteps: 60\ncount: 2\n")
    found = planned(made)
    assert found.seconds is not None
    assert abs(found.seconds - 4.0) < 1e-6


def test_a_drawn_job_whose_character_has_gone_is_stale_and_says_so() -> None:
    made = drawn()
    made.remove("neon/akira.yaml")
    word, _, _, why = words(made)["neon/roof"]
    assert (word, why) == ("stale", ("there is no character 'Akira' yet",))
