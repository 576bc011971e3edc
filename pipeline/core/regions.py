"""A cast's places in the picture: a region for each, so that all keep their own attributes.

Pure. The places that a prompt's groups name share the picture's width evenly, from left to right;
a region's prompt is that of the whole picture with the words of its own figure alone.
"""

from collections.abc import Sequence

from pipeline.core.prompt import PLACES, Part, joined
from pipeline.core.resolved import Region


def regions_of(prompt: Sequence[Part]) -> tuple[Region, ...]:
    """The regions of a prompt's groups, from left to right; none where it has fewer than two."""
    said = {part.group for part in prompt}
    places = [place for place in PLACES if place in said]
    if len(places) < 2:
        return ()
    return tuple(
        Region(
            prompt=joined(part for part in prompt if part.group in ("", place)),
            left=number / len(places),
            right=(number + 1) / len(places),
            top=0.0,
            bottom=1.0,
        )
        for number, place in enumerate(places)
    )
