"""`python -m pipeline.commands.reference`: the README's tables of fields, from the types.

Owns the text between the two markers of the README and touches nothing around it.
"""

import sys
from pathlib import Path

from pipeline.commands.fields import KINDS, Field, fields, meaning_of

README = Path(__file__).parents[2] / "README.md"
BEGIN = "<!-- The tables of fields: made by `make reference` from pipeline/core/manifest.py -->"
END = "<!-- End of the tables of fields -->"


def reference() -> str:
    """A table for each kind, as Markdown, with an empty line at both ends."""
    return "\n" + "".join(f"{_table(kind)}\n" for kind in KINDS)


def renewed(text: str) -> str:
    """A README with the tables as they are now. Raises ValueError if it lacks the markers."""
    before, begin, rest = text.partition(f"{BEGIN}\n")
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the README has no lines {BEGIN!r} and {END!r}")
    return f"{before}{begin}{reference()}{end}{after}"


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
    README.write_text(renewed(README.read_text(encoding="utf-8")), encoding="utf-8")
    sys.stdout.write(f"{README} has the fields as they are\n")
