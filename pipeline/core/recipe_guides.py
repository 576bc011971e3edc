"""What a picture was drawn from beside words, as fields of a job that draws it again.

Pure. Every value it makes is one that a manifest may hold; a note says what is not.
"""

from collections.abc import Iterator
from typing import Any, get_args

from pipeline.core.adapters import inside
from pipeline.core.manifest import (
    GRAIN,
    LONGEST_FILE,
    MOST_CONTROLS,
    Control,
    ControlKind,
    From,
    Refine,
)
from pipeline.core.record import MOST_CONTROL, MOST_STEPS
from pipeline.core.resolved import Resolved

MOST_SCALE = 4.0
_KINDS: tuple[ControlKind, ...] = get_args(ControlKind)


def guides_of(asked: Resolved, notes: list[str]) -> dict[str, Any]:
    """The fields `from_`, `refine` and `control` of the job."""
    found: dict[str, Any] = {}
    source, refine = asked.source, asked.refine
    if source is not None:
        mask = source.mask
        files = [source.picture.file, *([mask.file] if mask is not None else [])]
        if all(map(_named, files)) and 0 < source.strength <= 1:
            found["from_"] = From(
                picture=source.picture.file, strength=source.strength,
                mask=mask.file if mask is not None else None,
            )  # fmt: skip
        else:
            notes.append("the picture that it began from")
    if refine is not None:
        scale = _scale(asked)
        if scale is None or not 0 < refine.strength <= 1 or not 1 <= refine.steps <= MOST_STEPS:
            notes.append(f"a second pass at {refine.width}x{refine.height}")
        else:
            steps = refine.steps if refine.steps != asked.steps else None
            found["refine"] = Refine(scale=scale, strength=refine.strength, steps=steps)
    controls = tuple(_controls(asked, notes))
    return {**found, "control": controls} if controls else found


def _named(file: str) -> bool:
    return inside(file) == file and len(file) <= LONGEST_FILE


def _scale(asked: Resolved) -> float | None:
    """The plainest number that makes the second pass's size of the first's."""
    refine = asked.refine
    assert refine is not None
    pairs = ((asked.width, refine.width), (asked.height, refine.height))
    lowest = max((large - GRAIN / 2) / small for small, large in pairs)
    highest = min((large + GRAIN / 2) / small for small, large in pairs)
    for digits in range(1, 8):
        scale = round((lowest + highest) / 2, digits)
        fits = all(round(small * scale / GRAIN) * GRAIN == large for small, large in pairs)
        if fits and 1 <= scale <= MOST_SCALE:
            return scale
    return None


def _controls(asked: Resolved, notes: list[str]) -> Iterator[Control]:
    for number, each in enumerate(asked.controls):
        kind = next((kind for kind in _KINDS if kind == each.kind), None)
        if (
            kind is not None
            and number < MOST_CONTROLS
            and _named(each.file)
            and _named(each.picture.file)
            and 0 <= each.weight <= MOST_CONTROL
            and 0 <= each.start < each.end <= 1
        ):
            yield Control(
                kind=kind, picture=each.picture.file, model=each.file, weight=each.weight,
                start=each.start, end=each.end,
            )  # fmt: skip
        else:
            notes.append(f"the ControlNet {each.file[:120]}")
