"""Files beside the manifests that are not YAML: styles of other tools, and wildcards.

Owns their formats. `styles.csv` is A1111's (header `name,prompt,negative_prompt`, UTF-8 with or
without a mark), styles in JSON are Fooocus' and SDXL's (a list of objects with those fields); in
both `{prompt}` stands for what is styled. A wildcard's file has one choice a line. Never reads a
file, and never raises for any bytes.
"""

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

from pipeline.core.styles import Style, style_key, written
from pipeline.core.wildcards import lines_of
from pipeline.inbox import scalar
from pipeline.inbox.tree import Finding, Mark
from pipeline.inbox.yaml import LARGEST_FILE

FIELDS = ("name", "prompt", "negative_prompt")
MOST_STYLES = 5_000
MOST_LINES = 50_000
LONGEST = 10_000
"""Characters of one prompt or line."""


def styles_of(data: bytes, file: str) -> tuple[tuple[Style, ...], list[Finding]]:
    """The styles in a file, and all that is wrong with it."""
    text, findings = _text(data)
    if findings:
        return (), findings
    try:
        rows = list(_json_rows(text) if file.endswith(".json") else _csv_rows(text))
    except _Refused as refused:
        return (), [refused.finding]
    if len(rows) > MOST_STYLES:
        return (), [Finding(mark=Mark(1, 1), message=f"more than {MOST_STYLES:,} styles",
                            hint="split the file")]  # fmt: skip
    return _styles(rows)


def wildcard_of(data: bytes) -> tuple[tuple[str, ...], list[Finding]]:
    """The lines of a wildcard, and all that is wrong with its file."""
    text, findings = _text(data)
    if findings:
        return (), findings
    lines = lines_of(text)
    for number, line in enumerate(text.splitlines(), start=1):
        if bad := scalar.unwritable(line):
            findings.append(
                Finding(
                    mark=Mark(number, bad.start() + 1),
                    message=f"the control character U+{ord(bad.group()):04X} may not stand here",
                    hint="take it away",
                )
            )
        if len(line) > LONGEST:
            findings.append(
                Finding(
                    mark=Mark(number, 1), message=f"a line of {len(line):,} characters",
                    hint=f"{LONGEST:,} are the most",
                )
            )  # fmt: skip
    if not lines:
        findings.append(
            Finding(mark=Mark(1, 1), message="a wildcard without a line to choose",
                    hint="write one choice a line; # begins a comment")
        )  # fmt: skip
    elif len(lines) > MOST_LINES:
        findings.append(Finding(mark=Mark(1, 1), message=f"more than {MOST_LINES:,} lines"))
    return lines, findings


class _Refused(Exception):
    def __init__(self, line: int, column: int, message: str, hint: str) -> None:
        super().__init__(message)
        self.finding = Finding(mark=Mark(line, column), message=message, hint=hint)


_Row = tuple[int, dict[str, Any]]


def _text(data: bytes) -> tuple[str, list[Finding]]:
    if len(data) > LARGEST_FILE:
        message = f"the file has more than {LARGEST_FILE:,} bytes"
        return "", [Finding(mark=Mark(1, 1), message=message, hint="split it")]
    try:
        return data.decode("utf-8-sig"), []
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        message = f"byte {error.start} is not UTF-8"
        return "", [Finding(mark=Mark(line, 1), message=message, hint="save the file as UTF-8")]


def _csv_rows(text: str) -> Iterator[_Row]:
    reader = csv.DictReader(io.StringIO(text, newline=""))
    header = ",".join(FIELDS)
    try:
        names = reader.fieldnames or ()
        lacking = [name for name in FIELDS[:2] if name not in names]
        if lacking:
            raise _Refused(1, 1, f"the header has no {' and no '.join(lacking)}",
                           f"the first line is {header}")  # fmt: skip
        for row in reader:
            # The reader counts the lines that it has read; a quoted prompt may take several.
            yield reader.line_num, dict(row)
    except csv.Error as error:
        hint = 'put text with commas in quotes, and write " inside as ""'
        raise _Refused(reader.line_num, 1, f"this is no CSV: {error}", hint) from None


def _json_rows(text: str) -> Iterator[_Row]:
    shape = 'a list such as [{"name": "noir", "prompt": "film noir, {prompt}"}]'
    try:
        read = json.loads(text)
    except json.JSONDecodeError as error:
        raise _Refused(error.lineno, error.colno, f"this is no JSON: {error.msg}",
                       f"write {shape}") from None  # fmt: skip
    except (RecursionError, ValueError) as error:
        raise _Refused(1, 1, f"this is no JSON: {error}", f"write {shape}") from None
    if not isinstance(read, list) or not all(isinstance(row, dict) for row in read):
        raise _Refused(1, 1, "styles in JSON are a list of objects", f"write {shape}")
    if len(read) > MOST_STYLES:
        raise _Refused(1, 1, f"more than {MOST_STYLES:,} styles", "split the file")
    line = at = 0
    for row in read:
        # Rows stand one after another, so that the text is walked through once.
        found = text.find(json.dumps(row.get("name"), ensure_ascii=False), at)
        if found >= 0:
            line, at = line + text.count("\n", at, found), found + 1
        yield line + 1, row


def _styles(rows: list[_Row]) -> tuple[tuple[Style, ...], list[Finding]]:
    found: dict[str, Style] = {}
    first: dict[str, int] = {}
    findings = []
    for line, row in rows:
        name, prompt, negative = (row.get(field) or "" for field in FIELDS)
        wrong = _wrong(name, prompt, negative, first)
        if wrong is not None:
            message, hint = wrong
            findings.append(Finding(mark=Mark(line, 1), message=message, hint=hint))
        elif style_key(name):
            found[style_key(name)] = written(name, prompt, negative)
            first[style_key(name)] = line
    return tuple(found.values()), findings


def _wrong(name: Any, prompt: Any, negative: Any, first: dict[str, int]) -> tuple[str, str] | None:
    """What is wrong with a style, and the way out."""
    if not all(isinstance(each, str) for each in (name, prompt, negative)):
        return "name, prompt and negative_prompt are text", "put them in quotes"
    if bad := scalar.unwritable(f"{name}{prompt}{negative}"):
        code = f"U+{ord(bad.group()):04X}"
        return f"the control character {code} may not stand in a style", "take it away"
    if not style_key(name):
        # A1111's users write empty rows to part their lists.
        return ("a style without a name", "give it one") if prompt or negative else None
    if max(len(prompt), len(negative)) > LONGEST:
        return f"the style {name!r} has more than {LONGEST:,} characters", "shorten it"
    above = first.get(style_key(name))
    if above is not None:
        return f"the style {name!r} is here twice: first in line {above}", "keep one of the two"
    return None
