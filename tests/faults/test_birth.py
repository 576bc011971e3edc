"""A process of ours ends with the one that started it, whatever it is in the middle of."""

import os
import signal
import subprocess
import sys

import pytest

from tests.processes import gone

CHILD = """
import ctypes, os
from pipeline.render.birth import begin
begin(os.getppid(), "anime-test")
print(os.getpid(), flush=True)
ctypes.PyDLL(None).sleep(100)  # in C, and no other thread of Python may run meanwhile
"""
PARENT = f"""
import subprocess, sys
subprocess.Popen([sys.executable, "-c", {CHILD!r}]).wait()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
def test_it_is_gone_within_5_s_of_its_parents_death_also_deep_in_c() -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    try:
        parent.kill()
        parent.wait()
        assert gone([child])
    finally:
        parent.stdout.close()
        if not gone([child], 0.1):
            os.kill(child, signal.SIGKILL)


def test_it_ends_at_once_where_its_parent_was_dead_before_it_looked() -> None:
    code = "from pipeline.render.birth import begin; begin(1, 'anime-test'); raise SystemExit(9)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
