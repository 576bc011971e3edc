"""`anime check`."""

import sys
from pathlib import Path

import click

from pipeline.cli import options

STDIN = "-"


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(exists=True, allow_dash=True))
@click.option(
    "--as", "name", metavar="FILE", help="What file standard input stands for.  [stdin.yaml]"
)
@options.inbox
@options.as_json
def check(paths: tuple[str, ...], name: str | None, inbox: str | None, as_json: bool) -> int:
    """Say what is wrong with manifests, or what they wait for.

    PATHS are files, folders, and - for standard input, which is read in the place of the file that
    --as names; without any, the whole inbox. Nothing is drawn and no model is needed; LoRA files
    are compared with the model if it is there. The exit status is 1 if there is anything to mend.
    """
    from pipeline.commands import checking
    from pipeline.inbox.yaml import LARGEST_FILE

    if name is not None and STDIN not in paths:
        raise click.UsageError("--as names what standard input stands for: anime check - --as FILE")
    settings = options.settings({"inbox": inbox})
    root = settings.inbox if paths else options.inbox_of(inbox)
    given = options.absolute(Path(name or "stdin.yaml"))
    texts: dict[Path, bytes] = {}
    if STDIN in paths:
        # As much as the runner reads of a file: enough to see that it is too large.
        texts[given] = sys.stdin.buffer.read(LARGEST_FILE + 1)
    places = [given if path == STDIN else options.absolute(Path(path)) for path in paths]
    adapters = checking.adapters_for(settings)
    shown_by = checking.reference_model_for(settings)
    found = checking.check(
        places or [root], root, texts, adapters, tuple(settings.models), shown_by
    )
    for line in checking.report(found, Path.cwd(), as_json=as_json):
        click.echo(line)
    return 1 if any(each.problems for each in found) else 0
