"""A table of jobs of which most stay packed, as a snapshot of the state has them.

A job at rest is looked at rarely, and unpacked it takes four times the memory. Owns that one is
unpacked when somebody asks for it. Never changes what a job is; equal to a table of the same jobs.
"""

from collections.abc import ItemsView, Iterator, Mapping, ValuesView
from typing import Any, Final

import msgspec

from pipeline.core.state import JobState

_decoder: Final = msgspec.msgpack.Decoder(JobState)
AT_HAND: Final = 1024
"""So many that were asked for last stay unpacked, too."""


class Jobs(dict[str, Any]):
    """Jobs by key. As MessagePack those that are packed go as they are; as JSON nothing goes before
    all are unpacked (`dict(jobs.items())`)."""

    def __init__(self, table: Mapping[str, JobState | msgspec.Raw]) -> None:
        """What is Raw in the table is a JobState as MessagePack."""
        # Not through our own `items`, which would unpack all of them.
        super().__init__(table)
        self._at_hand: dict[str, JobState] = {}

    def __getitem__(self, key: str) -> JobState:
        found = super().__getitem__(key)
        if isinstance(found, JobState):
            return found
        known = self._at_hand.get(key)
        if known is None:
            known = self._at_hand[key] = _decoder.decode(found)
            if len(self._at_hand) > AT_HAND:
                del self._at_hand[next(iter(self._at_hand))]
        return known

    def get(self, key: str, default: Any = None) -> Any:
        """The job, or what is given instead."""
        try:
            return self[key]
        except KeyError:
            return default

    def __setitem__(self, key: str, job: JobState) -> None:
        self._at_hand.pop(key, None)
        super().__setitem__(key, job)

    def __delitem__(self, key: str) -> None:
        self._at_hand.pop(key, None)
        super().__delitem__(key)

    def values(self) -> ValuesView[JobState]:  # type: ignore[override]
        """All jobs; what was packed stays so."""
        return _Values(self)

    def items(self) -> ItemsView[str, JobState]:  # type: ignore[override]
        """All jobs with their keys; what was packed stays so."""
        return _Items(self)

    def copy(self) -> "Jobs":
        """The same jobs, packed or not."""
        return Jobs(self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, dict) and dict(self.items()) == dict(other.items())

    __hash__ = None

    def _each(self) -> Iterator[tuple[str, JobState]]:
        for key, found in super().items():
            yield key, found if isinstance(found, JobState) else self._seen(key, found)

    def _seen(self, key: str, packed: msgspec.Raw) -> JobState:
        known = self._at_hand.get(key)
        return _decoder.decode(packed) if known is None else known


class _Values(ValuesView[JobState]):
    _mapping: Jobs

    def __iter__(self) -> Iterator[JobState]:
        return (job for _, job in self._mapping._each())


class _Items(ItemsView[str, JobState]):
    _mapping: Jobs

    def __iter__(self) -> Iterator[tuple[str, JobState]]:
        return self._mapping._each()
