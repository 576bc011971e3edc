"""What a take was compiled from, by name: so that a stale picture can say which input changed.

Pure. Each input is kept as the first digits of its digest: equal ones are the same, and a picture's
past needs no copy of every bible.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from pipeline.core.digest import digest
from pipeline.core.guides import NO_GUIDES, Guides
from pipeline.core.manifest import Job, Project, loras_of, split_tags
from pipeline.core.prompt import Figure
from pipeline.core.resolved import Adapter, Likeness
from pipeline.core.styles import Style

DIGITS = 12
_SHARED = ("size", "steps", "guidance", "sampler", "schedule", "clip_skip", "count")
"""What a project says for jobs that do not."""

Inputs = dict[str, str]


def inputs_of(
    project: Project | None,
    figures: Iterable[Figure],
    styles: Iterable[Style],
    job: Job,
    adapters: Iterable[Adapter] = (),
    *,
    guides: Guides = NO_GUIDES,
    likenesses: Iterable[Likeness] = (),
) -> list[tuple[str, Any]]:
    """The inputs of one job but its own words, by name (`akira.appearance`, `project.steps`,
    `style manga`), one after another: twins in a picture have two outfits.

    What is empty is left out.
    """
    found: list[tuple[str, Any]] = []
    for figure in figures:
        bible = figure.bible
        triggers = [split_tags(lora.trigger) for lora in loras_of(bible.lora)]
        found.append((f"{figure.key}.lora", [each for each in triggers if each]))
        found.append((f"{figure.key}.trigger", split_tags(bible.trigger)))
        found.append((f"{figure.key}.appearance", split_tags(bible.appearance)))
        found.append((f"{figure.key}.outfit", split_tags(figure.outfit)))
        found.append((f"{figure.key}.expression", split_tags(figure.expression)))
        found.append((f"{figure.key}.negative", split_tags(bible.negative)))
        if job.seed is None and not job.seeds:
            found.append((f"{figure.key}.seed", bible.seed))
    if project is not None:
        defaults = project.defaults
        found.append(("project.prompt", split_tags(defaults.prompt)))
        found.append(("project.negative", split_tags(defaults.negative)))
        for field in _SHARED:
            if getattr(job, field) is None:
                found.append((f"project.{field}", getattr(defaults, field)))
    names = []
    for style in styles:
        names.append(style.name)
        found.append((f"style {style.name}", style))
    for adapter in adapters:
        # A file that is moved is the same one.
        found.append((f"LoRA {adapter.file}", (adapter.sha256, adapter.weight)))
    source = guides.source
    if source is not None:
        found.append((f"picture {source.picture.file}", source.picture.sha256))
        if source.mask is not None:
            found.append((f"mask {source.mask.file}", source.mask.sha256))
    for control in guides.controls:
        found.append((f"picture {control.picture.file}", control.picture.sha256))
        found.append((f"ControlNet {control.file}", control.sha256))
    for likeness in likenesses:
        found.append(("IP-Adapter", (likeness.adapter, likeness.encoder)))
        place = (likeness.weight, likeness.left, likeness.right)
        for picture in likeness.pictures:
            found.append((f"picture {picture.file}", (picture.sha256, *place)))
    found.append(("style", names if job.style is None else []))
    return [(name, value) for name, value in found if value not in (None, (), [])]


def changed(before: Mapping[str, str], now: Mapping[str, str]) -> tuple[str, ...]:
    """The names of the inputs that are others now, or gone, or new."""
    return tuple(name for name in {**before, **now} if before.get(name) != now.get(name))


def short(value: Any) -> str:
    """An input's value as it is kept."""
    return digest(value)[:DIGITS]
