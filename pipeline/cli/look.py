"""`anime status` and `replay`: they look, and change nothing."""

import click

from pipeline.cli import options


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


@click.command(short_help="Say how the inbox stood at an earlier moment.")
@click.option(
    "--at", "moment", metavar="SEQ|TIME", required=True,
    help="A line of the journal, or a time: 2026-11-24T19:30:00Z, or '2026-11-24 19:30' here.",
)  # fmt: skip
@options.inbox
@options.as_json
def replay(moment: str, inbox: str | None, as_json: bool) -> None:
    """Say how the inbox stood at an earlier moment, as status would have said it then.

    SEQ is the number of a line of the journal (seq in anime log --json), that line included. A TIME
    without a zone is local, and one without fractions of a second takes in that whole second. The
    journal's order counts: the first line that is later than TIME is where it ends.
    """
    import msgspec

    from pipeline.commands.replaying import standing_at
    from pipeline.commands.standing import summary_then

    found = standing_at(options.inbox_of(inbox), moment)
    if as_json:
        click.echo(msgspec.json.encode(found))
        return
    for line in summary_then(found):
        click.echo(line)
