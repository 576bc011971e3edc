"""`anime status` and `log`: they look, and change nothing."""

import sys
import time
from typing import TYPE_CHECKING, NoReturn

import click

from pipeline.cli import options

if TYPE_CHECKING:
    from pipeline.journal import Tail

POLL = 0.2
"""Seconds between two looks at a journal that is followed."""


@click.command(short_help="Say what is drawn, queued and failed, and who runs it.")
@options.inbox
@options.as_json
def status(inbox: str | None, as_json: bool) -> None:
    """Say how the inbox stands: what is drawn, queued, failed, and who runs it."""
    import msgspec

    from pipeline.commands.standing import standing, summary

    found = standing(options.inbox_of(inbox))
    if as_json:
        click.echo(msgspec.json.encode(found))
        return
    for line in summary(found):
        click.echo(line)


@click.command(short_help="Show the journal, a line for each event.")
@options.inbox
@options.as_json
@click.option("--follow", "-f", is_flag=True, help="Go on with what comes.")
def log(inbox: str | None, as_json: bool, follow: bool) -> None:
    """Show the journal, a line for each event.

    With --json, the lines as they are on the disk.
    """
    from pipeline.history import journal_path
    from pipeline.journal import Tail, replay
    from pipeline.telling import logged

    path = journal_path(options.inbox_of(inbox))
    if follow:
        _follow(Tail(path), as_json)
    for line in replay(path):
        click.echo(line.raw if as_json else logged(line))
    sys.stdout.flush()


def _follow(tail: "Tail", as_json: bool) -> NoReturn:
    from pipeline.telling import logged

    while True:
        for line in tail.read():
            click.echo(line.raw if as_json else logged(line))
        sys.stdout.flush()
        time.sleep(POLL)
