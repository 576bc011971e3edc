"""Which job a public id speaks of: that of a job, or that of a picture of it.

Owns two tables, made from the state when somebody first asks for what is not shown, and kept up
fact by fact. A long history makes them long, so a picture takes twelve bytes. Decides nothing.
"""

import re
from array import array
from bisect import bisect_left

from pipeline.core import events as e
from pipeline.core.digest import id_of
from pipeline.core.state import State
from pipeline.server.view import SHEET, JobView, picture_id

_PICTURE = re.compile(r"[0-9a-f]{16}")
_JOB = re.compile(r"[0-9a-f]{8}")
_SHOWN = 20_000
"""Pictures that are found without the table, as they have just been shown."""


class Jobs:
    """The jobs by their ids. Of two that have the same the first one keeps it."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._keys: dict[int, str] | None = None

    def key(self, name: str) -> str | None:
        """The key of the job of that id."""
        if not _JOB.fullmatch(name):
            return None
        if self._keys is None:
            self._keys = {}
            for key, job in self._state.jobs.items():
                self._keys.setdefault(_number(key, job.spec.id), key)
        return self._keys.get(int(name, 16))

    def learn(self, key: str) -> None:
        """There is a job of that key, or its manifest says another id."""
        if self._keys is not None:
            self._keys.setdefault(_number(key, self._state.jobs[key].spec.id), key)

    def forget(self, key: str) -> None:
        """The job's manifest is about to say another id."""
        job = self._state.jobs.get(key)
        if self._keys is None or job is None:
            return
        known = _number(key, job.spec.id)
        if self._keys.get(known) == key:
            del self._keys[known]


class Pictures:
    """The jobs by the ids of their pictures and sheets: sorted numbers and, beside each, the
    number of its job; what was shown or drawn lately is in a table of its own."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._lately: dict[int, str] = {}
        self._keys: list[str] | None = None
        self._ids = array("Q")
        self._places = array("I")

    def key(self, name: str) -> str | None:
        """The key of the job that the picture of that id is of."""
        if not _PICTURE.fullmatch(name):
            return None
        wanted = int(name, 16)
        if (found := self._lately.get(wanted)) is not None:
            return found
        keys = self._read() if self._keys is None else self._keys
        at = bisect_left(self._ids, wanted)
        return keys[self._places[at]] if at < len(self._ids) and self._ids[at] == wanted else None

    def learn(self, event: e.Event) -> None:
        """A fact is on disk; it may be a picture."""
        match event:
            case e.ImageRendered(index=index) | e.ImageReused(index=index):
                self._remember(picture_id(event.job, event.take, index), event.job)
            case e.SheetComposed():
                self._remember(picture_id(event.job, event.take, SHEET), event.job)
            case _:
                pass

    def shown(self, view: JobView) -> None:
        """A job is shown: its pictures are about to be asked for."""
        if self._keys is None:
            for take in view.takes:
                for image in take.images:
                    self._remember(image.id, view.key)
                if take.sheet is not None:
                    self._remember(take.sheet.id, view.key)

    def _remember(self, name: str, key: str) -> None:
        if self._keys is None and len(self._lately) >= _SHOWN:
            self._lately.clear()
        self._lately[int(name, 16)] = key

    def _read(self) -> list[str]:
        self._keys = list(self._state.jobs)
        found = [
            (int(picture_id(key, take.number, index), 16), number)
            for number, (key, job) in enumerate(self._state.jobs.items())
            for take in job.takes
            for index in (*take.images, *((SHEET,) if take.sheet is not None else ()))
        ]
        found.sort()
        self._ids.extend(one for one, _ in found)
        self._places.extend(number for _, number in found)
        self._lately.clear()
        return self._keys


def _number(key: str, own: str | None) -> int:
    """A job's id as it is kept: eight hex digits are small as a number."""
    return int(id_of("job", key, own), 16)
