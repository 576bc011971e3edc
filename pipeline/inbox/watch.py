"""The inbox over time: what has changed since the last step, by content.

Owns what is known of every manifest, when a file counts as complete, and when as gone. Hints say
where to look first; hashes say what is true; everything is looked at when hints may be missing.
Time is an argument, in seconds that only grow, except in `wait`.
"""

import hashlib
import os
from collections import deque
from collections.abc import Set
from functools import partial
from pathlib import Path

from msgspec import structs

from pipeline.adapters import Adapters
from pipeline.core.adapters import AdapterFile, is_adapter_file
from pipeline.core.observed import FileGone, FileSeen
from pipeline.core.pictures import PictureFile, is_picture_file
from pipeline.core.problem import Problem
from pipeline.inbox import files, whole
from pipeline.inbox.files import Known, Signature
from pipeline.inbox.hints import Hinted, Hints
from pipeline.inbox.load import Loaded, load

SETTLE = 0.05
"""Seconds a file that nobody closed must stay as it is, to count as complete."""
ABSENCE = 0.5
"""Seconds a file must be absent to count as gone: git and editors delete and create again."""
RESCAN = 60.0
"""Seconds between two looks at everything."""
RETRY = 0.5
"""Seconds until a lost inbox is looked for again."""
TICK = 2.0
"""Seconds after which a write shows in the times of a file, on the coarsest file system."""
CHECK = 5.0
"""Seconds between two looks at whether the inbox is whole."""
MOST = 500
"""So many files are read in one step; a signal waits for no more than that."""
MANY = 10_000
"""So many are looked at in one step, most of them in vain."""


class Inbox:
    """Watches the manifests under `root`, an absolute path, from `start` to `stop`.

    `lost` says why the inbox is not whole, or is None: until it is, nothing is seen or gone.
    `scanned` is whether everything that was there at the start has been told.
    """

    def __init__(
        self,
        root: Path,
        *,
        polling: bool = False,
        adapters: Adapters | None = None,
        known: dict[str, Known] | None = None,
    ) -> None:
        """`adapters` knows what files of weights are as LoRAs of the models there are. `known`, its
        own from now on, is what another one had to `remember`: what is as it was is not told."""
        self._root = root
        self._adapters = adapters or Adapters()
        self._hints = Hints(root, polling=polling)
        self._pending = Hinted()
        self._known = {} if known is None else known
        self._raw_of = {each.file: raw for raw, each in self._known.items()}
        self._unsettled: dict[str, tuple[Signature | None, float]] = {}
        self._missing: dict[str, float] = {}
        self._renamed: list[str] = []
        """Public names that files have no longer, though they are there."""
        self._late: dict[str, bool] = {}
        self._astray: set[str] = set()
        """Known files that are only there by way of a link to a folder, which is not followed."""
        self._untold: list[FileSeen] = []
        self._first = True
        self._scanned_at: float | None = None
        self._locks = whole.git_locks(root)
        self._locked_since: float | None = None
        self._git_at_work = False
        self._watched: tuple[int, int] | None = None
        self._patience = 0.0
        self.lost: str | None = None

    @property
    def scanned(self) -> bool:
        """Whether the first scan has ended."""
        return not self._first

    @property
    def quiet(self) -> bool:
        """Whether nothing is under way: no hint untold, no file that settles or may be gone, git
        not at work."""
        waiting = self._unsettled or self._missing or self._late or self._git_at_work
        return not waiting and self._pending == Hinted() and not self._hints.waiting

    @property
    def polled(self) -> bool:
        """Whether the inbox is polled every second instead of watched."""
        return self._hints.polled

    @property
    def git_works(self) -> bool:
        """Whether git was changing the inbox at the last step: half a checkout is no state."""
        return self._git_at_work

    @property
    def names(self) -> set[str]:
        """The public names of all files that are known."""
        return {known.file for known in self._known.values()}

    def recall(self, file: str) -> FileSeen | None:
        """What a file said when it was last read, by its public name; None if it is not known, or
        cannot be read now, or says something else by now: then a step will tell what it says."""
        raw = self._raw_of.get(file)
        known = self._known.get(raw) if raw is not None else None
        if raw is None or known is None:
            return None
        try:
            data = files.text_of(self._root, raw, self._adapters)
        except OSError:
            data = None
        if data is None or hashlib.sha256(data).hexdigest() != known.sha256:
            # Whatever it says next is news, also what it said before.
            self._known[raw] = structs.replace(known, sha256="", signature=None, sure=False)
            self._pending.touched.add(raw)
            return None
        return self._says(raw, known.sha256, data)

    def remember(
        self, now: float, wall: float, besides: Set[str] = frozenset()
    ) -> dict[str, Known]:
        """What the next inbox on this folder need not tell again, by raw path; leaves out what is
        to be told `besides`, by public name.

        `wall` is the time of `now` by the clock that dates files, in seconds. Files that were read
        soon after they were written are left out, and so are weights and pictures, which say
        something else to other models or are too dear to be mistaken in.
        """
        return {
            raw: structs.replace(each, since=0.0, sure=True)
            for raw, each in self._known.items()
            if each.file not in besides
            and not files.is_binary(raw)
            and raw not in self._unsettled
            and (each.sure or _is_old(each, wall - now))
        }

    def start(self) -> None:
        """Begins to watch, before the first step looks; OSError if the inbox is not there."""
        self._hints.start()
        self._watched = whole.identity(self._root)

    def stop(self) -> None:
        """Ends watching; steps may go on."""
        self._watched = None
        self._hints.stop()

    def wait(self, timeout: float) -> bool:
        """Blocks until there is reason for a step, at most `timeout` seconds; whether it was a hint
        or `wake`."""
        return self._hints.wait(min(timeout, self._patience))

    def wake(self) -> None:
        """Ends a wait, from any thread."""
        self._hints.wake()

    def step(self, now: float) -> list[FileSeen | FileGone]:
        """What has changed since the last step: seen ones by path, then gone ones by path.

        The first step that returns anything has looked at everything. Thousands of files take
        several steps, and the last of them tells of all.
        """
        self._pending.merge(self._hints.take())
        self._patience = RETRY
        if not self._is_whole():
            return []
        self._git_at_work = self._holds_git(now)
        if self._git_at_work:
            self._patience = SETTLE
            return []
        self._untold += self._look(now)
        if self._late:
            self._patience = 0.0
            return []
        self._first = False
        seen, self._untold = sorted(self._untold, key=lambda each: each.file), []
        gone = self._absent(now)
        gone += [FileGone(file=file) for file in self._renamed]
        self._renamed.clear()
        self._patience = self._next_look(now)
        return [*seen, *gone]

    def _is_whole(self) -> bool:
        """Whether the inbox is there; watches it anew when it has come back or was replaced."""
        was_lost, self.lost = self.lost, whole.why_lost(self._root)
        if self.lost is not None:
            return False
        replaced = self._watched is not None and self._watched != whole.identity(self._root)
        deaf = self._watched is not None and not self._hints.works
        if was_lost or replaced or deaf or self._pending.root_gone:
            self._pending = Hinted(everything=True)
            self._missing.clear()
            return self._watch_again()
        return True

    def _watch_again(self) -> bool:
        """Watches the folder that stands there now; a watch belongs to the folder, not its name."""
        if self._watched is None:
            return True
        try:
            self._hints.stop()
            self.start()
        except OSError as error:
            self.lost = f"the inbox cannot be watched: {self._root}: {error}"
            return False
        return True

    def _holds_git(self, now: float) -> bool:
        """Whether git is changing the inbox at this moment: half a checkout is no state to show."""
        # Path.exists raises where a folder above may not be looked into.
        if not any(os.path.exists(lock) for lock in self._locks):
            self._locked_since = None
            return False
        if self._locked_since is None:
            self._locked_since = now
        return now < self._locked_since + whole.GIT_PATIENCE

    def _look(self, now: float) -> list[FileSeen]:
        """Looks where something may have changed, as far as one step goes."""
        due, failed = self._due(now)
        seen = [self._unreadable(raw, error) for raw, error in failed.items()]
        raws = deque(sorted(due.keys() - failed.keys()))
        read, last = 0, max(len(raws) - MANY, 0)
        while len(raws) > last and read < MOST:
            raw = raws.popleft()
            found = self._look_at(raw, now, complete=self._first or due[raw])
            read += found is not None
            seen.append(found)
        self._late = {raw: due[raw] for raw in raws}
        return [each for each in seen if each is not None]

    def _due(self, now: float) -> tuple[dict[str, bool], dict[str, OSError]]:
        """Raw paths to look at, and whether they are known to be complete; folders that cannot be
        listed."""
        hinted, self._pending = self._pending, Hinted()
        due: dict[str, bool] = {}
        failed: dict[str, OSError] = {}
        folders = hinted.folders
        if hinted.everything or self._scanned_at is None or now >= self._scanned_at + RESCAN:
            self._scanned_at = now
            self._locks = whole.git_locks(self._root)
            folders = {""}
        tops = {each for each in folders if not _is_below(each, folders)}
        for folder in tops:
            due.update(dict.fromkeys(files.walk(self._root, folder, failed.__setitem__), False))
        if tops:
            # Once over what is known, however many folders there are.
            unseen = [raw for raw in self._known
                      if raw not in due and (raw in tops or _is_below(raw, tops))]  # fmt: skip
            due.update(dict.fromkeys(unseen, False))
            behind = partial(files.is_behind_link, self._root)
            self._astray = set(filter(behind, {*self._astray, *unseen}))
        for raw in (*hinted.touched, *self._unsettled, *self._missing):
            due.setdefault(raw, False)
        for raw, complete in self._late.items():
            due[raw] = complete or due.get(raw, False)
        due.update(dict.fromkeys(hinted.closed, True))
        return due, failed

    def _look_at(self, raw: str, now: float, *, complete: bool) -> FileSeen | None:
        try:
            signature = files.signature(self._root, raw)
            if signature is None or raw in self._astray:
                self._miss(raw, now)
            elif self._is_settled(raw, signature, now, complete=complete):
                return self._learn(
                    raw, signature, files.text_of(self._root, raw, self._adapters), now
                )
        except FileNotFoundError:
            self._miss(raw, now)
        except OSError as error:
            return self._unreadable(raw, error)
        return None

    def _miss(self, raw: str, now: float) -> None:
        self._unsettled.pop(raw, None)
        if raw in self._known:
            # What was known before this inbox is, and was not watched, may be gone for long.
            unwatched = self._first and self._known[raw].sure
            self._missing.setdefault(raw, now - ABSENCE if unwatched else now)

    def _is_settled(self, raw: str, signature: Signature, now: float, *, complete: bool) -> bool:
        """Whether a file that is there should be read now: it may have changed, and is complete."""
        self._missing.pop(raw, None)
        known, waiting = self._known.get(raw), self._unsettled.get(raw)
        same = known is not None and known.sure and known.signature == signature
        if complete and not (same and self._first):
            return True
        if same:
            self._unsettled.pop(raw, None)
            return False
        if waiting is not None and waiting[0] == signature:
            return now >= waiting[1] + SETTLE
        self._unsettled[raw] = (signature, now)
        return False

    def _learn(
        self, raw: str, signature: Signature, data: bytes | None, now: float
    ) -> FileSeen | None:
        if data is None:
            self._unsettled[raw] = (None, now)
            return None
        self._unsettled.pop(raw, None)
        sha256 = hashlib.sha256(data).hexdigest()
        file, _ = self._name(raw)
        known = self._known.get(raw)
        same = known is not None and known.signature == signature
        since = known.since if known is not None and same else now
        self._known[raw] = Known(
            file=file,
            sha256=sha256,
            signature=signature,
            since=since,
            sure=now >= since + TICK,
        )
        if known is not None and known.sha256 == sha256:
            return None
        return self._says(raw, sha256, data)

    def _says(self, raw: str, sha256: str, data: bytes) -> FileSeen:
        """What a file says, by its bytes."""
        file, fault = self._name(raw)
        return _seen(sha256, _faulty(file, fault, "rename it") if fault else load(data, file))

    def _unreadable(self, raw: str, error: OSError) -> FileSeen | None:
        self._unsettled.pop(raw, None)
        self._missing.pop(raw, None)
        message = f"this cannot be read: {error.strerror or error}"
        sha256 = hashlib.sha256(message.encode()).hexdigest()
        file, _ = self._name(raw)
        known = self._known.get(raw)
        self._known[raw] = Known(file=file, sha256=sha256, signature=None, since=0.0, sure=False)
        if known is not None and known.sha256 == sha256:
            return None
        loaded = _faulty(file, message, "check its permissions and its owner")
        return _seen(sha256, loaded)

    def _name(self, raw: str) -> tuple[str, str]:
        """The public name, and what is wrong with it; of two spellings of one name the first that
        was seen has it."""
        file, fault = files.public_name(raw)
        holder = self._raw_of.setdefault(file, raw)
        if holder != raw and not self._stands(holder):
            # It was renamed from one spelling to another: the file is the same.
            self._raw_of[file] = raw
            self._missing.pop(holder, None)
            if (mine := self._known.get(raw)) is not None:
                self._renamed.append(mine.file)
            if (before := self._known.pop(holder, None)) is not None:
                self._known[raw] = structs.replace(before, signature=None, sure=False)
            holder = raw
        if holder == raw:
            return file, fault
        spelled = raw.encode("ascii", "backslashreplace").decode()
        return spelled, f"another file is called {file} too, in another Unicode spelling"

    def _stands(self, raw: str) -> bool:
        """Whether a file is there, or may be."""
        try:
            return files.signature(self._root, raw) is not None
        except OSError:
            return True

    def _absent(self, now: float) -> list[FileGone]:
        absent = sorted(raw for raw, since in self._missing.items() if now >= since + ABSENCE)
        if absent and (reason := whole.why_lost(self._root)) is not None:
            self.lost = reason
            return []
        gone = []
        for raw in absent:
            del self._missing[raw]
            known = self._known.pop(raw)
            if self._raw_of.get(known.file) == raw:
                del self._raw_of[known.file]
            gone.append(FileGone(file=known.file))
        return gone

    def _next_look(self, now: float) -> float:
        """Seconds until something is due without a hint."""
        due = [since + SETTLE for _, since in self._unsettled.values()]
        due += [since + ABSENCE for since in self._missing.values()]
        due += [now + CHECK, (self._scanned_at or now) + RESCAN]
        return max(min(due) - now, 0.001)


def _is_old(known: Known, ahead: float) -> bool:
    """Whether a file had long been as it is when it was read; `ahead` is how much more the clock
    of files shows than the one that `since` is by."""
    if known.signature is None:
        return False
    changed = max(known.signature.changed_ns, known.signature.modified_ns) / 1e9
    return changed + TICK < known.since + ahead


def _is_below(raw: str, folders: set[str]) -> bool:
    """Whether a path lies in one of the folders, at any depth ('' is the inbox)."""
    if raw and "" in folders:
        return True
    end = raw.rfind("/")
    while end > 0:
        if raw[:end] in folders:
            return True
        end = raw.rfind("/", 0, end)
    return False


def _seen(sha256: str, loaded: Loaded) -> FileSeen:
    return FileSeen(
        file=loaded.file,
        sha256=sha256,
        manifests=tuple(each.manifest for each in loaded.documents),
        lines=tuple(each.line for each in loaded.documents),
        problems=loaded.problems,
        several=loaded.several,
        styles=loaded.styles,
        wildcard=loaded.wildcard,
        adapter=loaded.adapter,
        picture=loaded.picture,
    )


def _faulty(file: str, message: str, hint: str) -> Loaded:
    if is_adapter_file(file):
        return Loaded(file=file, adapter=AdapterFile(fault=message))
    if is_picture_file(file):
        return Loaded(file=file, picture=PictureFile(fault=message))
    problem = Problem(file=file, line=1, column=1, message=message, hint=hint)
    return Loaded(file=file, problems=(problem,))
