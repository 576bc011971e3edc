"""Commands as files: how whoever gives one reaches the runner, also one that is not up.

Owns `.pipeline/commands/`: one JSON file for each command, whole or not there, under a name of its
own that sorts by time. A file goes once its answer is in the journal; what is no command is set
aside with the reason. Never decides, and never writes the journal.
"""

import contextlib
import hashlib
import logging
import os
import secrets
from pathlib import Path

import msgspec

from pipeline import disk
from pipeline.core import observed as o
from pipeline.core.commands import Command
from pipeline.errors import AnimeError
from pipeline.history import PRIVATE

log = logging.getLogger(__name__)

FOLDER = "commands"
ASIDE = "refused"
"""Where in the commands' folder those go that are none."""
SUFFIX = ".json"
LARGEST = 1 << 16
"""Bytes of a command's file; a real one has some hundreds."""
LONGEST = 180
"""Characters of a command's name that its answer carries."""
MOST = 1000
"""Commands that are read in one look."""

_decoder: msgspec.json.Decoder[Command] = msgspec.json.Decoder(Command)


class NotYetRun(AnimeError):
    """The inbox has no journal, so that nobody would read a command."""

    exit_code = 3


def send(inbox: Path, command: Command, *, at: int) -> str:
    """Put a command's file in place, durably; returns its name, which its answer carries.

    `at` is the time in nanoseconds since 1970, by which commands are obeyed in their order.

    Raises:
        NotYetRun: the inbox has no `.pipeline`, which is never made here: an empty folder that
            waits for its disk to be mounted must not begin to look like an inbox.
        OSError: it cannot be written.
    """
    private = inbox / PRIVATE
    if not private.is_dir():
        raise NotYetRun(f"nothing has run in {inbox} yet: it has no {PRIVATE}", "anime run")
    folder = private / FOLDER
    if not folder.is_dir():
        folder.mkdir(exist_ok=True)
        disk.sync_folder(private)
    name = f"{at:020d}-{secrets.token_hex(4)}"
    part = folder / f".anime-{os.getpid()}-{secrets.randbelow(1 << 31)}.part"
    try:
        with open(part, "xb") as stream:
            stream.write(msgspec.json.encode(command))
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(part, folder / f"{name}{SUFFIX}")
    finally:
        part.unlink(missing_ok=True)
    disk.sync_folder(folder)
    return name


class Orders:
    """The commands that wait in one inbox."""

    def __init__(self, inbox: Path) -> None:
        self._folder = inbox / PRIVATE / FOLDER
        self._files: dict[str, str] = {}
        self._stuck: set[str] = set()

    def look(self) -> list[o.Commanded | o.Garbled]:
        """What has been commanded and is not yet `done`, in the order of the files' names."""
        try:
            with os.scandir(self._folder) as entries:
                names = sorted(entry.name for entry in entries if _is_command(entry.name))
        except OSError:
            return []
        fresh = [name for name in names if name not in self._stuck][:MOST]
        return [look for name in fresh if (look := self._read(name)) is not None]

    def done(self, look: o.Commanded | o.Garbled) -> None:
        """The answer is on the disk: the command's file goes."""
        name = self._files.pop(look.command)
        try:
            if isinstance(look, o.Garbled):
                self._set_aside(name, look.error)
            else:
                (self._folder / name).unlink(missing_ok=True)
        except OSError as error:
            self._stuck.add(name)
            log.warning("the command %s cannot be taken away: %s", name, error.strerror)

    def _read(self, name: str) -> o.Commanded | o.Garbled | None:
        said = _said(name)
        self._files[said] = name
        try:
            with disk.open_plain(self._folder / name) as stream:
                data = stream.read(LARGEST + 1)
            if len(data) > LARGEST:
                return o.Garbled(command=said, error=_spoilt(name, f"more than {LARGEST} bytes"))
            return o.Commanded(command=said, said=_decoder.decode(data))
        except FileNotFoundError:
            return None
        except OSError as error:
            return o.Garbled(command=said, error=_spoilt(name, error.strerror or str(error)))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return o.Garbled(command=said, error=_spoilt(name, str(error)))

    def _set_aside(self, name: str, reason: str) -> None:
        """Keep a file that is no command, and beside it why; one of the same name is replaced."""
        aside = self._folder / ASIDE
        aside.mkdir(exist_ok=True)
        with contextlib.suppress(OSError):
            (aside / f"{name}.txt").write_text(f"{reason}\n", encoding="utf-8", errors="replace")
        os.replace(self._folder / name, aside / name)


def _said(name: str) -> str:
    """By what the answer names a command: its file's name without the suffix, in ASCII and not too
    long; one that had to be changed for that has a hash, so that no two are alike."""
    stem = name.removesuffix(SUFFIX)
    said = stem.encode("ascii", "backslashreplace").decode()
    if said == stem and len(said) <= LONGEST:
        return said
    return f"{said[:LONGEST]}-{hashlib.sha256(os.fsencode(name)).hexdigest()[:12]}"


def _is_command(name: str) -> bool:
    return name.endswith(SUFFIX) and not name.startswith(".")


def _spoilt(name: str, why: str) -> str:
    shown = name.encode("ascii", "backslashreplace").decode()
    return f"{PRIVATE}/{FOLDER}/{shown} is no command: {why}; it is in {ASIDE}/ now"
