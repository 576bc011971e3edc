"""What is wrong with a manifest, and how it is written out for a person to read.

Owns the value and its text form. Never reads a file: whoever finds a problem brings the line along.
"""

from unicodedata import combining, east_asian_width

import msgspec


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to mend in one file.

    `file` is relative to the inbox, with `/`. `line` and `column` count from 1, in code points.
    `text` is the line it stands on, shortened around the place if it is long, and without control
    characters; `caret` is the place within `text`, from 1, or 0 where a line alone cannot show it
    (a file that cannot be read). `hint` says what to do, or is empty.
    """

    file: str
    line: int
    column: int
    message: str
    text: str = ""
    caret: int = 0
    hint: str = ""


def render(problem: Problem) -> str:
    """`file:line:column: message`, the line with a caret under the place, and the hint.

    No newline at the end. A problem without a line (`caret` 0) has neither line nor caret.
    """
    parts = [f"{problem.file}:{problem.line}:{problem.column}: {problem.message}"]
    if problem.caret:
        text = problem.text.rstrip()
        parts.append(f"    {text}")
        parts.append(f"    {_blank(problem.text[: problem.caret - 1])}^")
    if problem.hint:
        parts.append(f"    hint: {problem.hint}")
    return "\n".join(parts)


def _blank(text: str) -> str:
    """Blanks as wide as `text` is on a terminal, where Japanese letters take two columns."""
    return "".join("\t" if char == "\t" else " " * _width(char) for char in text)


def _width(char: str) -> int:
    if combining(char):
        return 0
    return 2 if east_asian_width(char) in "WF" else 1
