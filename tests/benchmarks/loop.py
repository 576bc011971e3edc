"""What a person writes who has diffusers and no more: one process that draws one job after another.

`python -m tests.benchmarks.loop MODEL DEVICE` loads the model, says `ready`, and then draws what a
line on its standard input asks for; how long that took, and what the pictures are, is its answer.
It sleeps in between, so that others may be measured in turn with it.
"""

import json
import os
import subprocess
import sys
import time
import zlib
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
from msgspec import Struct

from pipeline.core.record import Record
from pipeline.core.resolved import Resolved
from pipeline.inscription import record_of
from tests.cli.command import environment

Jobs = tuple[tuple[Resolved, int], ...]
"""What is to be drawn, each with its seed."""


def drawn(files: Iterable[Path]) -> list[Record]:
    """What pictures themselves say of how they were drawn, in the order of their names."""
    found = [record_of(file) for file in sorted(files)]
    return [record for record in found if record is not None]


def again(records: Iterable[Record]) -> Jobs:
    """The same pictures, to be drawn once more."""
    return tuple((each.resolved, each.seed) for each in records)


class Drawn(Struct, frozen=True):
    """Seconds for all of them, files included, and the sha256 of each one's RGB bytes."""

    seconds: float
    pixels: tuple[str, ...]


class Asked(Struct, frozen=True):
    """Jobs of one size, and how to draw them; `threads` 0 leaves torch's own number. `tuned` is
    what a person finds out in an evening: convolutions in channels_last, several pictures at once,
    and a PNG that is packed quickly."""

    folder: str
    jobs: Jobs
    threads: int
    tuned: bool = False
    batch: int = 1


class Loop:
    """The process, from outside; a context manager that ends it."""

    def __init__(self, model: Path, folder: Path, device: str) -> None:
        self._folder = folder
        folder.mkdir()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.loop", str(model), device],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env=environment(folder), text=True,
        )  # fmt: skip

    def __enter__(self) -> Self:
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"
        return self

    def draw(self, jobs: Jobs, *, threads: int, tuned: bool = False, batch: int = 1) -> Drawn:
        """Have jobs drawn one after the other."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        asked = Asked(str(self._folder), jobs, threads, tuned, batch)
        self._process.stdin.write(msgspec.json.encode(asked).decode() + "\n")
        self._process.stdin.flush()
        return msgspec.json.decode(self._process.stdout.readline(), type=Drawn)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            stream.close()


def main() -> None:
    """Life of the process."""
    import diffusers
    import torch

    from pipeline.render.model import dtype_of

    device = torch.device(sys.argv[2])
    loading: Any = diffusers.DiffusionPipeline
    pipe = loading.from_pretrained(sys.argv[1], dtype=dtype_of(device), safety_checker=None)
    pipe.to(device).set_progress_bar_config(disable=True)
    usual = torch.get_num_threads()
    print("ready", flush=True)
    for line in sys.stdin:
        asked = msgspec.json.decode(line, type=Asked)
        torch.set_num_threads(asked.threads or usual)
        form = torch.channels_last if asked.tuned else torch.contiguous_format
        pipe.unet.to(memory_format=form)
        pipe.vae.to(memory_format=form)
        print(json.dumps(msgspec.to_builtins(_draw(pipe, asked))), flush=True)


def _draw(pipe: Any, asked: Asked) -> Drawn:
    import torch

    packing = {"compress_level": 1, "compress_type": zlib.Z_RLE} if asked.tuned else {}
    pixels: list[str] = []
    begun = time.perf_counter()
    for start in range(0, len(asked.jobs), asked.batch):
        jobs = asked.jobs[start : start + asked.batch]
        first = jobs[0][0]
        images = pipe(
            [inputs.prompt for inputs, _ in jobs],
            negative_prompt=[inputs.negative for inputs, _ in jobs],
            width=first.width, height=first.height,
            num_inference_steps=first.steps, guidance_scale=first.guidance,
            generator=[torch.Generator("cpu").manual_seed(seed) for _, seed in jobs],
        ).images  # fmt: skip
        for number, image in enumerate(images, start):
            with open(Path(asked.folder) / f"{number}.png", "wb") as file:
                image.save(file, "png", **packing)
            pixels.append(sha256(image.tobytes()).hexdigest())
    return Drawn(time.perf_counter() - begun, tuple(pixels))


if __name__ == "__main__":
    os.environ["HF_HUB_OFFLINE"] = "1"
    main()
