"""What a name means: jobs of one file, project or character; and where it could be two things."""

import pytest

from pipeline.core.targets import Refusal, Target, find, find_job
from tests.production import Production

PROJECT = "kind: project\nname: Neon Tokyo\n"
RAIN = "kind: job\nprompt: rain\n"


@pytest.fixture
def made() -> Production:
    production = Production()
    production.drop("neon/project.yaml", PROJECT)
    production.drop("neon/akira.yaml", "kind: character\nname: Akira\n")
    production.drop("neon/roof.yaml", RAIN + "characters: [Akira]\n")
    production.drop("neon/two.yaml", RAIN + "name: dawn\n---\n" + RAIN + "name: dusk\n")
    production.drop("other.yaml", RAIN)
    return production


@pytest.mark.parametrize(
    ("name", "jobs"),
    [
        ("neon/roof", ("neon/roof",)),
        ("neon/ROOF", ("neon/roof",)),
        ("neon/roof.yaml", ("neon/roof",)),
        ("neon/two#dusk", ("neon/two#dusk",)),
        ("neon/two", ("neon/two#dawn", "neon/two#dusk")),
        ("job:other", ("other",)),
        ("Akira", ("neon/roof",)),
        ("neon-tokyo/akira", ("neon/roof",)),
        ("character:akira", ("neon/roof",)),
        ("neon-tokyo", ("neon/roof", "neon/two#dawn", "neon/two#dusk")),
        ("project:Neon Tokyo", ("neon/roof", "neon/two#dawn", "neon/two#dusk")),
    ],
)
def test_a_name_means_these_jobs(made: Production, name: str, jobs: tuple[str, ...]) -> None:
    found = find(made.state, name)
    assert isinstance(found, Target)
    assert found.jobs == jobs


def test_a_name_of_two_things_is_asked_back(made: Production) -> None:
    made.drop("akira.yaml", RAIN)
    found = find(made.state, "akira")
    assert found == Refusal(
        message="akira is a job and a character",
        hint="say which is meant: job:akira or character:akira",
    )
    one = find(made.state, "job:akira")
    assert isinstance(one, Target)
    assert one.jobs == ("akira",)


def test_a_character_of_two_projects_needs_its_project(made: Production) -> None:
    made.drop("film/project.yaml", "kind: project\nname: Film\n")
    made.drop("film/akira.yaml", "kind: character\nname: Akira\n")
    found = find(made.state, "akira")
    assert isinstance(found, Refusal)
    assert found.hint == "say which is meant: neon-tokyo/akira or film/akira"


def test_the_end_of_a_key_is_what_is_proposed(made: Production) -> None:
    found = find(made.state, "roof")
    assert isinstance(found, Refusal)
    assert found.hint == "did you mean neon/roof?"


def test_a_withdrawn_job_is_named_as_such(made: Production) -> None:
    made.remove("other.yaml")
    found = find(made.state, "other")
    assert isinstance(found, Refusal)
    assert found.message == "the job other is withdrawn: its manifest other.yaml is gone"
    everything = find(made.state, None)
    assert isinstance(everything, Target)
    assert "other" not in everything.jobs


def test_one_job_is_wanted_where_only_one_can_be_meant(made: Production) -> None:
    found = find_job(made.state, "neon/two")
    assert isinstance(found, Refusal)
    assert (found.message, found.hint) == (
        "neon/two holds 2 jobs", "name one of them, such as neon/two#dawn",
    )  # fmt: skip
