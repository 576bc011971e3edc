"""`anime run` and `anime demo`."""

import os
import sys
from pathlib import Path

import click

from pipeline.cli import options


@click.command(short_help="Watch the inbox, draw what is owed, serve the page.")
@options.inbox
@options.running
@click.option("--once", is_flag=True, help="Draw all that is owed, without the page, and end.")
@click.option("--on-start", metavar="HOW", help="run, or paused.  [run]")
@click.option("--pause-after", metavar="N", help="Jobs that fail in a row; 0 is never.  [3]")
@click.option("--unload-after", metavar="MINUTES", help="Idle so long; 0 is never.  [0]")
@click.option("--grace", metavar="SECONDS", help="A stop waits so long for pictures.  [60]")
@click.option("--cluster", metavar="ADDRESS", help="A Ray cluster's HOST:PORT, or auto.")
@click.option("--polling/--no-polling", default=None, help="Look instead of waiting for hints.")
def run(once: bool, **flags: object) -> int:
    """Watch the inbox, draw what is owed, and serve the page.

    SIGTERM or Ctrl-C lets the pictures in work be finished; a second one stops at once. With --once
    the page is served only if --port is given; the exit status is 1 if anything failed, was
    rejected, is quarantined or still waits.
    """
    from pipeline.records import Records, kept_by_systemd
    from pipeline.terminal import Terminal
    from pipeline.wiring import produce

    settings = options.settings(flags)
    page = not once or settings.origins["port"] == "--port"
    speaking = Records if kept_by_systemd(os.environ, sys.stdout) else Terminal
    voice = speaking(sys.stdout)
    with voice.hearing(), voice:
        code = produce(settings, once=once, page=page, audience=voice, note=voice.note)
    if once:
        from pipeline.commands.standing import standing, summary

        for line in summary(standing(settings.inbox)):
            click.echo(line)
    return code


@click.command(short_help="Draw the example production and show a contact sheet.")
@options.running
@click.option("--keep", is_flag=True, help="Stay up with the page.")
@click.option("--folder", type=click.Path(path_type=Path), help="Where to draw.  [./demo]")
@click.option(
    "--examples", type=click.Path(path_type=Path), help="What to draw.  [the example production]"
)
def demo(keep: bool, folder: Path | None, examples: Path | None, **flags: object) -> int:
    """Draw the example production and show a contact sheet.

    The folder is made anew each time.
    """
    from pipeline.commands.demo import EXAMPLES, FOLDER, prepare
    from pipeline.commands.demo import demo as draw
    from pipeline.terminal import Terminal

    place = options.absolute(folder or FOLDER)
    source = EXAMPLES if examples is None else options.absolute(examples)
    # Nobody could start the queue of a demo that a setting of theirs begins paused.
    flags["on_start"] = "run"
    # What is wrong is said before the last demo is taken away.
    options.settings(flags, fixed=source)
    prepare(place, source)
    settings = options.settings(flags, fixed=place)
    terminal = Terminal(sys.stdout)
    with terminal.hearing():
        return draw(settings, keep=keep, terminal=terminal)
