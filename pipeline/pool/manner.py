"""How workers draw, beside what and with what."""

from typing import Final, Literal

from msgspec import Struct


class Manner(Struct, frozen=True, kw_only=True):
    """Every `previews` steps a worker shows what emerges; 0 is never. Up to `batch` pictures that
    are alike are drawn at once by each, which then counts as so many workers. They are forked from
    a process that has all their imports, or spawned, by `start_method`. So many of them denoise at
    once as `denoising` says; 0 is all."""

    previews: int = 0
    batch: int = 1
    start_method: Literal["fork", "spawn"] = "fork"
    denoising: int = 0


USUAL: Final = Manner()
