"""sha256 of files, remembered in a JSON file by path, size and time of change.

Owns that file, which costs only time when it is lost. Never decides what is hashed.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from pipeline.pictures import sha256_of


class Hashes:
    """What is known of files; `save` keeps what was found anew. With no cache nothing is kept."""

    def __init__(self, cache: Path | None) -> None:
        self._cache = cache
        self._known: dict[str, list[Any]] = {}
        self._fresh = False
        if cache is not None and cache.is_file():
            try:
                self._known = msgspec.json.decode(cache.read_bytes(), type=dict[str, list[Any]])
            except (OSError, msgspec.MsgspecError):
                self._fresh = True

    def of(self, file: Path) -> str:
        """The file's sha256, read only if it has changed since it was known."""
        now = file.stat()
        # Resolved, since model hubs keep their files elsewhere and link to them.
        key, mark = str(file.resolve()), [now.st_size, now.st_mtime_ns]
        known = self._known.get(key)
        if known is not None and known[:2] == mark and len(known) == 3:
            return str(known[2])
        self._known[key] = [*mark, sha256_of(Path(key))]
        self._fresh = True
        return str(self._known[key][2])

    def save(self) -> None:
        """Keep what is known for the next time."""
        if self._cache is None or not self._fresh:
            return
        part = self._cache.with_name(f".{self._cache.name}.{os.getpid()}.part")
        # A cache that cannot be written, as on a full disk, only costs time.
        with suppress(OSError):
            self._cache.parent.mkdir(parents=True, exist_ok=True)
            part.write_bytes(msgspec.json.encode(self._known))
            os.replace(part, self._cache)
        with suppress(OSError):
            part.unlink(missing_ok=True)
