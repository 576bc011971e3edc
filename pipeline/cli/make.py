"""`anime init` and `anime new`."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli import options

if TYPE_CHECKING:
    from pipeline.core.state import State


@click.command()
@click.argument("folder", required=False, type=click.Path(path_type=Path))
def init(folder: Path | None) -> None:
    """Make an inbox: a README, a .gitignore, settings and a first job.

    What is already there stays as it is.
    """
    from pipeline.commands.scaffold import init as make

    place = options.absolute(folder) if folder is not None else options.settings({}).inbox
    for file in make(place):
        click.echo(os.path.relpath(file))
    click.echo(f"the inbox is ready: anime run --inbox {os.path.relpath(place)}")


@click.group()
def new() -> None:
    """Write a manifest to begin with: a project, a character or a job."""


@new.command("project")
@click.argument("name")
@options.inbox
def new_project(name: str, inbox: str | None) -> None:
    """Write a project, in a folder of its own."""
    from pipeline.commands.scaffold import project

    _write(inbox, lambda state: project(state, name))


@new.command("character")
@click.argument("name")
@click.option("--project", metavar="NAME", help="The project they belong to.")
@options.inbox
def new_character(name: str, project: str | None, inbox: str | None) -> None:
    """Write a character's bible."""
    from pipeline.commands.scaffold import character

    _write(inbox, lambda state: character(state, name, project))


@new.command("job")
@click.argument("name")
@click.option("--project", metavar="NAME", help="The project it belongs to.")
@click.option("--character", "cast", metavar="NAME", multiple=True, help="Who is in the picture.")
@options.inbox
def new_job(name: str, project: str | None, cast: tuple[str, ...], inbox: str | None) -> None:
    """Write a job: one picture, or several."""
    from pipeline.commands.scaffold import job

    _write(inbox, lambda state: job(state, name, project, cast))


def _write(inbox: str | None, make: "Callable[[State], tuple[str, str]]") -> None:
    from pipeline.commands.checking import check_folder
    from pipeline.commands.scaffold import add_schema, write

    root = options.inbox_of(inbox)
    file, text = make(check_folder(root).state)
    write(root / file, text)
    add_schema(root)
    click.echo(os.path.relpath(root / file))
