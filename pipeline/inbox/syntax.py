"""YAML that cannot be read, in words for the person who typed it.

Owns the translation of libyaml's errors, which speak of tokens and simple keys, into what is
probably wrong and what to do. An error it does not know passes in libyaml's own words.
"""

import re

import yaml
from yaml.error import Mark as YamlMark

from pipeline.inbox.tree import Finding, Mark

_QUOTE = "put the text in quotes"
_UNCLOSED = "close it, or put the text in quotes"

_TIGHT = re.compile(r" *([\w-]{1,40}):(?=[^\s:/])")
"""A field whose value follows its colon at once; not an address such as http://."""

_PLAIN: dict[str, tuple[str, str]] = {
    "mapping values are not allowed in this context": (
        "a ': ' is not allowed here",
        "put text that holds ': ' in quotes; check the indentation, and the ':' of the line above",
    ),
    "block sequence entries are not allowed in this context": (
        "a list with '- ' cannot begin on this line",
        "begin the list on the next line, or put the text in quotes",
    ),
    "found unknown escape character": (
        "after a backslash, this character means nothing in double quotes",
        "use single quotes, or write the backslash twice",
    ),
    "found invalid Unicode character escape code": (
        "this escape is no character",
        "write the character itself",
    ),
    "found a tab character where an indentation space is expected": (
        "a tab is used for indentation",
        "indent with spaces",
    ),
    "found a tab character that violates indentation": (
        "a tab is used for indentation",
        "indent with spaces",
    ),
    "found undefined tag handle": ("text may not begin with !", _QUOTE),
    "found incompatible YAML document": ("this version of YAML is not known", "take the line away"),
    "did not find expected node content": ("a value is missing or misplaced here", _QUOTE),
    "did not find expected <document start>": (
        "this does not belong to the document above",
        "indent it like the lines before, or put '---' between two documents",
    ),
}

_FROM_CONTEXT: dict[str, tuple[str, str]] = {
    "could not find expected ':'": ("this line has no ': '", "write it as 'key: value'"),
    "did not find expected alphabetic or numeric character": (
        "text may not begin with * or &",
        _QUOTE,
    ),
    "found unexpected end of stream": ("the quote that opens here is never closed", "close it"),
    "found unexpected document indicator": (
        "the quote that opens here is not closed within its document",
        "close it",
    ),
    "did not find expected ',' or ']'": ("the [ that opens here is not closed", _UNCLOSED),
    "did not find expected ',' or '}'": ("the { that opens here is not closed", _UNCLOSED),
}  # fmt: skip


def explain(error: yaml.YAMLError, lines: tuple[str, ...]) -> Finding:
    """The finding for an error of the parser, at the place where a person would look first."""
    if not isinstance(error, yaml.MarkedYAMLError):
        return Finding(mark=Mark(1, 1), message=f"this is not YAML: {_one_line(str(error))}")
    if (conflict := _conflict(lines)) is not None:
        return conflict
    problem = error.problem or "this is not YAML"
    mark = _mark(error.problem_mark or error.context_mark, lines)
    if (seen := _seen(problem, mark, lines)) is not None:
        return seen
    if problem in _FROM_CONTEXT:
        message, hint = _FROM_CONTEXT[problem]
        return Finding(mark=_mark(error.context_mark, lines), message=message, hint=hint)
    if problem in _PLAIN:
        message, hint = _PLAIN[problem]
        return Finding(mark=mark, message=message, hint=hint)
    if problem == "found character that cannot start any token":
        return _bad_start(mark, lines)
    if problem in ("did not find expected key", "did not find expected '-' indicator"):
        return _misplaced(mark, lines)
    return Finding(mark=mark, message=_one_line(f"{problem} {error.context or ''}".strip()))


def _conflict(lines: tuple[str, ...]) -> Finding | None:
    """What git leaves where it could not merge."""
    for number, line in enumerate(lines, 1):
        if line.startswith("<<<<<<< "):
            return Finding(
                mark=Mark(number, 1),
                message="git could not merge this, and left both versions here",
                hint="keep one, and take the lines with <<<<<<<, ======= and >>>>>>> away",
            )
    return None


def _seen(problem: str, mark: Mark, lines: tuple[str, ...]) -> Finding | None:
    """What a look at the lines tells better than the parser, or None."""
    line = lines[mark.line - 1]
    if problem == "could not find expected ':'":
        for number in (mark.line - 1, mark.line):
            if 0 < number <= len(lines) and (key := _TIGHT.match(lines[number - 1])):
                return Finding(
                    mark=Mark(number, key.end(1) + 2),
                    message="a blank is missing after the ':'",
                    hint=f"write it as '{key[1].strip()}: …'",
                )
    if problem == "mapping values are not allowed in this context":
        above = next((each for each in reversed(lines[: mark.line - 1]) if each.strip()), "")
        if ": " in above and ": " not in line[: mark.column] and _indent(line) > _indent(above):
            return Finding(
                mark=Mark(mark.line, _indent(line) + 1),
                message="this line is indented more than the one above it, which has a value",
                hint="indent both alike, or take the value of the line above away",
            )
    if problem == "did not find expected node content" and line[mark.column - 1 :][:1] == ",":
        hint = "take the comma away, or write the value before it"
        return Finding(mark=mark, message="a value is missing before the comma", hint=hint)
    return None


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _bad_start(mark: Mark, lines: tuple[str, ...]) -> Finding:
    char = lines[mark.line - 1][mark.column - 1 : mark.column] or "this"
    if char == "\t":
        message, hint = _PLAIN["found a tab character that violates indentation"]
        return Finding(mark=mark, message=message, hint=hint)
    return Finding(mark=mark, message=f"text may not begin with {char}", hint=_QUOTE)


def _misplaced(mark: Mark, lines: tuple[str, ...]) -> Finding:
    before = lines[mark.line - 1][: mark.column - 1]
    if before.strip():
        return Finding(
            mark=mark,
            message="the value ends before this",
            hint="write quotes within quotes twice ('it''s'), or use the other kind of quotes",
        )
    return Finding(
        mark=mark,
        message="this line does not fit the ones above it",
        hint="indent the fields of one mapping alike, and the items of a list alike, with '- '",
    )


def _mark(mark: YamlMark | None, lines: tuple[str, ...]) -> Mark:
    """A place inside the text: libyaml points one line past its end for what is missing there."""
    if mark is None:
        return Mark(1, 1)
    if mark.line < len(lines):
        return Mark(mark.line + 1, mark.column + 1)
    return Mark(max(len(lines), 1), len(lines[-1]) + 1 if lines else 1)


def _one_line(text: str) -> str:
    return " ".join(text.split())[:200]
