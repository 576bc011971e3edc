"""`anime doctor` and `anime config`: can it run here, and with which settings."""

from collections.abc import Callable
from typing import Any

import click

from pipeline.cli import options

_MARK = {"good": "good", "poor": "poor", "bad": "BAD "}


@click.command(short_help="Say whether this machine can run the inbox, and what to mend.")
@options.inbox
@options.running
@options.as_json
def doctor(as_json: bool, **flags: object) -> int:
    """Say whether this machine can run the inbox, and what to mend.

    Nothing is changed. Each finding that is not good has the command or the act that mends it. The
    exit status is 3 if no run can work, else 0.
    """
    import msgspec

    from pipeline.doctor import examine
    from pipeline.telling import clean

    found = []
    for one in examine(options.settings(flags)):
        found.append(one)
        if not as_json:
            click.echo(f"{_MARK[one.verdict]}  {one.check:<12} {clean(one.said)}")
            if one.way:
                click.echo(f"{'':19}{clean(one.way)}")
    if as_json:
        click.echo(msgspec.json.encode(found))
    return 3 if any(one.verdict == "bad" for one in found) else 0


def _settings(function: Callable[..., Any]) -> Callable[..., Any]:
    """The flags of `anime run` that are settings too."""
    for name, help_ in (("on-start", "run, or paused."), ("pause-after", "A number of jobs."),
                        ("unload-after", "Minutes."), ("grace", "Seconds.")):  # fmt: skip
        function = click.option(f"--{name}", metavar="VALUE", help=help_)(function)
    return function


@click.command(short_help="Print each setting, its value, and where that comes from.")
@options.inbox
@options.running
@_settings
@options.as_json
def config(as_json: bool, **flags: object) -> None:
    """Print each setting, its value, and where that comes from.

    Flags come first, then the environment (ANIME_…), the user's own file, and anime.toml in the
    inbox. A token is never printed.
    """
    import msgspec

    from pipeline.commands.config import in_force
    from pipeline.telling import clean

    found = in_force(options.settings(flags))
    if as_json:
        click.echo(msgspec.json.encode(found))
        return
    wide = max(len(each.value) for each in found)
    for each in found:
        click.echo(f"{each.name:<15} {clean(each.value):<{min(wide, 60)}}  {clean(each.origin)}")
