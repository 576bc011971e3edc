"""Reading YAML that anybody may have written: bytes in, documents with places or a finding out.

Owns the limits and the order of checks; nothing is built before it is counted, and no nesting is
followed by recursion, so no file can crash, stall or swell the program. Never raises for any bytes.
Aliases count with all they stand for: no file says more than 20,000 values or a MiB of text.
"""

import re
from collections.abc import Iterator

import yaml
from yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from pipeline.inbox import scalar, syntax
from pipeline.inbox.build import Builder, LimitError, mark_of
from pipeline.inbox.tree import Finding, Mark, Text, Tree

LARGEST_FILE = 2**20
"""Bytes."""
DEEPEST = 32
MOST_NODES = 20_000
MOST_ALIASES = 50

# What libyaml counts as the end of a line, so that its line numbers and ours agree.
_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")


def read(data: bytes) -> Text:
    """The documents of a YAML file (empty ones left out), for any bytes; see `Text.broken`."""
    if len(data) > LARGEST_FILE:
        return _broken(
            f"the file has more than {LARGEST_FILE:,} bytes",
            "split it into several files",
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return _undecodable(data, error)
    if b"\0" in data[:2]:
        return _utf_16()
    lines = tuple(_BREAK.split(text))
    if match := scalar.unwritable(text.replace("\r", "\n")):
        return Text(lines=lines, broken=_control(match.group(), _place(text, match.start())))
    documents, broken = _documents(text, lines)
    return Text(documents=tuple(documents), lines=lines, broken=broken)


def _documents(text: str, lines: tuple[str, ...]) -> tuple[list[Tree], Finding | None]:
    documents: list[Tree] = []
    try:
        for tree in _trees(yaml.parse(text, Loader=yaml.CSafeLoader)):
            documents.append(tree)
    except LimitError as stop:
        return documents, stop.finding
    except yaml.YAMLError as error:
        return documents, syntax.explain(error, lines)
    return documents, None


def _trees(events: Iterator[Event]) -> Iterator[Tree]:
    """Raises `LimitError` at a limit and passes what libyaml raises."""
    builder = Builder(
        deepest=DEEPEST, most_nodes=MOST_NODES, most_aliases=MOST_ALIASES, most_text=LARGEST_FILE
    )
    for event in events:
        match event:
            case ScalarEvent():
                builder.scalar(event)
            case MappingStartEvent() | SequenceStartEvent():
                builder.open(event)
            case MappingEndEvent() | SequenceEndEvent():
                builder.close()
            case AliasEvent():
                builder.alias(event.anchor or "", mark_of(event))
            case DocumentStartEvent():
                builder.begin()
            case DocumentEndEvent():
                if (tree := builder.end()) is not None:
                    yield tree
            case _:
                pass


def _broken(message: str, hint: str) -> Text:
    return Text(broken=Finding(mark=Mark(1, 1), message=message, hint=hint))


def _utf_16() -> Text:
    return _broken("the file is UTF-16, not UTF-8", "save it as UTF-8")


def _undecodable(data: bytes, error: UnicodeDecodeError) -> Text:
    lines = tuple(_BREAK.split(data.decode("utf-8-sig", errors="replace")))
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return _utf_16()
    if b"\0" in data:
        return _broken("this is no text", "a manifest is YAML, saved as UTF-8")
    mark = _place(data[: error.start].decode("utf-8-sig", errors="replace"), None)
    message = f"the byte 0x{data[error.start]:02x} is not UTF-8"
    return Text(lines=lines, broken=Finding(mark=mark, message=message, hint="save it as UTF-8"))


def _control(char: str, mark: Mark) -> Finding:
    return Finding(
        mark=mark,
        message=f"the control character U+{ord(char):04X} may not stand in a manifest",
        hint="take it away",
    )


def _place(text: str, position: int | None) -> Mark:
    """Line and column of a position in `text`, or of its end."""
    lines = _BREAK.split(text[:position])
    return Mark(len(lines), len(lines[-1]) + 1)
