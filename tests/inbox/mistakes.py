"""The table of bad manifests, `tests/data/mistakes.txt`, and how it is read.

A case is a line `=== what is wrong`, the manifest, a line `>>>`, and what is said of it: place and
message, and below that the hint. `«a*9»` stands for nine times a. Behind `(bytes)` the manifest is
written as Python writes bytes. A `production:` is several files, each below a line `@@ its path`.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from msgspec import Struct

from pipeline.core.problem import Problem

TABLE = Path(__file__).parents[1] / "data" / "mistakes.txt"


class Mistake(Struct, frozen=True, kw_only=True):
    """A case: `files` by path, a single one being `a.yaml`, and what is to be `said`."""

    title: str
    files: dict[str, bytes]
    said: str


def mistakes() -> Iterator[Mistake]:
    """All cases of the table."""
    for case in re.split(r"^=== ", TABLE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        title, _, rest = case.partition("\n")
        text, _, said = rest.rpartition("\n>>>\n") if "\n>>>\n" in rest else ("", "", rest[4:])
        yield Mistake(title=title, files=_files(title, text + "\n"), said=said)


def told(problems: Iterable[Problem], *, with_file: bool) -> str:
    """Problems as the table has them."""
    return "".join(
        f"{f'{each.file}:' if with_file else ''}{each.line}:{each.column}: {each.message}\n"
        + (f"    {each.hint}\n" if each.hint else "")
        for each in problems
    )


def _files(title: str, text: str) -> dict[str, bytes]:
    text = re.sub(r"«(.+?)\*(\d+)»", lambda match: match[1] * int(match[2]), text)
    if title.endswith("(bytes)"):
        return {
            "a.yaml": text.rstrip("\n").encode("ascii").decode("unicode_escape").encode("latin-1")
        }
    if not title.startswith("production:"):
        return {"a.yaml": text.encode()}
    _, *parts = re.split(r"^@@ (.+)\n", text, flags=re.MULTILINE)
    return {path: body.encode() for path, body in zip(parts[::2], parts[1::2], strict=True)}
