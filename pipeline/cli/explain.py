"""`anime explain` and `anime schema`: what may stand in a manifest."""

import click


@click.command()
@click.argument("what", required=False)
def explain(what: str | None) -> None:
    """Say what may stand in a manifest.

    WHAT is a kind, such as job, or a field, such as job.sampler.
    """
    from pipeline.commands.explain import explain as lines

    for line in lines(what):
        click.echo(line)


@click.command()
@click.argument("kind", required=False, type=click.Choice(["project", "character", "job"]))
def schema(kind: str | None) -> None:
    """Print the JSON Schema of the manifests, for editors.

    What anime new writes names a copy of it already. In any other manifest, save it to a file and
    begin with: # yaml-language-server: $schema=FILE
    """
    from pipeline.commands.schema import schema_of

    click.echo(schema_of(kind))
