"""Whether the pictures on the disk are those that the journal counts on.

Owns the look at the disk, and obeying a `Redraw` by it. Never writes, moves or removes a picture;
what follows from one that has gone is `pipeline.core.vanished`'s.
"""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from pipeline import pictures
from pipeline.core import events as e
from pipeline.core import observed as o
from pipeline.core.commands import Redraw
from pipeline.core.state import State
from pipeline.core.targets import Refusal, find
from pipeline.core.vanished import Counted, counted_on, redrawn

Stands = Literal["whole", "gone", "changed", "unreadable"]
_OTHER = {errno.ELOOP, errno.EINVAL, errno.EISDIR}
"""A link, a folder or a pipe stands there."""


def stands(root: Path, one: Counted) -> Stands:
    """How a picture stands on the disk: `changed` if anything else has its name."""
    if is_gone(root, one):
        return "gone"
    try:
        same = pictures.sha256_of(root / one.file) == one.sha256
    except FileNotFoundError:
        return "gone"
    except OSError as error:
        return "changed" if error.errno in _OTHER else "unreadable"
    return "whole" if same else "changed"


def is_gone(root: Path, one: Counted) -> bool:
    """Whether nothing is there, or another picture of ours; what cannot be told is not gone."""
    if one.displaced:
        return True
    try:
        os.lstat(root / one.file)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def redraw(
    root: Path, state: State, look: o.Commanded, record: Callable[[list[e.Event]], None]
) -> None:
    """Obey a `Redraw`, if that is what is commanded and can be.

    Looks now, not when it was commanded; a picture whose whole folder is not there is left alone,
    since nothing could be drawn into it.
    """
    if not isinstance(look.said, Redraw):
        return
    meant = find(state, look.said.target)
    if isinstance(meant, Refusal):
        return
    gone = [
        one
        for key in meant.jobs
        for one in counted_on(state.jobs[key])
        if is_gone(root, one) and (not one.current or (root / one.file).parent.is_dir())
    ]
    record(redrawn(state, look.command, meant, gone))
