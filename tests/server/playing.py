"""A production that plays: the real runner, inbox, journal and server, in a thread of its own.

Only the pool is the one that draws coloured squares. It is what the program is to a browser or a
client, starts in a moment, and obeys as `anime run` would.
"""

from __future__ import annotations

import http.client
import json
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from pipeline.core import events as e
from pipeline.core.observed import Stepped
from pipeline.core.resolved import Task
from pipeline.core.status import status
from pipeline.inbox.watch import Inbox
from pipeline.journal import Journal
from pipeline.runner import Runner
from pipeline.server import Server
from pipeline.settled import Resumed
from tests.fakes import FakePool
from tests.running import MODEL, fold
from tests.server.asking import PATIENCE, Answer

JSON = ("Content-Type", "application/json")


class Playing:
    """A run on an inbox, served at `url`; where it is `patient`, pictures stay in work until
    `finish`. `options` are the server's."""

    def __init__(self, root: Path, *, patient: bool = False, **options: Any) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self.root = root
        self.journal = Journal.open(root / ".pipeline", clock=lambda: datetime.now(UTC))
        self.inbox = Inbox(root)
        self.pool = FakePool(root, wake=self.inbox.wake)
        self.pool.patient = patient
        self.server = Server(
            inbox=root, journal=self.journal.path, state=fold(root), port=0, **options
        )
        started = e.RunnerStarted(version="0", model=MODEL, workers=3, device="cpu", pid=1)
        self.runner = Runner(
            root=root, inbox=self.inbox, journal=self.journal, pool=self.pool,
            resumed=Resumed.anew(fold(root)), audience=self.server, opening=[started],
        )  # fmt: skip
        self.url = ""
        self._acts: queue.Queue[Callable[[], None]] = queue.Queue()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._play, name="runner", daemon=True)

    def __enter__(self) -> Self:
        self.inbox.start()
        self.pool.start()
        self.url = self.server.start()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self.inbox.wake()
        self._thread.join()
        self.server.stop()
        self.pool.kill()
        self.inbox.stop()
        self.journal.close()

    def drop(self, file: str, text: str) -> None:
        """Put a manifest in place."""
        path = self.root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.tmp")
        part.write_text(text)
        part.replace(path)

    def do(self, act: Callable[[], None]) -> None:
        """Act in the runner's thread, and wait until that is done."""
        done = threading.Event()

        def acting() -> None:
            act()
            done.set()

        self._acts.put(acting)
        self.inbox.wake()
        assert done.wait(PATIENCE), "the runner did not come to it"

    @contextmanager
    def held(self) -> Iterator[None]:
        """The runner makes no step meanwhile."""
        held, go_on = threading.Event(), threading.Event()

        def holding() -> None:
            held.set()
            go_on.wait()

        self._acts.put(holding)
        self.inbox.wake()
        assert held.wait(PATIENCE), "the runner did not come to it"
        try:
            yield
        finally:
            go_on.set()

    def in_work(self) -> list[Task]:
        """What the workers draw now."""
        found: list[Task] = []
        self.do(
            lambda: found.extend(live.task for live in self.pool.live() if live.task is not None)
        )
        return found

    def tick(self, task: Task, step: int) -> None:
        """A step of a picture in work is done."""

        def ticking() -> None:
            worker = next(live.name for live in self.pool.live() if live.task == task)
            self.server.ticked(
                Stepped(worker=worker, task=task, step=step, steps=task.resolved.steps)
            )

        self.do(ticking)

    def finish(self, *jobs: str) -> None:
        """Finish what is in work of these jobs, or all of it until nothing is left."""
        while tasks := [task for task in self.in_work() if not jobs or task.job in jobs]:
            for task in tasks:
                self.do(lambda task=task: self.pool.finish(task.id))  # type: ignore[misc]
            if jobs:
                return
            self.do(lambda: None)

    def status(self, key: str) -> str:
        """How a job stands; "" for one that is not known."""
        state = self.runner.state
        return status(state, state.jobs[key]) if key in state.jobs else ""

    def until(self, done: Callable[[], bool]) -> None:
        """Wait for something to be so, in the runner's thread."""
        deadline = time.monotonic() + PATIENCE
        answers: list[bool] = []
        while True:
            self.do(lambda: answers.append(done()))
            if answers.pop():
                return
            assert time.monotonic() < deadline, "it did not come to that"
            self._over.wait(0.01)

    def send(
        self, method: str, path: str, value: Any, headers: Sequence[tuple[str, str]] = (JSON,)
    ) -> Answer:
        """A write; `value` goes as JSON, bytes go as they are."""
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        return _send(self.url, method, path, data, headers)

    def until_said(self, path: str, field: str, value: object) -> Any:
        """Ask until an answer says so."""
        deadline = time.monotonic() + PATIENCE
        while True:
            answer = _send(self.url, "GET", path, b"", ()).json
            if answer.get(field) == value:
                return answer
            assert time.monotonic() < deadline, f"{path} does not come to {field}: {value}"
            self._over.wait(0.02)

    def _play(self) -> None:
        while not self._over.is_set():
            self.inbox.wait(0.05)
            self.runner.step(time.monotonic())
            while not self._acts.empty():
                self._acts.get()()


def _send(
    url: str, method: str, path: str, data: bytes, headers: Sequence[tuple[str, str]]
) -> Answer:
    place = urlsplit(url)
    connection = http.client.HTTPConnection(
        place.hostname or "", place.port or 80, timeout=PATIENCE * 2
    )
    try:
        connection.request(method, path, data or None, dict(headers))
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read())
    finally:
        connection.close()
