"""How often the weights are in memory: PSS of the shared slab over keeper and workers."""

import re
from pathlib import Path

from tests.benchmarks.table import Row
from tests.studio import Studio

PICTURES = 50


def weights(folder: Path) -> list[Row]:
    """After the warm-up, and after 50 pictures by three workers."""
    with Studio(folder / "weights") as studio:
        studio.warm()
        before = resident(studio)
        studio.drop(
            "many.yaml", f"kind: job\nprompt: 1girl, red hair\ncount: {PICTURES}\nsteps: 2\n"
        )
        studio.until(studio.settled(PICTURES), 600)
        after = resident(studio)
    rows = []
    for when, (proportional, copy) in (("warm", before), (f"after {PICTURES} pictures", after)):
        rows.append(
            Row(
                what=f"weights resident over keeper and 3 workers, {when}",
                against="one copy",
                figure=proportional / copy,
                wanted="<= 1.05",
                note=f"PSS {proportional / 1e6:.1f} MB of a slab of {copy / 1e6:.1f} MB",
            )
        )
    return rows


def resident(studio: Studio) -> tuple[int, int]:
    """The slab's proportional share summed over all processes, and its size; bytes.

    The slab is the one large mapping that all of them share (proc_pid_smaps(5)).
    """
    maps = [_shared(pid) for pid in studio.pool.pids().values()]
    common = set.intersection(*(set(one) for one in maps))
    name = max(common, key=lambda mapped: max(one[mapped][1] for one in maps))
    return sum(one[name][0] for one in maps), max(one[name][1] for one in maps)


def _shared(pid: int) -> dict[str, tuple[int, int]]:
    """Shared mappings of a process by inode: PSS and size in bytes."""
    found: dict[str, tuple[int, int]] = {}
    key = ""
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        head = re.match(r"^[0-9a-f]+-[0-9a-f]+ (...)([sp]) \S+ (\S+) (\d+)", line)
        if head:
            key = f"{head[3]}:{head[4]}" if head[2] == "s" and head[4] != "0" else ""
        elif key and (field := re.match(r"^(Size|Pss):\s+(\d+) kB", line)):
            pss, size = found.get(key, (0, 0))
            kilobytes = int(field[2]) * 1024
            found[key] = (pss, size + kilobytes) if field[1] == "Size" else (pss + kilobytes, size)
    return found
