"""The runner's sockets: private, heard in order, and gone with their owner."""

import os
import resource
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.pool.links import Link, Links, sweep
from pipeline.wire import Hello, Message, Warm, pack, unpack


class _Listening:
    """Links with a way to wait for what they hear."""

    def __init__(self) -> None:
        self._woken = threading.Event()
        self.links = Links(self._woken.set)
        self._heard: list[tuple[Link, Message | None]] = []

    def hear(self, count: int) -> list[tuple[Link, Message | None]]:
        while True:
            self._heard += self.links.heard()
            if len(self._heard) >= count:
                return self._heard
            assert self._woken.wait(10), f"heard only {self._heard}"
            self._woken.clear()

    def connect(self) -> socket.socket:
        stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        stream.connect(self.links.address)
        return stream

    def wake(self) -> None:
        """Wait until the reader has gone round."""
        self._woken.clear()
        assert self._woken.wait(10)


@contextmanager
def _no_more_files() -> Iterator[None]:
    """This process may open nothing more: the lowest number that is free is past the limit."""
    free = os.dup(0)
    os.close(free)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.fixture
def listening(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[_Listening]:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    listening = _Listening()
    yield listening
    listening.links.close()
    assert os.listdir(tmp_path) == []


def test_the_socket_stands_in_a_folder_of_ones_own(listening: _Listening, tmp_path: Path) -> None:
    folder = Path(listening.links.address).parent
    assert folder.parent == tmp_path
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_frames_arrive_in_order_and_the_end_last(listening: _Listening) -> None:
    hello, warm = Hello(name="worker-1", pid=1), Warm()
    data = pack(hello) + pack(warm)
    with listening.connect() as stream:
        stream.sendall(data[:9])
        stream.sendall(data[9:])
        heard = listening.hear(2)
        assert heard[0][0].send(Warm())
        assert unpack(bytearray(stream.recv(100))) == [Warm()]
    heard = listening.hear(3)
    assert [message for _, message in heard] == [hello, warm, None]
    assert len({link for link, _ in heard}) == 1
    assert not heard[0][0].send(Warm())


def test_nonsense_ends_a_stream(listening: _Listening) -> None:
    with listening.connect() as stream:
        stream.sendall(b"GET / HTTP/1.1\r\n\r\n")
        ((_, message),) = listening.hear(1)
        assert message is None
        assert stream.recv(1) == b""


def test_whoever_comes_while_no_file_can_be_opened_is_heard_later(listening: _Listening) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stream:
        with _no_more_files():
            stream.connect(listening.links.address)
            stream.sendall(pack(Warm()))
            listening.wake()
        assert [message for _, message in listening.hear(1)] == [Warm()]
    assert listening.links.failed is None


@pytest.mark.timeout(20)
def test_links_close_also_while_somebody_waits_at_the_door(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    listening = _Listening()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stream, _no_more_files():
        stream.connect(listening.links.address)
        listening.wake()
        listening.links.close()


def test_a_long_path_is_avoided(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path / ("n" * 100)
    deep.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(deep))
    links = Links(lambda: None)
    assert not links.address.startswith(str(deep))
    assert os.listdir(deep) == []
    links.close()


def test_folders_of_the_dead_are_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    said = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"],
        capture_output=True,
        check=True,
        text=True,
    )
    dead, ours = f"anime-{int(said.stdout)}-abc", f"anime-{os.getpid()}-abc"
    for name in (dead, ours, "anime-x"):
        (tmp_path / name).mkdir()
    dangling, huge = f"anime-{int(said.stdout)}-x", f"anime-{'9' * 20}-abc"
    (tmp_path / dangling).symlink_to("nowhere")
    (tmp_path / huge).mkdir()
    sweep()
    assert sorted(os.listdir(tmp_path)) == sorted([ours, "anime-x", dangling])
