"""Which pictures of the inbox are read: those that some manifest names.

An inbox is full of pictures that were drawn, and only a few of all of them decide another. Owns the
names; where a picture may stand is `pipeline.core.pictured`'s. Never reads a file.
"""

import unicodedata
from collections import Counter

from pipeline.core.pictured import is_picture_file, wanted
from pipeline.inbox.load import Loaded


class Named:
    """The places that pictures may stand at which manifests name."""

    def __init__(self) -> None:
        self._by_manifest: dict[str, frozenset[str]] = {}
        self._times: Counter[str] = Counter()
        self._changed: set[str] = set()

    def wants(self, raw: str) -> bool:
        """Whether a manifest names what stands there; may be asked from any thread."""
        return is_picture_file(raw) and unicodedata.normalize("NFC", raw) in self._times

    def changed(self) -> set[str]:
        """The places that are named since the last time, or no longer are."""
        changed, self._changed = self._changed, set()
        return changed

    def read(self, raw: str, loaded: Loaded) -> None:
        """Take note of what a file says; while it has problems, what it said before may hold."""
        places = frozenset(
            place
            for document in loaded.documents
            for place in wanted(loaded.file, document.manifest)
        )
        if loaded.problems:
            places |= self._by_manifest.get(raw, frozenset())
        self._note(raw, places)

    def gone(self, raw: str) -> None:
        """A manifest is not there any more."""
        self._note(raw, frozenset())

    def _note(self, raw: str, places: frozenset[str]) -> None:
        before = self._by_manifest.pop(raw, frozenset())
        if places:
            self._by_manifest[raw] = places
        for place in places - before:
            self._times[place] += 1
            if self._times[place] == 1:
                self._changed.add(place)
        for place in before - places:
            self._times[place] -= 1
            if not self._times[place]:
                del self._times[place]
                self._changed.add(place)
