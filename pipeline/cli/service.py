"""`anime service`: install, uninstall and status of the unit of your own session."""

import os
from typing import TYPE_CHECKING

import click

from pipeline.cli import options

if TYPE_CHECKING:
    from pipeline.commands.service import Service


@click.group(short_help="Run an inbox as a service of your session, by systemd.")
def service() -> None:
    """Run an inbox as a service of your session, by systemd, without root.

    For a machine's own service, see systemd/README.md.
    """


@service.command(short_help="Write the unit, and start it now and at every login.")
@options.inbox
def install(inbox: str | None) -> int:
    """Write the unit for the inbox, and start it now and at every login."""
    from pipeline.commands.service import install as put
    from pipeline.commands.service import systemctl

    root = options.inbox_of(inbox)
    return _say(put(options.absolute(root), os.environ, systemctl))


@service.command(short_help="Stop it and take the unit away.")
def uninstall() -> int:
    """Stop it and take the unit away; the inbox stays as it is."""
    from pipeline.commands.service import systemctl
    from pipeline.commands.service import uninstall as take

    return _say(take(os.environ, systemctl))


@service.command(short_help="Say whether it is installed and running.")
def status() -> int:
    """Say whether it is installed and running; the exit status is 1 if it is not running."""
    from pipeline.commands.service import status as look
    from pipeline.commands.service import systemctl

    found = look(os.environ, systemctl)
    _say(found)
    return 0 if found.state == "active" else 1


def _say(found: "Service") -> int:
    from pipeline.telling import clean

    click.echo(f"unit    {clean(found.unit)}{'' if found.installed else ' (not there)'}")
    click.echo(f"state   {found.state}")
    for command in found.commands:
        click.echo(f"to do   {command}")
    return 1 if found.commands else 0
