"""`python -m tests.faults --kills N [--seed S]`: strike, and print what came of it; 1 if not good.

Needs no network: the model is a tiny one that is made here.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.faults.campaign import PHASES, WHO, Campaign, Outcome, plan

_MODEL = "import sys, pathlib, tests.render.tiny as t; t.build(pathlib.Path(sys.argv[1]))"


def tiny_model(folder: Path) -> Path:
    """A model that draws noise at once; made elsewhere, so that torch stays out of this process."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-W", "ignore", "-c", _MODEL, str(folder)]
    subprocess.run(command, check=True, capture_output=True, timeout=200)
    return folder


def table(outcome: Outcome) -> str:
    """Kills by process and phase, and what must be 0."""
    lines = [f"{'kill -9':10}" + "".join(f"{phase:>14}" for phase in PHASES)]
    for who in WHO:
        counts = (outcome.kills.get((who, phase), 0) for phase in PHASES)
        lines.append(f"{who:10}" + "".join(f"{count:>14}" for count in counts))
    after = outcome.aftermath
    rows = {
        "kills": sum(outcome.kills.values()),
        "pictures": after.pictures,
        "doubled": len(after.doubled),
        "lost": len(after.lost),
        "differing": len(after.differing),
        "state differing from the fold": len(after.state),
        "orphans": len(outcome.orphans),
        "leaked": len(outcome.leaked),
    }
    lines += ["", *(f"{name:32}{count:>6}" for name, count in rows.items())]
    wrong = [*after.doubled, *after.lost, *after.differing, *after.state]
    return "\n".join([*lines, *wrong, *outcome.orphans, *outcome.leaked])


def main() -> int:
    """Run a campaign; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=3)
    asked = parser.parse_args()
    began = time.monotonic()

    def told(line: str) -> None:
        print(f"{time.monotonic() - began:7.1f} s  {line}", file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory(prefix="campaign-") as folder:
        model = tiny_model(Path(folder) / "model" / "tiny")
        campaign = Campaign(Path(folder), model, seed=asked.seed, workers=asked.workers)
        outcome = campaign.run(plan(asked.kills, asked.seed), told)
    print(f"seed {asked.seed}, {time.monotonic() - began:.0f} s\n")
    print(table(outcome))
    return 0 if outcome.good else 1


if __name__ == "__main__":
    sys.exit(main())
