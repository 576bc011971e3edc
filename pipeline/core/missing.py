"""What a job refers to that is not there: it waits, and says for what, with the nearest names."""

from typing import Literal

from msgspec import Struct


class Missing(Struct, frozen=True, kw_only=True):
    """A reference without a thing; `field` is where in the job it stands, or None where its project
    or a bible makes it. `of` says whose it would be; `why` says all, where that is not enough.
    A `drawing` is a picture that a job here is still to draw: all is as it should be."""

    kind: Literal[
        "project", "character", "style", "schedule", "model", "outfit", "expression", "wildcard",
        "picture", "drawing", "LoRA", "ControlNet", "IP-Adapter",
    ]  # fmt: skip
    name: str
    nearest: tuple[str, ...] = ()
    field: tuple[str | int, ...] | None = None
    of: str = ""
    why: str = ""

    def __str__(self) -> str:
        if self.why:
            return self.why
        if self.kind == "schedule":
            return f"there is no schedule {self.name}"
        if self.kind == "project" and self.field is None:
            return f"it is not known yet whose this is: {self.name}"
        where = "in the settings" if self.kind == "model" else "yet"
        text = f"there is no {self.kind} {self.name!r}{self.of} {where}"
        if self.kind in ("style", "model") and self.field is None:
            text += ", which its project names"
        return f"{text} (nearest: {', '.join(self.nearest)})" if self.nearest else text


class Waiting(Struct, frozen=True, kw_only=True):
    """A job that refers to what is not there; it is decided again when anything arrives."""

    missing: tuple[Missing, ...]

    def __str__(self) -> str:
        return "; ".join(map(str, self.missing))
