"""What `anime explain` says: a kind of manifest, or one field of it, in words.

Owns the layout; what is said comes from `pipeline.commands.fields`. Reads no file.
"""

import textwrap
from collections.abc import Iterable, Iterator

from pipeline.commands.fields import KINDS, Field, every_field, fields, meaning_of, written
from pipeline.errors import AnimeError
from pipeline.inbox.nearest import did_you_mean

WIDTH = 92

INSTEAD = {"cast", "seeds", "matrix", "sheet"}
"""Fields that stand in place of others."""


class NoSuchField(AnimeError):
    """There is no kind or field of that name."""


def explain(what: str | None) -> list[str]:
    """The lines to print for nothing, a kind (`job`) or a field (`job.steps`, or only `steps` where
    one kind alone has it, or `project.defaults.steps`).

    Raises:
        NoSuchField: it is none of these; the hint has the nearest.
    """
    if what is None:
        return _kinds()
    asked = what.strip().rstrip(".")
    if asked in KINDS:
        return _kind(asked)
    found = [each for each in every_field() if asked in (_name(each), each.path)]
    if not found:
        raise _unknown(asked)
    lines: list[str] = []
    for each in found:
        lines += [*_field(each), ""]
    return lines[:-1]


def _kinds() -> list[str]:
    lines = ["A manifest is a YAML document of one of these kinds:", ""]
    lines += _table((kind, meaning_of(kind)) for kind in KINDS)
    return [*lines, "", "More: anime explain job, anime explain job.sampler"]


def _kind(kind: str) -> list[str]:
    known = fields(kind)
    lines = [f"kind: {kind}", ""]
    lines += textwrap.wrap(_bare(meaning_of(kind)), WIDTH)
    lines += ["", *_table((each.path, _short(each)) for each in known), "", "An example:", ""]
    lines += [f"  {line}" for line in example_of(kind).splitlines()]
    return [*lines, "", f"More: anime explain {kind}.{known[-1].path}"]


def example_of(kind: str) -> str:
    """A manifest with every field at its example, as far as fields do not exclude each other; not
    one that a person would write."""
    filled = {each.path: each.example for each in fields(kind) if each.path not in INSTEAD}
    return written({"kind": kind} | filled)


def _short(field: Field) -> str:
    if field.absent in ("required", "nothing"):
        return field.meaning + ("; required" if field.absent == "required" else "")
    return f"{field.meaning}  [{_bare(field.absent)}]"


def _field(field: Field) -> list[str]:
    rows = [
        ("value", field.value),
        ("left out", _bare(field.absent)),
        ("example", field.line),
    ]
    lines = [*textwrap.wrap(f"{_name(field)}: {_bare(field.meaning)}", WIDTH), "", *_table(rows)]
    if field.inside:
        lines += ["", "Its fields:", ""]
        lines += _table((each.path.rpartition(".")[2], _short(each)) for each in field.inside)
    return lines


def _name(field: Field) -> str:
    return f"{field.kind}.{field.path}"


def _table(rows: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Two columns, the right one wrapped."""
    known = list(rows)
    left = max(len(name) for name, _ in known) + 2
    for name, text in known:
        first, *more = [
            part
            for line in _bare(text).split("\n")
            for part in textwrap.wrap(line, WIDTH - left, drop_whitespace=True) or [""]
        ]
        yield f"  {name:<{left}}{first}"
        yield from (f"  {'':<{left}}{line}" for line in more)


def _bare(text: str) -> str:
    """Without the marks of Markdown."""
    return text.replace("`", "")


def _unknown(asked: str) -> NoSuchField:
    kind, _, path = asked.partition(".")
    if kind in KINDS:
        paths = [inner.path for each in fields(kind) for inner in (each, *each.inside)]
        above = path.rpartition(".")[0]
        paths = [each for each in paths if each.rpartition(".")[0] == above] or paths
        hint = did_you_mean(path, paths).replace("mean ", f"mean {kind}.")
        return NoSuchField(f"a {kind} has no field {path!r}", hint or f"it has {', '.join(paths)}")
    known = [*KINDS, *(_name(each) for each in every_field()), *(e.path for e in every_field())]
    return NoSuchField(
        f"there is no kind or field {asked!r}",
        did_you_mean(asked, known) or "all there are: anime explain job, project or character",
    )
