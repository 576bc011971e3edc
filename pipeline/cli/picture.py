"""`anime recipe` and `reproduce`: what a picture knows of itself."""

import os
from pathlib import Path

import click

from pipeline.cli import options

_image = click.argument("image", type=click.Path(exists=True, dir_okay=False, path_type=Path))


@click.command(short_help="Write a manifest that draws a picture again.")
@_image
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="A new file.  [stdout]"
)
def recipe(image: Path, output: Path | None) -> None:
    """Write a manifest that draws IMAGE, a PNG, again.

    From the record that every picture of ours carries, or from the parameters that other tools
    write. Comments in the manifest say what could not be carried over.
    """
    from pipeline.commands.recipe import recipe as read
    from pipeline.commands.scaffold import write

    found = read(image)
    if output is None:
        click.echo(found.text, nl=False)
        return
    write(output, found.text)
    click.echo(os.path.relpath(output))
    if found.notes:
        things = "1 thing" if len(found.notes) == 1 else f"{len(found.notes)} things"
        click.echo(f"{things} could not be carried over; comments in it say what")


@click.command(short_help="Draw a picture again, and say whether its pixels are the same.")
@_image
@click.option(
    "--model", metavar="MODEL", help="A folder, a file or ORG/NAME.  [that of a run here]"
)
@click.option(
    "--keep", type=click.Path(path_type=Path), metavar="FILE", help="Keep the new picture there."
)
def reproduce(image: Path, model: str | None, keep: Path | None) -> int:
    """Draw IMAGE, a PNG of ours, again from its record, and say whether the pixels are the same.

    It is drawn with as many threads as then; its LoRA files and reference pictures are looked for
    in the inbox. The exit status is 1 if the pixels are others; it says what differs: the model,
    the versions of torch and diffusers, the device. 3 if the model cannot be had.
    """
    from pipeline.commands.reproduce import reproduce as draw

    given = options.settings({"model": model})
    others = given.models.values() if model is None else ()
    found = draw(image, given.model, keep, given.inbox, told=given.told, others=others)
    for line in found.lines:
        click.echo(line)
    return 0 if found.same else 1
