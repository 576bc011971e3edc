"""A run as systemd's journal keeps it: a line of JSON a record, with its priority.

Owns the form: `<N>` as in sd-daemon(3), then an object with `message`, and for a fact its `seq`,
`event`, `job` and `file`. JSON escapes what could steer a terminal. Quiet facts are there too, for
debugging. A journal that goes away stops nothing.
"""

import logging
import os
from collections.abc import Mapping
from typing import Final, TextIO

import msgspec

from pipeline.core.events import Event
from pipeline.journal import Line
from pipeline.telling import Told, Tone, clean, job_of, told
from pipeline.voice import Voice

_PRIORITY: Final[Mapping[Tone, int]] = {"bad": 3, "good": 6, "plain": 6, "quiet": 7}
"""Of syslog(3): an error, information, and what only helps to find an error."""
_WARNING: Final = 4


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What stands in a line; what does not apply is left out."""

    message: str
    seq: int | None = None
    event: str | None = None
    job: str | None = None
    file: str | None = None
    below: tuple[str, ...] = ()


class Records(Voice):
    """Writes to `stream`, which systemd reads."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream
        self._gone = False

    def recorded(self, line: Line, event: Event) -> None:
        one = told(event)
        self._write(
            _PRIORITY[one.tone],
            Record(
                message=_message(one), seq=line.seq, event=line.type, job=job_of(event),
                file=getattr(event, "file", None), below=one.below,
            ),
        )  # fmt: skip

    def show(self, one: Told) -> None:
        self._write(_PRIORITY[one.tone], Record(message=_message(one), below=one.below))

    def emit(self, record: logging.LogRecord) -> None:
        """A line of the log, with its own priority."""
        error = record.levelno >= logging.ERROR
        message = f"{record.levelname.lower()}: {clean(record.getMessage())}"
        self._write(_PRIORITY["bad"] if error else _WARNING, Record(message=message))

    def _write(self, priority: int, record: Record) -> None:
        if self._gone:
            return
        try:
            self._stream.write(f"<{priority}>{msgspec.json.encode(record).decode()}\n")
            self._stream.flush()
        except (OSError, ValueError):
            # Nobody reads any more; the run goes on.
            self._gone = True


def kept_by_systemd(environ: Mapping[str, str], stream: TextIO) -> bool:
    """Whether systemd's journal reads `stream`, as systemd.exec(5) says under JOURNAL_STREAM."""
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


def _message(one: Told) -> str:
    return " ".join(f"{one.verb} {one.subject}".split()) + "".join(f", {text}" for text in one.more)
