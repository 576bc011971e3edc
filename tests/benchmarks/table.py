"""A row of the benchmarks' table, and how it is printed."""

from msgspec import Struct


class Row(Struct, frozen=True, kw_only=True):
    """One figure against what it is measured by.

    `wanted` is a bound such as `<= 1.05` that `figure` is held to, or empty where the figure is
    only printed; `note` has what it was made of.
    """

    what: str
    against: str
    figure: float
    unit: str = ""
    wanted: str = ""
    note: str = ""

    @property
    def good(self) -> bool:
        """Whether the figure keeps its bound."""
        if not self.wanted:
            return True
        relation, bound = self.wanted.split()
        return self.figure <= float(bound) if relation == "<=" else self.figure >= float(bound)


def table(rows: list[Row]) -> str:
    """The rows as a Markdown table."""
    lines = ["| what | against | figure | wanted | | made of |", "|---|---|---|---|---|---|"]
    for row in rows:
        figure = f"{row.figure:.3g}{' ' + row.unit if row.unit else ''}"
        verdict = ("yes" if row.good else "**no**") if row.wanted else ""
        wanted = f"{row.wanted}{' ' + row.unit if row.unit and row.wanted else ''}"
        lines.append(
            f"| {row.what} | {row.against} | {figure} | {wanted} | {verdict} | {row.note} |"
        )
    return "\n".join(lines)
