"""How often the weights are in memory: PSS of the shared slab over keeper and workers."""

import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from tests.benchmarks.table import Row
from tests.studio import Studio

PICTURES = 100
LORA = Path(__file__).parents[2] / "examples/moonlit-orchard/loras/momo.safetensors"


def weights(folder: Path, device: str) -> list[Row]:
    """After the warm-up, and after 100 pictures by three workers, with a LoRA that comes, goes and
    changes its weight from picture to picture."""
    with Studio(folder / "weights", device=device) as studio:
        studio.warm()
        before = resident(studio)
        (studio.root / "loras").mkdir()
        shutil.copy(LORA, studio.root / "loras")
        for number in range(PICTURES):
            studio.drop(
                f"p{number:03}.yaml",
                f"kind: job\nprompt: 1girl\nseed: {number}\nsteps: 2\n"
                f"lora: {{file: momo, weight: {number % 4 * 0.25}}}\n",
            )
        studio.until(studio.settled(PICTURES), 600)
        after = resident(studio)
    rows = []
    later = f"after {PICTURES} pictures with changing LoRAs"
    for when, (proportional, copy) in (("warm", before), (later, after)):
        rows.append(
            Row(
                what=f"weights resident over keeper and 3 workers, {when}",
                against="one copy",
                figure=proportional / copy,
                wanted="<= 1.02",
                note=f"PSS {proportional / 1e6:.1f} MB of a slab of {copy / 1e6:.1f} MB",
            )
        )
    return rows


def resident(studio: Studio) -> tuple[int, int]:
    """The slab's proportional share summed over keeper and workers, and its size; bytes."""
    return shared(studio.pool.pids().values())


def shared(pids: Iterable[int]) -> tuple[int, int]:
    """The same of these processes."""
    maps = [_slab(pid) for pid in pids]
    return sum(share for share, _ in maps), max(size for _, size in maps)


def _slab(pid: int) -> tuple[int, int]:
    """PSS and size, in bytes, of what a process maps of the slab (proc_pid_smaps(5)).

    The weights lie in one memory file of this name; a page that was copied on write would count
    whole to the process that wrote it.
    """
    share = size = 0
    ours = False
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        if re.match(r"^[0-9a-f]+-[0-9a-f]+ ", line):
            ours = "/memfd:anime-weights" in line
        elif ours and (field := re.match(r"^(Size|Pss):\s+(\d+) kB", line)):
            if field[1] == "Size":
                size += int(field[2]) * 1024
            else:
                share += int(field[2]) * 1024
    return share, size
