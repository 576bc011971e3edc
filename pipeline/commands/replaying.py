"""`anime replay`: how an inbox stood at an earlier moment, by its journal alone.

Owns what a moment may look like. Reads no further than that moment, so that what came later, or
was damaged later, is no hindrance. Takes no lock and changes nothing.
"""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

from pipeline.commands.standing import Standing, standing_of
from pipeline.errors import AnimeError
from pipeline.history import fold, journal_path, up_to
from pipeline.journal import replay
from pipeline.journal.line import stamp

_SEQ = re.compile(r"[0-9]{1,18}")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([ T].*)?")
"""ISO 8601 allows more, and some of that is too easily taken for something else."""


class NoSuchMoment(AnimeError):
    """It is no moment, or none that the journal knows."""

    exit_code: ClassVar[int] = 2


def standing_at(inbox: Path, moment: str) -> Standing:
    """How the inbox stood after that line of the journal, or at that time; see `point_of`.

    Raises:
        NoSuchMoment: it is neither, or a line that the journal does not have yet.
        JournalDamaged, JournalFailed, UnknownEvent: the journal cannot be read so far.
    """
    point = point_of(moment)
    path = journal_path(inbox)
    state = fold(up_to(replay(path), point))
    if isinstance(point, int) and state.seq < point:
        raise NoSuchMoment(
            f"there is no line {point} yet: the journal {path} ends with line {state.seq}",
            "the numbers are the seq of anime log --json",
        )
    return standing_of(inbox, state, None, running=True)


def point_of(moment: str) -> int | str:
    """A line's seq, or a time as the journal's lines say it.

    Digits alone are a seq. A time without a zone is local; one without fractions of a second takes
    in that whole second, since the log shows no fractions either.

    Raises:
        NoSuchMoment: it is neither.
    """
    text = moment.strip().upper()
    if _SEQ.fullmatch(text):
        return int(text)
    try:
        if _TIME.fullmatch(text) is None:
            raise ValueError(text)
        time = datetime.fromisoformat(text)
        if "." not in text and "," not in text:
            time = time.replace(microsecond=999_999)
        return stamp(time.astimezone(UTC))
    except (ValueError, OverflowError) as error:
        raise NoSuchMoment(
            f"--at {moment!r} is neither a line of the journal nor a time",
            "say a line's number (seq in anime log --json), or a time: 2026-11-24T19:30:00Z, or "
            "'2026-11-24 19:30' as it is on the clock here",
        ) from error
