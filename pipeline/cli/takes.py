"""`anime takes`, `restore` and `render`: what was drawn of a job, and what stands there now."""

import click

from pipeline.cli import options
from pipeline.cli.judge import filters, verdicts
from pipeline.cli.steer import give


@click.command(short_help="List the takes of a job, and where their pictures stand.")
@click.argument("job", required=False)
@options.inbox
@options.as_json
@filters
def takes(job: str | None, inbox: str | None, as_json: bool, **said: bool) -> None:
    """List the takes of JOB: when and why each was drawn, and where its pictures stand.

    With --approved, --rejected or --unjudged only such pictures, and without a JOB those of all
    jobs.
    """
    import msgspec

    from pipeline.commands.takes import Takes, all_takes, report, takes_of

    found: tuple[Takes, ...]
    wanted = verdicts(**said)
    folder = options.inbox_of(inbox)
    if job is not None:
        found = (takes_of(folder, job, wanted),)
    elif wanted is not None:
        found = all_takes(folder, wanted)
    else:
        raise click.UsageError("name a job, or say --approved, --rejected or --unjudged")
    if as_json:
        click.echo(msgspec.json.encode(found if job is None else found[0]))
        return
    for each in found:
        for line in report(each, named=job is None):
            click.echo(line)


@click.command(short_help="Let an older take's pictures stand beside the manifest again.")
@click.argument("job")
@click.argument("take", type=click.IntRange(min=1))
@options.inbox
def restore(job: str, take: int, inbox: str | None) -> None:
    """Let the pictures of an older TAKE of JOB stand beside the manifest again.

    Those that stand there go to the shelf, and nothing is drawn. It stays so until the job is
    edited, or drawn again because somebody asks for that.
    """
    from pipeline.core.commands import Restore

    give(inbox, Restore(job=job, take=take))


@click.command(short_help="Draw a job, project or character again as a new take.")
@click.argument("name", required=False)
@click.option("--stale", is_flag=True, help="Only what its bible, style or project has changed.")
@options.inbox
def render(name: str | None, stale: bool, inbox: str | None) -> None:
    """Draw NAME, a job, project or character, again as a new take; the older ones are kept.

    With --stale only the jobs whose pictures show what their manifests no longer say, and without
    a name all of those.
    """
    from pipeline.core.commands import Render

    if name is None and not stale:
        raise click.UsageError("name a job, a project or a character, or say --stale")
    give(inbox, Render(target=name, stale=stale))
