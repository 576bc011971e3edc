"""What a service manager hears of a run, on a real socket."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.core.observed import Live, WorkerLive
from pipeline.core.state import State
from pipeline.notify import Notifier, notifier
from tests.processes import write
from tests.running import Run

SIGN = "WATCHDOG=1"


class Manager:
    """The other end: what systemd would hear."""

    def __init__(self, path: Path) -> None:
        self.address = str(path)
        self.heard: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.address)

    def listen(self, seconds: float = 0.0) -> list[str]:
        """What has come since, waiting so long for the first word."""
        fresh: list[str] = []
        self._socket.settimeout(seconds or 0.001)
        try:
            while True:
                fresh.append(self._socket.recv(65536).decode())
                self._socket.settimeout(0.001)
        except TimeoutError:
            self.heard += fresh
            return fresh

    def until(self, word: str, seconds: float = 120.0) -> None:
        deadline = time.monotonic() + seconds
        while not any(said.startswith(word) for said in self.heard):
            assert time.monotonic() < deadline, f"no {word}; it said {self.heard}"
            self.listen(0.2)

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    made = Manager(tmp_path / "notify")
    yield made
    made.close()


def test_nobody_is_told_where_nobody_asked() -> None:
    assert notifier({}, State()) is None
    assert notifier({"NOTIFY_SOCKET": "nonsense"}, State()) is None


def test_signs_of_life_are_for_the_process_that_is_waited_for(manager: Manager) -> None:
    environment = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "3000000"}
    mine = notifier(environment, State())
    other = notifier({**environment, "WATCHDOG_PID": "1"}, State())
    assert mine is not None
    assert other is not None
    other.turned(100.0, ())
    assert SIGN not in manager.listen()
    for now in (100.0, 100.9, 101.0, 101.5):
        mine.turned(now, ())
    assert manager.listen().count(SIGN) == 2
    mine.close()
    other.close()


def test_it_is_ready_once_when_every_worker_is_warm_and_stopping_once(manager: Manager) -> None:
    one = Notifier(manager.address, State(), every=None)
    one.changed(Live())
    for live in (Live(model_preloaded=True), Live(), Live(model_preloaded=True, draining=True)):
        one.changed(live)
        one.changed(live)
    assert manager.listen() == ["READY=1", "STOPPING=1"]
    one.close()


def test_the_status_says_what_is_drawn_and_what_is_wrong(manager: Manager) -> None:
    state = State(finished=1)
    one = Notifier(manager.address, state, every=None)
    one.turned(10.0, (WorkerLive(name="worker-1", pid=1, phase="starting"),))
    assert manager.listen() == ["STATUS=loading the model; 0 jobs queued, 1 picture drawn"]
    one.changed(Live(model_preloaded=True))
    one.turned(10.5, ())
    assert manager.listen() == ["READY=1"], "a moment later it says no more than that"
    one.turned(12.0, ())
    one.turned(14.0, ())
    assert manager.listen() == ["STATUS=idle; 0 jobs queued, 1 picture drawn"]
    state.paused = "a night\noff"
    one.turned(16.0, ())
    assert manager.listen() == ["STATUS=paused: a night\\noff; 0 jobs queued, 1 picture drawn"]
    one.changed(Live(model_preloaded=True, journal_failed="no room"))
    one.turned(18.0, ())
    assert manager.listen() == ["STATUS=the journal cannot be written: no room"]
    one.close()


def test_a_manager_that_has_gone_is_no_harm(tmp_path: Path) -> None:
    one = Notifier(str(tmp_path / "gone"), State(), every=0.0)
    one.turned(1.0, ())
    one.changed(Live(model_preloaded=True))
    one.close()


def test_an_abstract_address_is_told(tmp_path: Path) -> None:
    name = f"anime-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(f"\0{name}")
        heard.settimeout(5)
        one = Notifier(f"@{name}", State(), every=0.0)
        one.turned(1.0, ())
        assert heard.recv(100) == SIGN.encode()
        one.close()


def test_a_loop_that_does_not_turn_gives_no_sign(tmp_path: Path, manager: Manager) -> None:
    """The runner's own loop, held up by what it waits for."""
    run = Run(tmp_path / "inbox")
    one = Notifier(manager.address, run.state, every=0.02)
    run.runner._turned = lambda now: one.turned(now, ())
    held, go_on = threading.Event(), threading.Event()

    def wait(timeout: float) -> bool:
        if held.is_set():
            go_on.wait(20)
        return False

    run.inbox.wait = wait  # type: ignore[method-assign]
    loop = threading.Thread(target=run.runner.run)
    loop.start()
    manager.until(SIGN, 20)
    held.set()
    while manager.listen(0.3):
        pass
    assert not manager.listen(0.5)
    manager.heard.clear()
    go_on.set()
    held.clear()
    manager.until(SIGN, 20)
    run.runner.stop()
    run.runner.stop()
    loop.join(20)
    run.close()
    one.close()


@pytest.mark.process
def test_a_real_run_is_ready_after_the_warm_up_alive_and_stopping(
    tmp_path: Path, manager: Manager
) -> None:
    """With the service manager's environment; a process that is stopped gives no sign."""
    inbox = tmp_path / "inbox"
    write(inbox, {"a.yaml": "kind: job\nprompt: rain\n"})
    environment = {**os.environ, "NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "600000"}
    run = subprocess.Popen(
        [sys.executable, "-m", "pipeline", "run", "--inbox", str(inbox), "--port", "0",
         "--device", "cpu", "--workers", "1"],
        env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        manager.until("STATUS=loading the model")
        assert "READY=1" not in manager.heard
        manager.until("READY=1")
        manager.until("STATUS=idle; 0 jobs queued, 1 picture drawn")
        run.send_signal(signal.SIGSTOP)
        while manager.listen(0.3):
            pass
        assert not manager.listen(0.8)
        run.send_signal(signal.SIGCONT)
        manager.heard.clear()
        manager.until(SIGN)
        run.send_signal(signal.SIGTERM)
        manager.until("STOPPING=1")
        assert run.wait(60) == 0
    finally:
        run.kill()
        run.wait()
