"""`python -m tests.benchmarks [NAME…] [--gpu] [--plot FILE]`: print the table; exit 1 if a row
falls short.

Every figure is a ratio, or a time that two processes on this machine measured in this very run.
"""

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks.check import check
from tests.benchmarks.cluster import cluster
from tests.benchmarks.gpu import gpu
from tests.benchmarks.history import history
from tests.benchmarks.journal import journal
from tests.benchmarks.latency import latency
from tests.benchmarks.lives import lives
from tests.benchmarks.plot import plot
from tests.benchmarks.png import png
from tests.benchmarks.previews import previews
from tests.benchmarks.stream import stream
from tests.benchmarks.table import Row, table
from tests.benchmarks.turns import turns
from tests.benchmarks.unet import unet
from tests.benchmarks.weights import weights
from tests.benchmarks.workers import workers
from tests.cluster import rayed

BENCHMARKS: dict[str, Callable[[Path, str], list[Row]]] = {
    "weights": weights,
    "workers": workers,
    "latency": latency,
    "lives": lives,
    "previews": previews,
    "stream": stream,
    "check": check,
    "journal": journal,
    "history": history,
    "unet": unet,
    "turns": turns,
    "png": png,
    "cluster": cluster,
}
BY_NAME = ("unet", "turns", "cluster")
"""What has no goal, or needs more than is installed: only where it is named."""
ON_GPU = {"gpu": gpu} | {name: BENCHMARKS[name] for name in ("latency", "lives", "unet", "turns")}
"""Weights on a GPU are not in the memory that PSS speaks of; `gpu` on a CPU is a miniature."""


def main() -> int:
    """Run the named benchmarks, or all; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--gpu", action="store_true", help="on a CUDA device")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="an SVG of the rows with a goal")
    asked = parser.parse_args()
    device = "cuda" if asked.gpu else "cpu"
    every = BENCHMARKS | ON_GPU
    here = [name for name in BENCHMARKS if name not in BY_NAME]
    here += [] if rayed.missing() else ["cluster"]
    names = asked.names or (list(ON_GPU) if asked.gpu else here)
    if unknown := [name for name in names if name not in every]:
        parser.error(f"no benchmark {', '.join(unknown)}; there are {', '.join(every)}")
    rows: list[Row] = []
    try:
        with tempfile.TemporaryDirectory() as folder:
            for name in names:
                print(f"{name} …", file=sys.stderr, flush=True)
                found = every[name](Path(folder), device)
                for row in found:
                    print(f"  {row.what}: {row.figure:.3g} {row.unit}", file=sys.stderr, flush=True)
                rows += found
    finally:
        # What was measured is not lost with what cannot be.
        print(
            f"{platform.machine()}, {os.cpu_count()} cores, {device}, "
            f"Python {platform.python_version()}\n"
        )
        print(table(rows), flush=True)
    if asked.plot is not None:
        asked.plot.write_text(plot(rows))
    return 0 if all(row.good for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
