"""What `anime check` takes beyond Python's own start: a small inbox, and a thousand manifests.

Seconds are those of the processor, which others on the machine change little.
"""

import resource
import subprocess
import sys
from pathlib import Path
from statistics import median

from tests.benchmarks.table import Row
from tests.cli.command import environment

STARTS = 7
THOUSAND = 1_000


def check(folder: Path, device: str) -> list[Row]:
    """Each time in turn with a start of Python that does nothing, so that both meet the same
    machine."""
    small, large, lost = folder / "small", folder / "large", folder / "lost"
    _production(small, 10)
    _production(large, THOUSAND)
    _lost(lost, THOUSAND)
    rows = []
    for what, inbox, wanted, code in (
        ("anime check, 10 manifests", small, "<= 150", 0),
        ("anime check, 1,000 manifests", large, "<= 1000", 0),
        ("the same, half of them jobs that wait for two names", lost, "<= 1000", 1),
    ):
        bare: list[float] = []
        whole: list[float] = []
        for _ in range(STARTS):
            bare.append(_seconds(folder, ["-c", "pass"], 0))
            command = ["-m", "pipeline", "check", "--inbox", str(inbox)]
            whole.append(_seconds(folder, command, code))
        rows.append(
            Row(
                what=what,
                against="python -c pass",
                figure=(median(whole) - median(bare)) * 1000,
                unit="ms more",
                wanted=wanted,
                note=f"{median(whole) * 1000:.0f} against {median(bare) * 1000:.0f} ms",
            )
        )
    return rows


def _seconds(home: Path, arguments: list[str], code: int) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, *arguments], cwd=home, env=environment(home),
        stdout=subprocess.DEVNULL, check=False,
    )  # fmt: skip
    assert done.returncode == code
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _production(root: Path, manifests: int) -> None:
    """Projects of a hundred manifests at most, with nothing wrong."""
    for number in range(manifests):
        show = root / f"show-{number // 100}"
        show.mkdir(parents=True, exist_ok=True)
        match number % 100:
            case 0:
                file, text = "project", f"kind: project\nname: Show {number}\nstyle: manga\n"
            case one if one < 5:
                file = f"c{one}"
                text = f"kind: character\nname: C {one}\nappearance: [1girl, red hair]\n"
            case one:
                file, text = f"j{one}", f"kind: job\nprompt: rain, {one}\ncharacters: [C 1, C 2]\n"
        (show / f"{file}.yaml").write_text(text)


def _lost(root: Path, manifests: int) -> None:
    """Characters, and as many jobs that misspell them."""
    root.mkdir(parents=True)
    for number in range(manifests // 2):
        (root / f"c{number}.yaml").write_text(f"kind: character\nname: Character {number}\n")
        (root / f"j{number}.yaml").write_text(
            f"kind: job\ncharacters: [Charakter {number}, Nobody {number}]\n"
        )
