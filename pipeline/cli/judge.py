"""`anime approve`, `reject`, `unjudge`: what a person says of pictures."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli import options
from pipeline.cli.steer import give

if TYPE_CHECKING:
    from pipeline.core.state import Verdict

_job = click.argument("job")
_picture = click.option(
    "--picture", metavar="N", type=click.IntRange(min=1), help="Its number.  [all of the take]"
)
_take = click.option(
    "--take", metavar="N", type=click.IntRange(min=1), help="Of which take.  [the current one]"
)


@click.command(short_help="Say that a job's pictures are wanted.")
@_job
@_picture
@_take
@options.inbox
def approve(job: str, picture: int | None, take: int | None, inbox: str | None) -> None:
    """Say that the pictures of JOB are wanted: all of its current take, or the one that is named.

    It is recorded, shown, and something to filter by; it ends a rejection.
    """
    from pipeline.core.commands import Approve

    give(inbox, Approve(job=job, picture=picture, take=take))


@click.command(short_help="Say that a job's pictures are not wanted.")
@_job
@_picture
@_take
@options.inbox
def reject(job: str, picture: int | None, take: int | None, inbox: str | None) -> None:
    """Say that the pictures of JOB are not wanted: all of its current take, or the one named.

    They stay where they are, and nothing is drawn in their place: that is anime render. It ends an
    approval.
    """
    from pipeline.core.commands import Reject

    give(inbox, Reject(job=job, picture=picture, take=take))


@click.command(short_help="Take back what was said of a job's pictures.")
@_job
@_picture
@_take
@options.inbox
def unjudge(job: str, picture: int | None, take: int | None, inbox: str | None) -> None:
    """Take back what approve or reject said of the pictures of JOB."""
    from pipeline.core.commands import Unjudge

    give(inbox, Unjudge(job=job, picture=picture, take=take))


def filters(function: Callable[..., Any]) -> Callable[..., Any]:
    """The flags that leave only the pictures of which a person said this."""
    for flag, said in (
        ("unjudged", "Only pictures of which nothing was said."),
        ("rejected", "Only pictures that were rejected."),
        ("approved", "Only pictures that were approved."),
    ):
        function = click.option(f"--{flag}", is_flag=True, help=said)(function)
    return function


def verdicts(
    *, approved: bool, rejected: bool, unjudged: bool
) -> "frozenset[Verdict | None] | None":
    """What may have been said of the pictures that are wanted; None is all the same."""
    wanted: set[Verdict | None] = set()
    wanted |= {"approved"} if approved else set()
    wanted |= {"rejected"} if rejected else set()
    wanted |= {None} if unjudged else set()
    return frozenset(wanted) or None
