"""What a take was compiled from, by name: so that a stale picture can say which input changed.

Pure. Each input is kept as the first digits of its digest: equal ones are the same, and a picture's
past needs no copy of every bible.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from pipeline.core.digest import digest
from pipeline.core.manifest import Job, Project, split_tags
from pipeline.core.prompt import Figure
from pipeline.core.styles import Style

DIGITS = 12
_SHARED = ("size", "steps", "guidance", "sampler", "schedule", "count")
"""What a project says for jobs that do not."""

Inputs = dict[str, str]


def inputs_of(
    project: Project | None, figures: Iterable[Figure], styles: Iterable[Style], job: Job
) -> Inputs:
    """The inputs of one job but its own words: `akira.appearance`, `project.steps`, `style manga`.

    What is empty is left out.
    """
    found: dict[str, Any] = {}
    for figure in figures:
        bible = figure.bible
        found[f"{figure.key}.trigger"] = split_tags(bible.trigger)
        found[f"{figure.key}.appearance"] = split_tags(bible.appearance)
        found[f"{figure.key}.outfit"] = split_tags(figure.outfit)
        found[f"{figure.key}.expression"] = split_tags(figure.expression)
        found[f"{figure.key}.negative"] = split_tags(bible.negative)
        if job.seed is None and not job.seeds:
            found[f"{figure.key}.seed"] = bible.seed
    if project is not None:
        defaults = project.defaults
        found["project.prompt"] = split_tags(defaults.prompt)
        found["project.negative"] = split_tags(defaults.negative)
        for field in _SHARED:
            if getattr(job, field) is None:
                found[f"project.{field}"] = getattr(defaults, field)
    names = []
    for style in styles:
        names.append(style.name)
        found[f"style {style.name}"] = style
    found["style"] = names if job.style is None else []
    return {name: short(value) for name, value in found.items() if value not in (None, (), [])}


def changed(before: Mapping[str, str], now: Mapping[str, str]) -> tuple[str, ...]:
    """The names of the inputs that are others now, or gone, or new."""
    return tuple(name for name in {**before, **now} if before.get(name) != now.get(name))


def short(value: Any) -> str:
    """An input's value as it is kept."""
    return digest(value)[:DIGITS]
