"""`anime pull`: fetch a model."""

import os

import click


@click.command(short_help="Fetch a model from the Hugging Face hub; nothing else ever does.")
@click.argument("name", metavar="ORG/NAME")
@click.option("--file", "only", metavar="FILE", help="That one, of several checkpoints.")
@click.option("--dry-run", is_flag=True, help="Only say what would be fetched, and how much.")
def pull(name: str, only: str | None, dry_run: bool) -> None:
    """Fetch the model ORG/NAME: a diffusers folder, or one .safetensors checkpoint.

    It goes to ~/.local/share/anime/models (or $XDG_DATA_HOME), and `model = "ORG/NAME"` means it
    from then on. Only safetensors, JSON and text are fetched; weights in fp16 where there are any.
    What broke off is gone on with by the same command.
    """
    from pipeline import pulled
    from pipeline.commands import pull as pulling

    folder = pulled.place(name, os.environ) if pulled.is_id(name) else None
    if folder is None:
        raise click.UsageError(f"{name!r} is no name of a model on the hub, such as ORG/NAME")
    found = pulling.find(name, folder, only)
    click.echo(
        f"{name}: {len(found.files)} files, {pulling.sized(found.size)}, into {found.folder}"
    )
    if dry_run:
        for file in found.files:
            click.echo(f"  {file.name} ({pulling.sized(file.size)})")
        return
    model = pulling.fetch(found, lambda line: click.echo(f"  {line}"))
    click.echo(f'fetched; model = "{name}" in anime.toml, or --model {name}, draws with {model}')
