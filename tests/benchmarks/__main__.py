"""`python -m tests.benchmarks [NAME…]`: print the table; exit 1 if a row falls short.

Every figure is a ratio, or a time that two processes on this machine measured in this very run.
"""

import os
import platform
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks.latency import latency
from tests.benchmarks.table import Row, table
from tests.benchmarks.weights import weights
from tests.benchmarks.workers import workers

BENCHMARKS: dict[str, Callable[[Path], list[Row]]] = {
    "weights": weights,
    "workers": workers,
    "latency": latency,
}


def main(names: list[str]) -> int:
    """Run the named benchmarks, or all; the exit code."""
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        print(f"no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
        return 2
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        for name in names or BENCHMARKS:
            print(f"{name} …", file=sys.stderr, flush=True)
            rows += BENCHMARKS[name](Path(folder))
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}\n")
    print(table(rows))
    return 0 if all(row.good for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
