"""`anime hold`, `release`, `cancel`, `retry`, `priority`, `pause`, `resume`: they steer a run."""

from typing import TYPE_CHECKING

import click

from pipeline.cli import options

if TYPE_CHECKING:
    from pipeline.core.commands import Command

_name = click.argument("name", required=False)
_everything = click.option("--all", "everything", is_flag=True, help="All jobs of the inbox.")


@click.command(short_help="Draw nothing more of a job, project or character.")
@_name
@_everything
@options.inbox
def hold(name: str | None, everything: bool, inbox: str | None) -> None:
    """Draw nothing more of NAME, a job, project or character, until it is released.

    What is in work is finished. It holds until release, or until the manifest's own hold changes.
    """
    from pipeline.core.commands import Hold

    give(inbox, Hold(target=one_of(name, everything)))


@click.command(short_help="End a hold.")
@_name
@_everything
@options.inbox
def release(name: str | None, everything: bool, inbox: str | None) -> None:
    """End the hold of NAME, also one that stands in its manifest."""
    from pipeline.core.commands import Release

    give(inbox, Release(target=one_of(name, everything)))


@click.command(short_help="Owe no picture of a job, project or character any more.")
@_name
@_everything
@options.inbox
def cancel(name: str | None, everything: bool, inbox: str | None) -> None:
    """Owe no picture of NAME, a job, project or character, any more.

    A picture in work is stopped between two steps. Editing the manifest, or retry, makes it owed
    again.
    """
    from pipeline.core.commands import Cancel

    give(inbox, Cancel(target=one_of(name, everything)))


@click.command(short_help="Draw what failed, was cancelled or is quarantined.")
@_name
@_everything
@options.inbox
def retry(name: str | None, everything: bool, inbox: str | None) -> None:
    """Owe again what failed, was cancelled or is quarantined of NAME."""
    from pipeline.core.commands import Retry

    give(inbox, Retry(target=one_of(name, everything)))


@click.command(short_help="Draw a job earlier, or later.", context_settings={
    "ignore_unknown_options": True,
})  # fmt: skip
@click.argument("job")
@click.argument("number", metavar="N", type=click.IntRange(-1000, 1000))
@options.inbox
def priority(job: str, number: int, inbox: str | None) -> None:
    """Give JOB the priority N, from -1000 to 1000; higher is drawn earlier.

    It holds until the manifest's own priority changes.
    """
    from pipeline.core.commands import Prioritise

    give(inbox, Prioritise(job=job, priority=number))


@click.command(short_help="Hand out nothing more, through restarts too.")
@click.option("--reason", default="", metavar="TEXT", help="What the page and status say.")
@click.option("--unload", is_flag=True, help="Give the memory of the GPU back meanwhile.")
@options.inbox
def pause(reason: str, unload: bool, inbox: str | None) -> None:
    """Hand out nothing more until resume, through restarts too. What is in work is finished.

    With --unload the processes that hold the model end then, so that another program has the GPU;
    resume loads it again, which takes as long as a start.
    """
    from pipeline.core.commands import Pause

    give(inbox, Pause(reason=reason, unload=unload))


@click.command(short_help="End a pause.")
@options.inbox
def resume(inbox: str | None) -> None:
    """End a pause, also one of a full disk, of failures in a row, or of --on-start paused."""
    from pipeline.core.commands import Resume

    give(inbox, Resume())


def one_of(name: str | None, everything: bool) -> str | None:
    """The name, or None for everything; one of the two has to be said."""
    if everything == (name is not None):
        raise click.UsageError("name a job, a project or a character, or say --all")
    return name


def give(inbox: str | None, command: "Command") -> None:
    """Give the command and print what came of it."""
    from pipeline.commands.steer import give as send

    click.echo(send(options.inbox_of(inbox), command))
