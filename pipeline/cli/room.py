"""`anime gc` and `backup`: room on the disk, and a copy that is whole."""

from pathlib import Path

import click

from pipeline.cli import options


@click.command(short_help="Discard older takes' pictures; without --yes only say which.")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--takes", "of_takes", is_flag=True, required=True, help="Pictures of older takes.")
@click.option(
    "--keep", type=click.IntRange(min=1), default=1, metavar="N",
    help="Takes of each job that stay, with the current one.  [1]",
)  # fmt: skip
@click.option(
    "--older-than", "days", type=click.IntRange(0, 36500), metavar="DAYS",
    help="Only what was drawn so long ago.",
)  # fmt: skip
@click.option("--yes", is_flag=True, help="Do it.")
@options.inbox
@options.as_json
def gc(
    *, names: tuple[str, ...], of_takes: bool, keep: int, days: int | None, yes: bool,
    inbox: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Discard the pictures of older takes of NAME, jobs, projects or characters; of all without.

    Only what lies in .pipeline/takes/, is as it was drawn, and belongs to no take that stays. The
    journal remembers that they were there. Without --yes nothing changes. The inbox must have no
    runner.
    """
    from datetime import UTC, datetime

    import msgspec

    from pipeline.commands.gc import collect, report

    assert of_takes
    found = collect(
        options.inbox_of(inbox), names, keep=keep, days=days, yes=yes,
        clock=lambda: datetime.now(UTC),
    )  # fmt: skip
    if as_json:
        going = sum(one.size for one in found.going)
        click.echo(msgspec.json.encode({"done": found.done, "bytes": going, "found": found.found}))
        return
    for line in report(found):
        click.echo(line)


@click.command(short_help="Copy journal, manifests and pictures into one file.")
@click.argument("file", type=click.Path(path_type=Path))
@options.inbox
def backup(file: Path, inbox: str | None) -> int:
    """Copy the inbox into FILE, a new tar that gzip has packed: journal, manifests, pictures.

    A runner may run meanwhile: the journal is copied up to a moment, and every picture that it
    names is the one that it names. Caches are left out, and so is .git. The exit status is 1 if a
    file could not be read.
    """
    from pipeline.commands.backup import backup as save
    from pipeline.commands.backup import report

    done = save(options.inbox_of(inbox), options.absolute(file))
    for line in report(done, file):
        click.echo(line)
    return 1 if done.unread else 0
