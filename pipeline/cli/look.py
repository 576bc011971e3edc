"""`anime check`, `status`, `log` and `schema`: they look, and change nothing."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from pipeline.cli import options

if TYPE_CHECKING:
    from pipeline.journal import Tail

POLL = 0.2
"""Seconds between two looks at a journal that is followed."""


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(exists=True, path_type=Path))
@options.inbox
@options.as_json
def check(paths: tuple[Path, ...], inbox: str | None, as_json: bool) -> int:
    """Say what is wrong with manifests, or what they wait for.

    PATHS are files and folders; without any, the whole inbox. Nothing is drawn and no model is
    needed. The exit status is 1 if there is anything to mend.
    """
    from pipeline.commands import checking

    root = options.settings({"inbox": inbox}).inbox if paths else options.inbox_of(inbox)
    found = checking.check([options.absolute(path) for path in paths] or [root], root)
    for line in checking.report(found, Path.cwd(), as_json=as_json):
        click.echo(line)
    return 1 if any(each.problems for each in found) else 0


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


@click.command()
@click.argument("kind", required=False, type=click.Choice(["project", "character", "job"]))
def schema(kind: str | None) -> None:
    """Print the JSON Schema of the manifests, for editors.

    In a manifest: # yaml-language-server: $schema=FILE
    """
    from pipeline.commands.schema import schema_of

    click.echo(schema_of(kind))
