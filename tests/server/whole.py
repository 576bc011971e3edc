"""A whole run but for the model: the real runner, inbox, journal and server, on a thread.

Only drawing is left out: the pool draws coloured squares. It is what the program is to a client,
and starts in a moment.
"""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pipeline.core import events as e
from pipeline.inbox.watch import Inbox
from pipeline.journal import Journal
from pipeline.runner import Runner
from pipeline.server import Server
from tests.fakes import FakePool
from tests.running import MODEL, fold
from tests.server.asking import PATIENCE, Answer

JSON = ("Content-Type", "application/json")


class Living:
    """The run; `url` is where it is served. Whoever holds `turn` keeps the runner from a step."""

    def __init__(self, root: Path, **options: Any) -> None:
        self.root = root
        self.journal = Journal.open(root / ".pipeline", clock=lambda: datetime.now(UTC))
        self.inbox = Inbox(root)
        self.pool = FakePool(root, wake=self.inbox.wake)
        self.server = Server(
            inbox=root, journal=self.journal.path, state=fold(root), port=0, **options
        )
        started = e.RunnerStarted(version="0", model=MODEL, workers=3, device="cpu", pid=1)
        self.runner = Runner(
            root=root, inbox=self.inbox, journal=self.journal, pool=self.pool, state=fold(root),
            audience=self.server, opening=[started],
        )  # fmt: skip
        self.turn = threading.Lock()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._live, name="runner")

    def start(self) -> None:
        self.inbox.start()
        self.pool.start()
        self.url = self.server.start()
        self._thread.start()

    def _live(self) -> None:
        while not self._end.is_set():
            self.inbox.wait(0.02)
            with self.turn:
                self.runner.step(time.monotonic())

    def close(self) -> None:
        self._end.set()
        self._thread.join()
        self.server.stop()
        self.pool.kill()
        self.inbox.stop()
        self.journal.close()

    def send(
        self, method: str, path: str, value: Any, headers: Sequence[tuple[str, str]] = (JSON,)
    ) -> Answer:
        """A write; `value` goes as JSON, bytes go as they are."""
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        return send(self.url, method, path, data, headers)

    def until(self, path: str, field: str, value: object) -> Any:
        """Ask until an answer says so."""
        deadline = time.monotonic() + PATIENCE
        pause = threading.Event()
        while True:
            answer = send(self.url, "GET", path, b"", ()).json
            if answer.get(field) == value:
                return answer
            assert time.monotonic() < deadline, f"{path} does not come to {field}: {value}"
            pause.wait(0.02)


@contextmanager
def living(root: Path, **options: Any) -> Iterator[Living]:
    root.mkdir(exist_ok=True)
    run = Living(root, **options)
    run.start()
    try:
        yield run
    finally:
        run.close()


def send(
    url: str, method: str, path: str, data: bytes, headers: Sequence[tuple[str, str]]
) -> Answer:
    """One request with a body."""
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
