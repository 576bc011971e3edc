"""`python -m tests.soak --minutes N [--seed S]`: live in a production, and say what came of it.

Exit code 1 if anything is lost, double, differing or growing. A short line every minute.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.faults.__main__ import tiny_model
from tests.soak.soak import Soak


def main() -> int:
    """Run it; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    began = time.monotonic()

    def told(line: str) -> None:
        print(f"{(time.monotonic() - began) / 60:6.1f} min  {line}", flush=True)

    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        model = tiny_model(Path(folder) / "model" / "tiny")
        verdict = Soak(Path(folder), model, seed=asked.seed).run(asked.minutes, told)
    print(f"\nseed {asked.seed}, {(time.monotonic() - began) / 60:.1f} minutes")
    for name in ("jobs", "pictures", "kills", "edits", "clock jumps"):
        print(f"{name:12}{verdict.counts.get(name, 0):>7}")
    for name in ("lost", "double", "differing", "growing"):
        wrong = getattr(verdict, name)
        print(f"{name:12}{len(wrong):>7}", *wrong, sep="\n    ")
    print(*verdict.meters, sep="\n")
    return 0 if verdict.good else 1


if __name__ == "__main__":
    sys.exit(main())
