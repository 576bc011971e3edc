"""`anime verify`: whether the finished pictures still are on the disk, as they were drawn."""

import click

from pipeline.cli import options


@click.command(short_help="Say which finished pictures have gone or changed.")
@click.argument("name", required=False)
@click.option("--redraw", is_flag=True, help="Have what has gone drawn again.")
@options.inbox
@options.as_json
def verify(name: str | None, redraw: bool, inbox: str | None, as_json: bool) -> int:
    """Compare the pictures of NAME, a job, project or character, with the journal; all without.

    Pictures of older takes are looked at too. The exit status is 1 if one has gone or changed.

    With --redraw what has gone of a current take is drawn again with its seed, as part of a new
    take that keeps the other pictures; what has gone of an older take is no longer counted on. What
    has been changed is there, and stays as it is.
    """
    import msgspec

    from pipeline.commands import verify as checking
    from pipeline.commands.steer import give
    from pipeline.core.commands import Redraw

    place = options.inbox_of(inbox)
    found = checking.verify(place, name)
    answer = give(place, Redraw(target=name)) if redraw and found.redrawable else None
    if as_json:
        click.echo(
            msgspec.json.encode(
                {"checked": found.checked, "found": found.found, "answer": answer}
            ).decode()
        )
    else:
        for line in checking.report(found, asked=redraw):
            click.echo(line)
        if answer is not None:
            click.echo(answer)
    return 1 if found.found else 0
