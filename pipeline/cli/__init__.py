"""The command `anime`: arguments, and what an error looks like. Holds no logic.

The groups' modules import what they need inside their commands, so that `anime --help` and
`anime check` start fast; nothing here ever imports torch.
"""

import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from pipeline import __version__
from pipeline.cli import ask, judge, look, make, picture, room, run, steer, takes
from pipeline.cli.check import check
from pipeline.cli.doctor import config, doctor
from pipeline.cli.explain import explain, schema
from pipeline.cli.log import log
from pipeline.cli.pull import pull
from pipeline.cli.service import service
from pipeline.cli.verify import verify
from pipeline.errors import AnimeError

INTERRUPTED = 130


class _Group(click.Group):
    """A group whose reader may leave early, as in `anime log | head -1`: that is no failure."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command. A broken pipe is met here, since click itself makes a 1 of it."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # What is still buffered has nowhere to go.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0


@click.group(
    cls=_Group,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="anime")
def anime() -> None:
    """An anime production you drive with files.

    Drop YAML manifests (projects, characters, jobs) into an inbox; pictures appear beside them.
    Try it: anime demo
    """


for _command in (
    run.demo, make.init, make.new, check, ask.plan, run.run, look.status, ask.show, log,
    look.replay, steer.hold, steer.release, steer.cancel, steer.retry, steer.priority, steer.pause,
    steer.resume, takes.takes, takes.restore, takes.render, judge.approve, judge.reject,
    judge.unjudge, picture.recipe, picture.reproduce, verify,
    room.gc, room.backup, pull, service, doctor, config, explain, schema,
):  # fmt: skip
    anime.add_command(_command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    try:
        code = anime.main(arguments, prog_name="anime", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except AnimeError as error:
        _show(error)
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    return code if isinstance(code, int) else 0


def _show(error: AnimeError) -> None:
    from pipeline.telling import clean

    lines = [clean(line) for line in f"error: {error.message}".split("\n")]
    if error.hint is not None:
        lines.append(f"  hint: {clean(error.hint)}")
    click.echo("\n".join(lines), err=True)
