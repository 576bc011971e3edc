"""What of bibles, project and style enters a prompt, in what order, and what stays out."""

from collections.abc import Iterable

from pipeline.core.manifest import Character, Defaults, Job, Project
from pipeline.core.prompt import Figure, joined, negative_parts, prompt_parts
from pipeline.core.styles import Style

STYLE = Style(name="noir", prompt=("rain", "film grain"), negative=("sunny", "colour"))
PROJECT = Project(name="Show", defaults=Defaults(prompt="night", negative=("beach", "hoodie")))
REI = Character(
    name="Rei", appearance="blue hair", outfit="yellow hoodie", negative="smile, school uniform"
)
YUKI = Character(
    name="Yuki", appearance="silver hair", outfit="white school uniform", expression="smile",
    negative="hoodie, glasses",
)  # fmt: skip


def figures(cast: Iterable[Character]) -> list[Figure]:
    return [
        Figure(
            key=character.name.casefold(), bible=character, outfit=character.outfit,
            expression=character.expression,
        )
        for character in cast
    ]  # fmt: skip


def prompt(text: str, *cast: Character) -> str:
    return joined(prompt_parts(PROJECT, figures(cast), [STYLE], Job(prompt=text)))


def negative(text: str, *cast: Character, own: str = "") -> str:
    job = Job(prompt=text, negative=own)
    return joined(negative_parts(PROJECT, figures(cast), [STYLE], job))


def test_the_order_is_characters_job_project_style() -> None:
    assert prompt("bridge", REI) == "blue hair, yellow hoodie, bridge, night, rain, film grain"


def test_what_is_added_is_not_said_twice() -> None:
    assert prompt("Rain, blue_hair", REI) == "yellow hoodie, Rain, blue_hair, night, film grain"


def test_what_a_job_says_twice_stands_twice() -> None:
    assert prompt("smile, tree, smile") == "smile, tree, smile, night, rain, film grain"


def test_what_is_added_comes_before_the_sides_of_a_jobs_own_prompt() -> None:
    assert prompt("2girls, left: pink hair, smile, right: silver hair, smile") == (
        "2girls, night, rain, film grain, left: pink hair, smile, right: silver hair, smile"
    )


def test_two_characters_come_last_each_on_a_side() -> None:
    assert prompt("bridge, smile", REI, YUKI) == (
        "bridge, smile, night, rain, film grain, left: blue hair, yellow hoodie, "
        "right: silver hair, white school uniform, smile"
    )


def test_one_characters_negative_does_not_work_against_the_other() -> None:
    assert negative("bridge", REI) == "smile, school uniform, beach, hoodie, sunny, colour"
    assert negative("bridge", REI, YUKI) == "glasses, beach, hoodie, sunny, colour"


def test_what_a_job_asks_for_is_not_forbidden_by_what_holds_for_all() -> None:
    assert negative("(Big Smile:1.2), sunny", REI) == "school uniform, beach, hoodie, colour"
    assert negative("left: red hoodie, right: beach") == "sunny, colour"


def test_a_jobs_own_negative_stands_as_it_is() -> None:
    assert negative("smile", own="smile, smile") == "smile, smile, beach, hoodie, sunny, colour"
