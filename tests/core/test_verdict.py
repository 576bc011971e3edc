"""What a person says of pictures belongs to those very pictures, and nothing follows from it."""

import pytest

from pipeline.core import events as e
from pipeline.core.commands import Approve, Command, Reject, Unjudge
from pipeline.core.obey import obey
from pipeline.core.state import Verdict
from tests.production import Production

RAIN = "kind: job\nprompt: rain\ncount: 2\n"


def drawn() -> Production:
    """A job whose two pictures are there."""
    production = Production()
    production.drop("rain.yaml", RAIN)
    for task in production.tasks():
        production.paint(task)
    return production


def verdicts(production: Production, take: int = 1) -> list[Verdict | None]:
    (found,) = (one for one in production.job("rain").takes if one.number == take)
    return [image.verdict for _, image in sorted(found.images.items())]


@pytest.mark.parametrize(
    ("command", "answer", "after"),
    [
        (Approve(job="rain"), "approved 2 pictures of take 1 of rain", ["approved", "approved"]),
        (Reject(job="rain", picture=2), "rejected picture 2 of take 1 of rain", [None, "rejected"]),
        (
            Unjudge(job="rain"),
            "nothing to unjudge in take 1 of rain: its pictures are not judged",
            [None, None],
        ),
    ],
)
def test_all_pictures_of_a_take_are_judged_or_the_one_that_is_named(
    command: Command, answer: str, after: list[Verdict | None]
) -> None:
    production = drawn()
    assert production.command(command).answer == answer
    assert verdicts(production) == after


def test_a_later_word_ends_the_one_before_and_it_can_be_taken_back() -> None:
    production = drawn()
    production.command(Approve(job="rain"))
    production.command(Reject(job="rain", picture=1))
    assert verdicts(production) == ["rejected", "approved"]
    assert production.command(Unjudge(job="rain")).answer == (
        "unjudged 2 pictures of take 1 of rain"
    )
    assert verdicts(production) == [None, None]


def test_what_was_said_already_makes_no_second_fact() -> None:
    production = drawn()
    production.command(Approve(job="rain", picture=1))
    answered = obey(production.state, "again", Approve(job="rain", picture=1))
    assert [type(event) for event in answered] == [e.CommandAnswered]
    assert answered[-1].refused is False  # type: ignore[union-attr]
    more = obey(production.state, "more", Approve(job="rain"))
    assert [event.index for event in more if isinstance(event, e.ImageApproved)] == [2]


def test_a_verdict_draws_nothing_and_takes_nothing_away() -> None:
    production = drawn()
    before = {n: image.file for n, image in production.job("rain").takes[-1].images.items()}
    production.command(Reject(job="rain"))
    assert production.tasks() == []
    assert {n: i.file for n, i in production.job("rain").takes[-1].images.items()} == before


def test_a_new_take_is_not_judged_and_the_older_one_keeps_its_verdict() -> None:
    production = drawn()
    production.command(Approve(job="rain"))
    production.drop("rain.yaml", RAIN.replace("rain", "snow"))
    for task in production.tasks():
        production.paint(task)
    assert verdicts(production, 1) == ["approved", "approved"]
    assert verdicts(production, 2) == [None, None]
    assert production.command(Reject(job="rain", take=1, picture=2)).answer == (
        "rejected picture 2 of take 1 of rain"
    )
    assert verdicts(production, 1) == ["approved", "rejected"]
    assert verdicts(production, 2) == [None, None]


def test_a_picture_that_two_takes_have_is_judged_for_both() -> None:
    """It is the same picture; whichever take names it."""
    production = drawn()
    production.command(Approve(job="rain", picture=1))
    cells = production.job("rain").takes[-1].cells
    production.record(
        e.RenderRequested(job="rain", take=2, reason="asked", cells=cells, anew=True, kept=(1,))
    )
    assert verdicts(production, 2) == ["approved"]
    production.command(Reject(job="rain", picture=1))
    assert verdicts(production, 1) == ["rejected", None]


def test_only_the_picture_that_was_looked_at_is_judged() -> None:
    production = drawn()
    seen = production.job("rain").takes[-1].images[1].sha256
    refused = production.command(Reject(job="rain", picture=1, sha256="0" * 64))
    assert refused.refused
    assert "another picture" in refused.answer
    assert verdicts(production) == [None, None]
    assert not production.command(Reject(job="rain", picture=1, sha256=seen)).refused
    assert verdicts(production) == ["rejected", None]


def test_a_fact_about_other_bytes_changes_nothing() -> None:
    production = drawn()
    production.record(e.ImageApproved(job="rain", take=1, index=1, sha256="0" * 64))
    assert verdicts(production) == [None, None]


@pytest.mark.parametrize(
    ("command", "said", "hint"),
    [
        (Approve(job="rian"), "there is no job 'rian'", "did you mean rain?"),
        (Approve(job="rain", take=3), "rain has no take 3", "it has 1"),
        (Approve(job="rain", picture=9), "take 1 of rain has no picture 9", "it has 1, 2"),
        (Approve(job="later"), "take 1 of later has no picture", ""),
    ],
)
def test_what_is_not_there_is_refused_with_what_is(command: Command, said: str, hint: str) -> None:
    production = drawn()
    production.drop("later.yaml", RAIN.replace("rain", "later"))
    refused = production.command(command)
    assert (refused.refused, refused.answer, refused.hint) == (True, said, hint)


def test_a_picture_that_is_no_longer_kept_is_not_judged() -> None:
    production = drawn()
    file = production.job("rain").takes[-1].images[1].file
    production.record(e.ImageDiscarded(job="rain", take=1, index=1, file=file))
    assert production.command(Approve(job="rain")).answer == (
        "approved 1 picture of take 1 of rain"
    )
    assert verdicts(production) == [None, "approved"]
