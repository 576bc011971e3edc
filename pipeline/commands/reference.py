"""`python -m pipeline.commands.reference`: the READMEs' tables of fields and samplers, from code.

Owns the text between a pair of markers in each of two READMEs and touches nothing around it.
"""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from pipeline.commands.fields import KINDS, Field, fields, meaning_of
from pipeline.core import parameters
from pipeline.core.samplers import CLASSES, ONE_SPACING, SCHEDULES, SPACINGS, Sampler

_CLONE = Path(__file__).parents[2]
BEGIN = "<!-- The tables of fields: made by `make reference` from pipeline/core/manifest.py -->"
END = "<!-- End of the tables of fields -->"
SAMPLERS_BEGIN = "<!-- The samplers: made by `make reference` from pipeline/core/samplers.py -->"
SAMPLERS_END = "<!-- End of the samplers -->"


def reference() -> str:
    """A table for each kind, as Markdown, with an empty line at both ends."""
    return "\n" + "".join(f"{_table(kind)}\n" for kind in KINDS)


def samplers() -> str:
    """What each sampler and schedule is elsewhere, as Markdown, with an empty line at both ends."""
    lines = ["", "| sampler | in A1111 | in diffusers | schedules |", "|---|---|---|---|"]
    lines += [_sampler(sampler) for sampler in SCHEDULES]
    lines += ["", "| schedule | in A1111 | in diffusers |", "|---|---|---|"]
    for schedule, told in SPACINGS.items():
        named = parameters.SCHEDULES[schedule]
        lines.append(f"| `{schedule}` | {named} | {_options(told) or 'nothing more'} |")
    return "\n".join([*lines, "", ""])


def with_fields(text: str) -> str:
    """A README with the fields as they are now. Raises ValueError if it lacks the markers."""
    return _between(text, BEGIN, reference(), END)


def with_samplers(text: str) -> str:
    """A README with the samplers as they are now. Raises ValueError if it lacks the markers."""
    return _between(text, SAMPLERS_BEGIN, samplers(), SAMPLERS_END)


READMES: Mapping[Path, Callable[[str], str]] = {
    _CLONE / "examples/README.md": with_fields,
    _CLONE / "pipeline/render/README.md": with_samplers,
}
"""Those with tables, and what renews the text of each."""


def _between(text: str, first: str, inside: str, last: str) -> str:
    before, begin, rest = text.partition(f"{first}\n")
    _, end, after = rest.partition(last)
    if not begin or not end:
        raise ValueError(f"the README has no lines {first!r} and {last!r}")
    return f"{before}{begin}{inside}{end}{after}"


def _sampler(sampler: Sampler) -> str:
    name, told = CLASSES[sampler]
    able = ", ".join(f"`{schedule}`" for schedule in SCHEDULES[sampler])
    if sampler in ONE_SPACING:
        able += " (`normal` and `sgm_uniform` are the same here)"
    options = _options(told)
    what = f"`{name}`" + (f" with {options}" if options else "")
    return f"| `{sampler}` | {parameters.SAMPLERS[sampler]} | {what} | {able} |"


def _options(told: Mapping[str, object]) -> str:
    return ", ".join(f"`{key}={value!r}`" for key, value in told.items())


def _table(kind: str) -> str:
    lines = [
        f"**`kind: {kind}`** {meaning_of(kind)}",
        "",
        "| field | left out | |",
        "|---|---|---|",
    ]
    lines += [f"| `{each.path}` | {_absent(each)} | {_told(each)} |" for each in fields(kind)]
    return "\n".join(lines) + "\n"


def _absent(field: Field) -> str:
    return "" if field.absent == "nothing" else field.absent


def _told(field: Field) -> str:
    inside = ", ".join(f"`{each.path.rpartition('.')[2]}`" for each in field.inside)
    if choice := inside or (field.limits if "`" in field.limits else ""):
        text = f"{field.meaning}: {choice}"
    else:
        text = field.meaning + (f" ({field.limits})" if field.limits else "")
    return text.replace("|", "\\|")


if __name__ == "__main__":
    for readme, renewed in READMES.items():
        readme.write_text(renewed(readme.read_text(encoding="utf-8")), encoding="utf-8")
        sys.stdout.write(f"{readme} has its tables as they are\n")
