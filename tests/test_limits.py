"""A run may have as many files open as the system allows."""

import subprocess
import sys

_CHILD = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 256))
from pipeline.limits import allow_open_files
allow_open_files()
print(*resource.getrlimit(resource.RLIMIT_NOFILE))
"""


def test_the_soft_limit_of_open_files_is_raised_to_the_hard_one() -> None:
    child = subprocess.run(
        [sys.executable, "-c", _CHILD], capture_output=True, text=True, check=True
    )
    assert child.stdout.split() == ["256", "256"]
