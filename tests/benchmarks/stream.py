"""The page's stream under load: `python -m tests.benchmarks stream`.

200 listeners and 200 facts a second. Deliveries a CPU second of the server's process, against the
same server yielding dicts that sse-starlette encodes for each listener; how late the facts come;
and whether ten listeners that take nothing make the others wait. All in one run, in turns.
"""

import asyncio
import re
import selectors
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from statistics import median, quantiles

from msgspec import Struct
from sse_starlette import EventSourceResponse
from starlette.requests import Request
from starlette.responses import Response

from pipeline.core import events as e
from pipeline.core.state import State
from pipeline.journal import Line
from pipeline.server import Server
from pipeline.server.topics import EVERYBODY, Topic
from tests.benchmarks.table import Row

LISTENERS = 200
RATE = 200
SECONDS = 5
ROUNDS = 3
STALLED = 10
_SENT = re.compile(rb'"sent":([0-9.]+)')
_PADDING = "x" * 240
"""With it a fact is about as long as one of a picture."""


class Load(Struct, frozen=True, kw_only=True):
    """What one server did: `deliveries` in `cpu` seconds, and seconds that facts were under way."""

    deliveries: int
    cpu: float
    delays: list[float]

    @property
    def pace(self) -> float:
        return self.deliveries / self.cpu

    @property
    def p99(self) -> float:
        return quantiles(self.delays, n=100)[98]


def stream(folder: Path, device: str) -> list[Row]:
    """Each way in turn, some times over; the figures are medians."""
    ready, dicts, stalled = list[Load](), list[Load](), list[Load]()
    for _ in range(ROUNDS):
        ready.append(_load("ready", 0))
        dicts.append(_load("dicts", 0))
        stalled.append(_load("ready", STALLED))
    gain = median(one.pace / other.pace for one, other in zip(ready, dicts, strict=True))
    slower = median(other.p99 / one.p99 for one, other in zip(ready, stalled, strict=True))
    pace, other = (median(load.pace for load in loads) for loads in (ready, dicts))
    late = median(load.p99 for load in ready)
    return [
        Row(what="facts delivered a CPU second", against="dicts encoded for each", figure=gain,
            wanted=">= 1.8", note=f"{pace:,.0f} and {other:,.0f}"),
        Row(what="p99 delay of a fact", against="", figure=1000 * late, unit="ms",
            note=f"{LISTENERS} listeners, {RATE} facts a second; with dicts "
            f"{1000 * median(load.p99 for load in dicts):.1f} ms"),
        Row(what="p99 delay beside ten that take nothing", against="without them", figure=slower,
            wanted="<= 1.1", note=", ".join(f"{1000 * load.p99:.1f} ms" for load in stalled)),
    ]  # fmt: skip


def _load(way: str, stalled: int) -> Load:
    """One server in a process of its own, and its listeners in this one."""
    command = [sys.executable, "-m", "tests.benchmarks.stream", way]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as serving:
        assert serving.stdin is not None
        assert serving.stdout is not None
        port = int(serving.stdout.readline())
        sleepers = [_listen(port, small=True) for _ in range(stalled)]
        listeners = [_listen(port) for _ in range(LISTENERS)]
        try:
            print("go", file=serving.stdin, flush=True)
            delays = _hear(listeners, RATE * SECONDS)
            print("stop", file=serving.stdin, flush=True)
            cpu = float(serving.stdout.readline())
        finally:
            for each in (*sleepers, *listeners):
                each.close()
    return Load(deliveries=len(delays), cpu=cpu, delays=delays)


def _listen(port: int, *, small: bool = False) -> socket.socket:
    """A listener that has asked; a `small` one takes little before it holds up its sender."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if small:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    listener.connect(("127.0.0.1", port))
    listener.sendall(b"GET /events HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n" % port)
    if not small:
        while b"event: snapshot" not in listener.recv(65536):
            pass
    return listener


def _hear(listeners: list[socket.socket], facts: int) -> list[float]:
    """Seconds under way of every fact that every listener gets.

    Raises:
        TimeoutError: some are missing long after the last was sent.
    """
    delays: list[float] = []
    with selectors.DefaultSelector() as selector:
        for listener in listeners:
            listener.setblocking(False)
            selector.register(listener, selectors.EVENT_READ, bytearray())
        deadline = time.monotonic() + SECONDS + 60
        while len(delays) < facts * len(listeners):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(delays)} of {facts * len(listeners)} facts came")
            for key, _ in selector.select(1.0):
                assert isinstance(key.fileobj, socket.socket)
                rest: bytearray = key.data
                rest += key.fileobj.recv(1 << 18)
                now = time.monotonic()
                whole = rest.rfind(b"\n\n") + 2 if b"\n\n" in rest else 0
                delays += [now - float(sent) for sent in _SENT.findall(rest[:whole])]
                del rest[:whole]
    return delays


class _Queues:
    """A queue a listener, and in it facts as they are, for whoever encodes them himself."""

    def __init__(self) -> None:
        self._queues: list[asyncio.Queue[Line]] = []

    def fact(self, line: Line, topic: Topic = EVERYBODY) -> None:
        for queue in self._queues:
            queue.put_nowait(line)

    def close(self) -> None:
        """As a hub is closed; the server's end ends the streams."""

    async def events(self, request: Request) -> Response:
        return EventSourceResponse(self._dicts(), ping=15, sep="\n", send_timeout=30.0)

    async def _dicts(self) -> AsyncIterator[dict[str, str]]:
        queue = asyncio.Queue[Line]()
        self._queues.append(queue)
        yield {"event": "snapshot", "data": "{}"}
        while True:
            line = await queue.get()
            yield {"id": str(line.seq), "event": "fact", "data": line.raw.decode()}


def _serve(way: str) -> None:
    """The process of a server: its port, then facts once told to, then the CPU seconds it took."""
    with tempfile.TemporaryDirectory() as folder:
        inbox = Path(folder)
        server = Server(inbox=inbox, journal=inbox / "none", state=State(), port=0)
        if way == "dicts":
            queues = _Queues()
            server._hub = queues  # type: ignore[assignment]
            server.endpoints.events = queues.events  # type: ignore[method-assign]
        server.start()
        print(server.port, flush=True)
        sys.stdin.readline()
        before, start = time.process_time(), time.monotonic()
        for number in range(1, RATE * SECONDS + 1):
            time.sleep(max(0.0, start + number / RATE - time.monotonic()))
            server.recorded(_line(number), e.ManifestMended(file="x.yaml"))
        sys.stdin.readline()
        print(time.process_time() - before, flush=True)
        server.stop()


def _line(seq: int) -> Line:
    raw = b'{"seq":%d,"sent":%.6f,"type":"manifest_mended","file":"%s"}' % (
        seq, time.monotonic(), _PADDING.encode(),
    )  # fmt: skip
    return Line(seq=seq, at="", v=1, type="manifest_mended", crc="", raw=raw)


if __name__ == "__main__":
    _serve(sys.argv[1])
