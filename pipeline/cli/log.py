"""`anime log`, and below it `verify` and `repair`: the journal, and whether it is whole."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli import options

if TYPE_CHECKING:
    from pipeline.journal import Line, Tail

POLL = 0.2
"""Seconds between two looks at a journal that is followed."""


@click.group(
    short_help="Show the journal, a line for each event; verify or repair it.",
    invoke_without_command=True,
    subcommand_metavar="[COMMAND]",
)
@options.inbox
@options.as_json
@click.option("--follow", "-f", is_flag=True, help="Go on with what comes.")
@click.option("--job", metavar="JOB", help="Only what is about this job: its key, file or picture.")
@click.pass_context
def log(
    ctx: click.Context, inbox: str | None, as_json: bool, follow: bool, job: str | None
) -> None:
    """Show the journal, a line for each event.

    With --json, the lines as they are on the disk.
    """
    if ctx.invoked_subcommand is not None:
        for said, name in ((follow, "--follow"), (job, "--job")):
            if said:
                raise click.UsageError(f"{name} is not for {ctx.invoked_subcommand}")
        return
    from pipeline.history import event_of, journal_path
    from pipeline.journal import Tail, replay
    from pipeline.telling import job_of, logged

    root = options.inbox_of(inbox)
    key = None if job is None else _key(root, job)
    path = journal_path(root)
    for line in _all(Tail(path)) if follow else replay(path):
        if key is None or job_of(event_of(line)) == key:
            click.echo(line.raw if as_json else logged(line))
    sys.stdout.flush()


def _key(root: Path, job: str) -> str:
    from pipeline.commands.showing import find
    from pipeline.history import restore

    return find(restore(root), root, job).key


def _all(tail: "Tail") -> Iterator["Line"]:
    """The lines there are, and those that come, without end."""
    while True:
        yield from tail.read()
        sys.stdout.flush()
        time.sleep(POLL)


@log.command(short_help="Say whether every line is as it was written.")
@options.inbox
@options.as_json
@click.pass_context
def verify(ctx: click.Context, inbox: str | None, as_json: bool) -> int:
    """Say whether every line of the journal is there and as it was written, and can be read.

    A runner may run meanwhile. A torn end, which a crash can leave, is no damage: it holds nothing
    that was acknowledged, and the next run sets it aside. The exit status is 6 if a run would
    refuse the journal.
    """
    import msgspec

    from pipeline.commands.mending import verified
    from pipeline.commands.mending import verify as look

    inbox, as_json = _said(ctx, inbox, as_json)
    found = look(options.inbox_of(inbox))
    if as_json:
        click.echo(msgspec.json.encode(found))
    else:
        for line in verified(found):
            click.echo(line)
    return found.trouble.code if found.trouble is not None else 0


@log.command(short_help="Set aside what is damaged; without --yes only say what.")
@click.option("--yes", is_flag=True, help="Do it.")
@options.inbox
@options.as_json
@click.pass_context
def repair(ctx: click.Context, yes: bool, inbox: str | None, as_json: bool) -> int:
    """Set aside the damaged part of the journal and what follows it, so that a run can go on.

    Nothing is deleted: what goes is in a file beside the journal, which is named. Without --yes
    nothing changes, and the exit status is 1 if there is something to mend. No runner may hold the
    inbox.
    """
    from datetime import UTC, datetime

    import msgspec

    from pipeline.commands.mending import mended
    from pipeline.commands.mending import repair as mend

    inbox, as_json = _said(ctx, inbox, as_json)
    found = mend(options.inbox_of(inbox), yes=yes, clock=lambda: datetime.now(UTC))
    if as_json:
        click.echo(msgspec.json.encode(found))
    else:
        for line in mended(found):
            click.echo(line)
    return 1 if found.damage is not None and not found.done else 0


def _said(ctx: click.Context, inbox: str | None, as_json: bool) -> tuple[str | None, bool]:
    """The options that both take, also where they stand before the command's own name."""
    assert ctx.parent is not None
    before = ctx.parent.params
    return (before["inbox"] if inbox is None else inbox), as_json or before["as_json"]
