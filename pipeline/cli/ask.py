"""`anime plan` and `anime show`: what a run would do, and why a picture looks as it does."""

import click

from pipeline.cli import options
from pipeline.cli.judge import filters, verdicts


@click.command(short_help="Say what a run would draw, reuse and wait for.")
@options.inbox
@options.as_json
@click.option("--model", metavar="MODEL", help="A folder, a file or ORG/NAME.  [the bundled one]")
@click.option("--all", "every", is_flag=True, help="Jobs that are done, too.")
def plan(inbox: str | None, as_json: bool, model: str | None, every: bool) -> int:
    """Say what a run would do now, job by job, without doing it.

    The exit status is 0 if nothing is to be drawn, 5 if something is, 1 if something is wrong or
    waits.
    """
    from pipeline.commands import planning

    options.inbox_of(inbox)
    found = planning.rehearse(options.settings({"inbox": inbox, "model": model}))
    if as_json:
        click.echo(planning.as_json(found))
    else:
        for line in planning.report(found, every=every):
            click.echo(line)
    return planning.exit_code(found)


@click.command(short_help="Say why a job's pictures look as they do.")
@click.argument("job")
@options.inbox
@options.as_json
@click.option("--model", metavar="MODEL", help="A folder, a file or ORG/NAME.  [the bundled one]")
@filters
def show(job: str, inbox: str | None, as_json: bool, model: str | None, **said: bool) -> None:
    """Show a JOB: its manifest, its prompt with where each part is from, pictures and history.

    JOB is its key, or the path of its manifest or of one of its pictures. With --approved,
    --rejected or --unjudged its takes are listed with such pictures only.
    """
    from pipeline.commands import showing

    options.inbox_of(inbox)
    settings = options.settings({"inbox": inbox, "model": model})
    found = showing.show(settings, job, verdicts(**said))
    if as_json:
        click.echo(showing.as_json(found))
        return
    for line in showing.report(found):
        click.echo(line)
