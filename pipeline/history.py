"""The state of a production from its journal alone.

Owns replaying lines into events and events into a state. Never writes and takes no lock.
"""

from collections.abc import Iterable, Iterator
from itertools import takewhile
from pathlib import Path
from typing import ClassVar

import msgspec

from pipeline import __version__, snapshot
from pipeline.core.events import VERSION, Event, decode
from pipeline.core.evolve import evolve
from pipeline.core.state import State
from pipeline.errors import AnimeError
from pipeline.journal import JOURNAL_NAME, Line, replay

PRIVATE = ".pipeline"
"""The folder in the inbox that belongs to the program."""


class NoInbox(AnimeError):
    """The inbox is not there, or is no folder."""

    exit_code: ClassVar[int] = 3


class UnknownEvent(AnimeError):
    """A whole, undamaged line says something that this version does not know."""

    exit_code: ClassVar[int] = 6


_NEWER = "use the version that wrote it, or a newer one; the journal is whole, and needs no mending"


def inbox_at(folder: Path) -> Path:
    """The folder, if it is one.

    Raises:
        NoInbox: it is not there, or is something else.
    """
    if not folder.is_dir():
        what = "is not a folder" if folder.exists() else "does not exist"
        raise NoInbox(f"the inbox {folder} {what}", f"make one: anime init {folder}")
    return folder


def journal_path(inbox: Path) -> Path:
    """Where an inbox's journal stands."""
    return inbox / PRIVATE / JOURNAL_NAME


def event_of(line: Line) -> Event:
    """The event in a line.

    Raises:
        UnknownEvent: it is of a later version, or its type or a field of it is not known.
    """
    if line.v > VERSION:
        # Even if it can be decoded: what is new in it would be passed over in silence.
        raise UnknownEvent(
            f"the journal's line {line.seq} is a {line.type!r} (version {line.v}) that a newer "
            f"anime wrote: this one, {__version__}, knows events up to version {VERSION}",
            _NEWER,
        )
    try:
        return decode(line.raw)
    except msgspec.ValidationError as error:
        raise UnknownEvent(
            f"the journal's line {line.seq} is a {line.type!r} (version {line.v}) that this "
            f"version of anime cannot read: {error}",
            _NEWER,
        ) from error


def fold(lines: Iterable[Line], state: State | None = None) -> State:
    """All lines, from the first on or from where `state` is, folded into it, as a state."""
    state = State() if state is None else state
    for line in lines:
        evolve(state, line.seq, line.at, event_of(line))
    return state


def up_to(lines: Iterable[Line], point: int | str) -> Iterator[Line]:
    """The lines up to a `seq`, or to a moment as lines say it (`at`).

    The order of the journal counts: the first line of a later moment ends them, although a clock
    that was set back may have given an earlier one to lines behind it.
    """
    if isinstance(point, int):
        return takewhile(lambda line: line.seq <= point, lines)
    return takewhile(lambda line: line.at <= point, lines)


def restore(inbox: Path) -> State:
    """The state of an inbox; an empty one if it has no journal yet.

    Raises:
        JournalDamaged, JournalFailed, UnknownEvent: the journal cannot be read to its end.
    """
    journal = journal_path(inbox)
    kept = snapshot.load(journal.parent, journal)
    if kept is None:
        return fold(replay(journal))
    return fold(replay(journal, after=kept.mark), kept.state)
