"""Options that several commands share, and the settings they lead to."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from pipeline.settings import Settings

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

inbox = click.option(
    "--inbox", metavar="FOLDER", help="The folder of manifests.  [the one around you, else ./inbox]"
)
as_json = click.option("--json", "as_json", is_flag=True, help="JSON, for programs.")


def running(function: Callable[..., Any]) -> Callable[..., Any]:
    """The flags of a run. They are read as text, so that what is wrong with any setting, wherever
    it was made, is said at once."""
    options: list[Decorator] = [
        click.option("--workers", metavar="N", help="Processes that draw.  [3]"),
        click.option("--device", metavar="WHICH", help="auto, cpu or cuda.  [auto]"),
        click.option(
            "--threads", metavar="N", help="CPU threads of each worker.  [the cores, shared out]"
        ),
        click.option("--batch", metavar="N", help="Pictures of each worker at once.  [1]"),
        click.option("--denoising", metavar="N", help="Workers that denoise at once.  [all]"),
        click.option(
            "--model", metavar="MODEL", help="A folder, a file or ORG/NAME.  [the bundled one]"
        ),
        click.option("--vae", metavar="FILE", help="A VAE in place of the model's own."),
        click.option("--previews", metavar="N", help="Show it every N steps; 0 is never.  [3]"),
        click.option("--prediction", metavar="WHAT", help="epsilon, v_prediction.  [its own]"),
        click.option("--zero-snr", metavar="HOW", help="yes or no.  [as the model says]"),
        click.option("--ip-adapter", metavar="FILE", help="Shows reference pictures to the model."),
        click.option("--image-encoder", metavar="FOLDER", help="What the IP-Adapter sees with."),
        click.option("--host", metavar="ADDRESS", help="Where the page listens.  [127.0.0.1]"),
        click.option("--port", metavar="PORT", help="The page's port; 0 takes a free one.  [8328]"),
        click.option(
            "--token",
            metavar="TEXT",
            help="What whoever opens the page must know; none is for nobody.  [needed with --host]",
        ),
        click.option("--names", metavar="HOSTS", help="Other Hosts the page is opened by."),
    ]
    for option in reversed(options):
        function = option(function)
    return function


def absolute(path: Path) -> Path:
    """The path in full and without `..`, so that it can be compared with the inbox."""
    return Path(os.path.abspath(path))


def inbox_of(flag: str | None) -> Path:
    """The inbox that the settings name with this flag; it is an error if it is not there."""
    from pipeline.history import inbox_at

    return inbox_at(settings({"inbox": flag}).inbox)


def settings(flags: dict[str, object], fixed: Path | None = None) -> "Settings":
    """The settings in force with these flags; `fixed` is the inbox, if that is not to be set."""
    from pipeline.settings import gather

    return gather(flags, environ=os.environ, cwd=Path.cwd(), inbox=fixed)
