"""A process of ours ends within 5 s of the one that started it, whatever it is doing."""

import os
import select
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]

_PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", sys.argv[1], str(__import__("os").getpid())],
                         stdout=sys.stdout, stdin=subprocess.PIPE)
time.sleep(600)
"""
_DEAF = """
import ctypes, os, sys
from pipeline.render.birth import begin
begin(int(sys.argv[1]), "anime-test")
print(os.getpid(), flush=True)
ctypes.PyDLL(None).sleep(600)
"""
"""A native call that holds Python's own lock: no thread of this process gets to run."""
_STREAM = """
import ctypes, os, socket, sys
from pipeline.render.hearing import Box, listen
ours = socket.socket(fileno=os.dup(0))
listen(ours, Box())
print(os.getpid(), flush=True)
ctypes.CDLL(None).sleep(600)
"""
"""A long native call where no signal tells of the parent's death, only the stream's end does."""
_PEER = """
import socket, subprocess, sys, time
ours, theirs = socket.socketpair()
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdin=theirs, stdout=sys.stdout)
theirs.close()
time.sleep(600)
"""


@pytest.mark.parametrize(("parent", "child"), [(_PARENT, _DEAF), (_PEER, _STREAM)])
def test_it_ends_with_its_parent_in_the_midst_of_a_native_call(parent: str, child: str) -> None:
    command = [sys.executable, "-c", parent, child]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as started:
        assert started.stdout is not None
        try:
            ended = os.pidfd_open(int(started.stdout.readline()))
            assert not select.select([ended], [], [], 0.3)[0]
        finally:
            started.kill()
        came = select.select([ended], [], [], 5.0)[0]
        os.close(ended)
    assert came


def test_it_ends_at_once_where_its_parent_was_dead_before_it_looked() -> None:
    code = "from pipeline.render.birth import begin; begin(1, 'anime-test'); raise SystemExit(9)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
