"""The inbox as it was last seen: what changed, in the order in which it is to be decided.

Owns what each file said last, and what went away while nobody watched. Never decides.
"""

from collections.abc import Set
from pathlib import Path

from pipeline.core import observed as o
from pipeline.core.manifest import Project
from pipeline.core.state import State
from pipeline.inbox.files import is_behind_link, signature
from pipeline.parts import Inbox


class Sight:
    """`seen` has what each file said that was looked at in this run; `complete` says whether
    everything has been looked at once."""

    def __init__(self, root: Path, inbox: Inbox) -> None:
        self.seen: dict[str, o.FileSeen] = {}
        self.complete = False
        self._root, self._inbox = root, inbox

    def look(self, now: float, state: State) -> list[o.FileSeen | o.FileGone]:
        """What changed: files that are gone, then projects before what stands under them.

        When everything has been looked at for the first time, what `state` knows and nobody found
        is gone too.
        """
        files = sorted(self._inbox.step(now), key=_order)
        for file in files:
            if isinstance(file, o.FileSeen):
                self.seen[file.file] = file
            else:
                self.seen.pop(file.file, None)
        if self.complete or not self._inbox.scanned:
            return files
        self.complete = True
        return [*self._gone_meanwhile(state, {file.file for file in files}), *files]

    def recall(self, file: str) -> o.FileSeen | None:
        """What a file said when it was last looked at, in this run or an earlier one; None for one
        that is not there, or that is about to be looked at again."""
        return self.seen.get(file) or self._inbox.recall(file)

    def _gone_meanwhile(self, state: State, told: Set[str]) -> list[o.FileGone]:
        known = state.files.keys() | state.rejected.keys()
        return [
            o.FileGone(file=file)
            for file in sorted(known - self._inbox.names - told)
            if _is_gone(self._root, file)
        ]


def _order(seen: o.FileSeen | o.FileGone) -> tuple[int, int, str]:
    """Files that are gone, then those with a project, from the inbox's root downwards."""
    if isinstance(seen, o.FileGone):
        order = 0
    else:
        order = 1 if any(isinstance(m, Project) for m in seen.manifests) else 2
    return order, seen.file.count("/"), seen.file


def _is_gone(root: Path, file: str) -> bool:
    """Whether there is certainly no such file; one that cannot be looked at may be there."""
    try:
        return signature(root, file) is None or is_behind_link(root, file)
    except OSError:
        return False
