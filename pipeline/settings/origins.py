"""Where settings are said: the command line, the environment, a TOML file.

Owns reading those places as they are, each value with the place it stands at. Never knows what a
setting means or what is a good value.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

from msgspec import Struct

from pipeline.inbox.nearest import nearest

PREFIX = "ANIME_"
LARGEST_FILE = 64 * 1024
"""Bytes of a settings file."""
_SYNTAX_PLACE = re.compile(
    r"^(?P<what>.*) \(at (?:line (?P<line>\d+), column (?P<column>\d+)|.*)\)$"
)


class Fault(Struct, frozen=True, kw_only=True):
    """Something wrong at a place: `origin` is a flag, a variable, or `file:line`."""

    origin: str
    message: str
    hint: str = ""


class Given(Struct, frozen=True, kw_only=True):
    """A value as it is said; `text` is whether the place knows text only, so that "3" is a 3."""

    value: object
    origin: str
    text: bool
    below: dict[str, str] = {}
    """Of a table, where each of its keys stands."""


class Source(Struct, frozen=True, kw_only=True):
    """All that one place says. `base` is the folder its relative paths start from."""

    base: Path
    values: dict[str, Given] = {}
    faults: tuple[Fault, ...] = ()


def from_flags(flags: Mapping[str, object], cwd: Path) -> Source:
    """The flags that were given (None is not given)."""
    values = {
        name: Given(value=value, origin="--" + name.replace("_", "-"), text=True)
        for name, value in flags.items()
        if value is not None
    }
    return Source(base=cwd, values=values)


def from_environment(environ: Mapping[str, str], names: Iterable[str], cwd: Path) -> Source:
    """The `ANIME_…` variables. An empty one counts as not set, an unknown one is a fault only if it
    looks like one of ours, since others may use that prefix too."""
    values: dict[str, Given] = {}
    faults: list[Fault] = []
    known = {PREFIX + name.upper(): name for name in names}
    for variable, value in environ.items():
        if not variable.startswith(PREFIX) or not value:
            continue
        if variable in known:
            values[known[variable]] = Given(value=value, origin=variable, text=True)
            continue
        near = nearest(variable.removeprefix(PREFIX), known.values())
        if near:
            faults.append(
                Fault(
                    origin=variable,
                    message="no setting has this name",
                    hint=f"did you mean {PREFIX}{near[0].upper()}?",
                )
            )
    return Source(base=cwd, values=values, faults=tuple(faults))


def from_toml(path: Path, shown: str) -> Source:
    """What a settings file says; nothing if it is not there. `shown` is how faults call it."""
    try:
        with open(path, "rb") as stream:
            data = stream.read(LARGEST_FILE + 1)
    except (FileNotFoundError, NotADirectoryError):
        return Source(base=path.parent)
    except OSError as error:
        why = f"it cannot be read: {error.strerror or error}"
        return _unreadable(path, shown, why, "check its permissions and its owner")
    if len(data) > LARGEST_FILE:
        return _unreadable(path, shown, f"it has more than {LARGEST_FILE:,} bytes")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        return _unreadable(path, f"{shown}:{line}", "it is not UTF-8", "save it as UTF-8")
    try:
        table = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        return _syntax(path, shown, str(error), text)
    values = {
        name.replace("-", "_"): Given(
            value=value,
            origin=_place(shown, name, text),
            text=False,
            below={key: _place(shown, key, text, name) for key in value}
            if isinstance(value, dict)
            else {},
        )
        for name, value in table.items()
    }
    return Source(base=path.parent, values=values)


def _syntax(path: Path, shown: str, error: str, text: str) -> Source:
    match = _SYNTAX_PLACE.match(error)
    what = (match["what"] if match else error).rstrip(".") or "it is no TOML"
    if match and match["line"]:
        place = f"{shown}:{match['line']}:{match['column']}"
    else:
        place = f"{shown}:{max(1, len(text.splitlines()))}"
    return _unreadable(path, place, what[0].lower() + what[1:])


def _unreadable(
    path: Path, place: str, message: str, hint: str = "a line is written like this: workers = 3"
) -> Source:
    return Source(base=path.parent, faults=(Fault(origin=place, message=message, hint=hint),))


def _place(shown: str, name: str, text: str, table: str = "") -> str:
    """`file:line` of a top-level key or table, or of a key in a table, from there on; tomllib keeps
    no places."""
    start = 0
    if table:
        first = re.compile(rf"^\s*\[*\s*{re.escape(table)}\s*[=.\]]", re.MULTILINE).search(text)
        start = first.start() if first else 0
    quoted = re.escape(name)
    above = rf"(?:{re.escape(table)}\s*(?:\.|=\s*\{{.*?)\s*)?" if table else ""
    key = re.compile(
        rf"""^\s*\[*\s*{above}(?:{quoted}|"{quoted}"|'{quoted}')\s*[=.\]]""", re.MULTILINE
    )
    match = key.search(text, start)
    return f"{shown}:{text.count(chr(10), 0, match.end()) + 1}" if match else shown
