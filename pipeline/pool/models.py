"""Which models the workers hold, or are about to, as the runner's side knows it.

Owns the order that stands and whether it has been carried out. Never speaks to the keeper: the pool
does. Models are spoken of by their sha256.
"""

from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from pipeline.core.observed import Switched, Unusable
from pipeline.modelfiles import ModelFiles
from pipeline.room import NOTHING_KNOWN, Room


class Several(Struct, frozen=True, kw_only=True):
    """That there are other models than the one: the workers begin with `first`, or with the one
    itself, and `room` says how many fit into memory."""

    others: tuple[ModelFiles, ...] = ()
    first: str = ""
    room: Room = NOTHING_KNOWN


ALONE: Final = Several()


class Models:
    """`held` are the models that the workers hold or are about to hold."""

    def __init__(self, usual: ModelFiles, several: Several) -> None:
        self.held: tuple[str, ...] = (several.first or usual.sha256,)
        self.several = bool(several.others)
        self.room = several.room
        """What is known of the memory for them."""
        self._ordered: tuple[str, ...] = self.held
        self._came: str | None = None
        """A model that no worker was warm with yet since it was ordered."""
        self._left: tuple[str, ...] = ()
        self._since = 0.0

    def fits(self, models: tuple[str, ...]) -> bool:
        """Whether these may be held together."""
        return self.room.fits(models)

    def measured(self, free: int, each: int) -> None:
        """The device has so many bytes free, and a weight takes so many there."""
        self.room = replace(self.room, free=free, each=each)

    def change(self, models: tuple[str, ...], now: float) -> None:
        """From now on these are to be held."""
        came = [one for one in models if one not in self.held]
        if came:
            self._came, self._since = came[-1], now
            self._left = tuple(one for one in self.held if one not in models)
        self.held = models

    def order(self) -> tuple[str, ...] | None:
        """What the keeper has to be told, which then counts as told; None if it knows."""
        if self._ordered == self.held:
            return None
        self._ordered = self.held
        return self.held

    def arrived(self, now: float) -> Switched | None:
        """A worker is warm with all that is held: what is to be reported of that, once."""
        if self._came is None:
            return None
        came, self._came = self._came, None
        return Switched(model=came, left=self._left, seconds=now - self._since)

    def without(self, model: str, error: str, hint: str) -> Unusable:
        """Hold a model no longer that cannot be had; the keeper knows, or will be told anew."""
        self.held = self._ordered = tuple(one for one in self.held if one != model)
        self._came = None
        return Unusable(model=model, error=error, hint=hint)
