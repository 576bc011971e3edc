"""Events that an earlier version wrote, in the shape that they have today.

Owns every change of an event's shape since the first; `pipeline.core.events.VERSION` counts them.
Pure: takes a decoded line, and gives one that today's types can read.
"""

from typing import Any


def upcast(line: dict[str, Any]) -> dict[str, Any] | None:
    """The line in today's shape, or None if no earlier version had its shape."""
    match line:
        case {"type": "render_requested", "resolved": inputs, "digest": digest, "seeds": seeds}:
            return _cells(line, inputs, digest, seeds)
        case _:
            return None


def _cells(line: dict[str, Any], inputs: Any, digest: Any, seeds: Any) -> dict[str, Any]:
    """1 to 2: a take's pictures all had the same inputs; now each has its own."""
    kept = {
        name: value for name, value in line.items() if name not in ("resolved", "digest", "seeds")
    }
    return {**kept, "cells": [{"resolved": inputs, "digest": digest, "seed": n} for n in seeds]}
