"""`anime run` by a wall clock that somebody may set while it runs: the file that ANIME_SOAK_CLOCK
names holds how many seconds it is ahead. All but the clock is the program's own."""

import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from pipeline.cli import options


def clock() -> datetime:
    """Now, as far as the program knows."""
    ahead = Path(os.environ["ANIME_SOAK_CLOCK"]).read_text()
    return datetime.now(UTC) + timedelta(seconds=float(ahead))


@click.group()
def main() -> None:
    """Stands for `anime`."""


@main.command()
@options.inbox
@options.running
def run(**flags: object) -> None:
    """Stands for `anime run`."""
    from pipeline.terminal import Terminal
    from pipeline.wiring import produce

    settings = options.settings(flags)
    terminal = Terminal(sys.stdout)
    with terminal.hearing(), terminal:
        sys.exit(
            produce(
                settings, once=False, page=True, audience=terminal, note=terminal.note, clock=clock
            )
        )


if __name__ == "__main__":
    main()
