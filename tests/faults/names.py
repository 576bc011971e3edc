"""New names in a folder, told by the kernel at once: a file that lives for a millisecond is seen.

Owns one inotify descriptor. See inotify(7).
"""

import ctypes
import os
import select
import struct
from pathlib import Path

_IN_MOVED_TO = 0x80
_IN_CREATE = 0x100
_HEAD = struct.Struct("iIII")


class Names:
    """Names that come into being in one folder, from now on."""

    def __init__(self, folder: Path) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        watched = libc.inotify_add_watch(
            self._descriptor, os.fsencode(folder), _IN_CREATE | _IN_MOVED_TO
        )
        if min(self._descriptor, watched) < 0:
            raise OSError(ctypes.get_errno(), "no watch", str(folder))

    def fresh(self, seconds: float) -> list[str]:
        """Those that came since the last call, in order; waits so long for the first."""
        if not select.select([self._descriptor], [], [], seconds)[0]:
            return []
        data, found = os.read(self._descriptor, 65536), []
        while data:
            length = _HEAD.unpack_from(data)[3]
            name = data[_HEAD.size : _HEAD.size + length].rstrip(b"\0")
            found.append(os.fsdecode(name))
            data = data[_HEAD.size + length :]
        return found

    def close(self) -> None:
        os.close(self._descriptor)
