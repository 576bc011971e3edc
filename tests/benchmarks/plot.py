"""The rows with a goal as a drawing: how far each figure is beyond it, or short of it.

SVG 1.1 by hand, as it is a dozen lines, in colours that hold on light and on dark ground.
"""

from html import escape
from math import log2

from tests.benchmarks.table import Row

WIDTH, LABEL, LINE, TOP = 1040, 560, 24, 44
MOST = 3
"""Factors of two on either side of the goal; what is further ends there."""
UNIT = (WIDTH - LABEL - 130) / (2 * MOST)
GOOD, SHORT, INK = "#2f9e6e", "#d9594c", "#8a8f98"


def plot(rows: list[Row]) -> str:
    """The SVG; a bar to the right of the line has met its goal, twice over at the first mark."""
    held = [row for row in rows if row.wanted]
    height = TOP + LINE * len(held) + 12
    goal = LABEL + MOST * UNIT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'font-family="system-ui, sans-serif" font-size="12" fill="{INK}">'
    ]
    for mark in range(-MOST, MOST + 1):
        x = goal + mark * UNIT
        name = "goal" if mark == 0 else f"{2**mark}×" if mark > 0 else f"1/{2**-mark}"
        parts.append(
            f'<text x="{x:.0f}" y="20" text-anchor="middle">{name}</text>'
            f'<line x1="{x:.0f}" x2="{x:.0f}" y1="28" y2="{height - 8}" stroke="{INK}" '
            f'stroke-opacity="{0.9 if mark == 0 else 0.25}"/>'
        )
    for number, row in enumerate(held):
        y = TOP + LINE * number
        reach = max(-MOST, min(MOST, log2(margin(row)))) * UNIT
        left, colour = goal + min(0.0, reach), GOOD if row.good else SHORT
        figure = f"{row.figure:.3g} {row.unit}".strip()
        parts.append(
            f'<text x="{LABEL - 12}" y="{y + 12}" text-anchor="end">{escape(_short(row.what))}'
            f"</text>"
            f'<rect x="{left:.1f}" y="{y + 1}" width="{max(2.0, abs(reach)):.1f}" height="15" '
            f'rx="3" fill="{colour}"/>'
            f'<text x="{WIDTH - 122}" y="{y + 12}">{escape(figure)}</text>'
        )
    return "".join([*parts, "</svg>\n"])


def margin(row: Row) -> float:
    """How many times better than its goal a figure is; below 1 it is worse."""
    relation, bound = row.wanted.split()
    least = 1e-9
    figure, goal = max(least, row.figure), max(least, float(bound))
    return goal / figure if relation == "<=" else figure / goal


def _short(text: str) -> str:
    return text if len(text) <= 86 else f"{text[:85]}…"
