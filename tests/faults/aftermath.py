"""What must be so after any number of deaths: the judgement that the kill tests and the soak share.

Owns the counts, all of which are to be 0. Reads the journal through its own readers only.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import msgspec
from msgspec import Struct

from pipeline.core import events as e
from pipeline.core.pending import queue
from pipeline.core.state import State
from pipeline.history import PRIVATE, event_of, fold, journal_path, restore
from pipeline.journal import replay

_UNFINISHED = (".part", ".tmp")
_CACHE = "torchinductor_"
"""One folder of that name for each user, which importing torch makes once: it does not add up."""
_FOREIGN = (".org.chromium", ".com.google")
"""What a browser that somebody else runs on this machine keeps in /dev/shm."""


class Aftermath(Struct, frozen=True, kw_only=True):
    """All but `pictures` name what is wrong."""

    pictures: int
    doubled: tuple[str, ...]
    lost: tuple[str, ...]
    differing: tuple[str, ...]
    state: tuple[str, ...]

    @property
    def good(self) -> bool:
        return not (self.doubled or self.lost or self.differing or self.state)


def judge(root: Path, calm: dict[str, str]) -> Aftermath:
    """An inbox after all is drawn; `calm` is sha256 by file of the pictures that an undisturbed
    run drew, and empty where there was none."""
    told = events(root)
    state = fold(replay(journal_path(root)))
    drawn = Counter(
        (fact.job, fact.take, fact.index)
        for fact in told
        if isinstance(fact, e.ImageRendered | e.ImageReused)
    )
    stands = standing(root)
    return Aftermath(
        pictures=sum(drawn.values()),
        doubled=tuple(str(key) for key, times in drawn.items() if times > 1),
        lost=(*owed(state), *gone(state, stands), *sorted(calm.keys() - stands.keys())),
        differing=tuple(
            sorted(name for name, sha256 in stands.items() if calm and calm.get(name) != sha256)
        ),
        state=() if _same(state, restore(root)) else ("restored differs from the fold",),
    )


def events(root: Path) -> list[e.Event]:
    """Everything that an inbox's journal says."""
    return [event_of(line) for line in replay(journal_path(root))]


def owed(state: State) -> list[str]:
    """Pictures that are neither drawn nor explained."""
    return [f"{job.key} is owed {job.takes[-1].owed}" for job in queue(state)]


def gone(state: State, stands: dict[str, str]) -> list[str]:
    """Pictures that the journal speaks of and that are not on the disk as it says."""
    return [
        f"{image.file} is not as the journal says"
        for job in state.jobs.values()
        for take in job.takes
        for image in take.images.values()
        if not image.discarded and stands.get(image.file) != image.sha256
    ]


def standing(root: Path) -> dict[str, str]:
    """sha256 of every picture on the disk, by its name in the inbox."""
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in root.rglob("*.png")
    }


def unowned(root: Path, state: State) -> list[str]:
    """Files in the inbox that are no manifest, no picture of the journal's and no error file, and
    unfinished ones in the program's own folder."""
    owned = {
        image.file for job in state.jobs.values() for take in job.takes for image in take.pictures
    }
    found = []
    for path in root.rglob("*"):
        name = str(path.relative_to(root))
        if not path.is_file() or name in owned:
            continue
        if name.startswith(f"{PRIVATE}/"):
            if path.name.endswith(_UNFINISHED) or path.suffix == ".png":
                found.append(name)
        elif path.suffix != ".yaml" and not path.name.endswith(".error.txt"):
            found.append(name)
    return sorted(found)


def shared_memory() -> set[str]:
    """What lies in /dev/shm, but for what browsers keep there."""
    folder = Path("/dev/shm")
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    return {name for name in names if not name.startswith(_FOREIGN)}


def left_in(folders: Iterable[Path]) -> list[str]:
    """All that lies in folders which ought to be empty, but for torch's own cache."""
    found = (path for folder in folders for path in folder.iterdir())
    return sorted(str(path) for path in found if not path.name.startswith(_CACHE))


def _same(one: State, other: State) -> bool:
    """Byte for byte, as a snapshot has them: jobs that are still packed go as they are."""
    return msgspec.msgpack.encode(one) == msgspec.msgpack.encode(other)
