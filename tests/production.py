"""A production in memory for tests: files go in as text, events come out, the state is folded.

It is the runner's own order (`decide`, fold, `request`, fold) without journal, disk or workers.
"""

import hashlib
from collections.abc import Iterable

from pipeline.core import events as e
from pipeline.core import observed as o
from pipeline.core.commands import Command
from pipeline.core.decide import decide, request
from pipeline.core.manifest import Project
from pipeline.core.missing import Waiting
from pipeline.core.pending import pending
from pipeline.core.resolve import Compiled, resolve
from pipeline.core.resolved import Made, Model, Task
from pipeline.core.ripple import Ripple, spread
from pipeline.core.state import JobState, State
from pipeline.inbox.load import load

MODEL = Model(name="test", sha256="ab" * 32, width=256, height=256)
MADE = Made(device="cpu", dtype="float32", threads=1, batch=1, torch="2", diffusers="0")


def seen(file: str, text: str) -> o.FileSeen:
    """What the inbox says of a file with this text."""
    loaded = load(text.encode(), file)
    return o.FileSeen(
        file=file,
        sha256=hashlib.sha256(text.encode()).hexdigest(),
        manifests=tuple(document.manifest for document in loaded.documents),
        lines=tuple(document.line for document in loaded.documents),
        problems=loaded.problems,
        several=loaded.several,
        styles=loaded.styles,
        wildcard=loaded.wildcard,
    )


class Production:
    """A state and the events that made it."""

    def __init__(self) -> None:
        self.state = State()
        self.events: list[e.Event] = []
        self._files: dict[str, o.FileSeen] = {}
        self.texts: dict[str, str] = {}
        self._reached: list[Ripple] = []
        self._given = 0
        self.record(e.RunnerStarted(version="0", model=MODEL, workers=3, device="cpu", pid=1))

    def record(self, *events: e.Event) -> None:
        for event in events:
            self.events.append(event)
            seq = self.state.seq + 1
            self._reached.append(spread(self.state, seq, f"at-{seq}", event))

    def observe(self, *looks: o.FileSeen | o.FileGone | o.Report | o.Order) -> list[e.Event]:
        """Decide and fold until nothing more follows; all the events that came of it."""
        before = len(self.events)
        room: list[o.FileSeen | o.FileGone | o.Report | o.Order] = list(looks)
        jobs: set[str] = set()
        while room or self._reached:
            for look in room:
                self.record(*decide(self.state, look))
            reached, self._reached = self._reached, []
            files = sorted(file for one in reached for file in one.files)
            room = [self._files[file] for file in files if file in self._files]
            jobs.update(key for one in reached for key in one.jobs)
        for key in sorted(jobs):
            self.record(*request(self.state, self.state.jobs[key]))
        self._reached = []
        return self.events[before:]

    def drop(self, file: str, text: str) -> list[e.Event]:
        self._files[file], self.texts[file] = seen(file, text), text
        return self.observe(self._files[file])

    def remove(self, file: str) -> list[e.Event]:
        self._files.pop(file, None)
        self.texts.pop(file, None)
        return self.observe(o.FileGone(file=file))

    def checkout(self, files: Iterable[tuple[str, str]]) -> None:
        """Many files at once, in the runner's order: projects before what stands under them."""
        looks = [seen(file, text) for file, text in files]
        self._files.update((look.file, look) for look in looks)
        looks.sort(key=lambda look: not any(isinstance(m, Project) for m in look.manifests))
        self.observe(*looks)

    def command(self, said: Command) -> e.CommandAnswered:
        """Obey a command; the answer, which is the last event of its own."""
        self._given += 1
        made = self.observe(o.Commanded(command=f"command-{self._given}", said=said))
        (answer,) = [event for event in made if isinstance(event, e.CommandAnswered)]
        return answer

    def job(self, key: str) -> JobState:
        return self.state.jobs[key]

    def compiled(self, key: str = "show/rain") -> Compiled:
        """What a job comes to that waits for nothing."""
        found = resolve(self.state, self.job(key))
        assert isinstance(found, Compiled), found
        return found

    def waits(self, key: str = "show/rain") -> str:
        """What a job waits for, in words."""
        found = resolve(self.state, self.job(key))
        assert isinstance(found, Waiting), found
        return str(found)

    def tasks(self, most: int = 100) -> list[Task]:
        return pending(self.state, set(), most)

    def paint(self, task: Task, sha256: str = "") -> list[e.Event]:
        """A worker draws the task, from its begin to its end."""
        self.observe(o.Began(worker="worker-1", task=task, at=0.0))
        return self.observe(
            o.Painted(
                worker="worker-1", task=task, file=task.file,
                sha256=sha256 or hashlib.sha256(f"{task.digest}{task.seed}".encode()).hexdigest(),
                seconds=1.0, shelved=task.replaces is not None, made=MADE,
            )
        )  # fmt: skip
