"""The pictures a model is trained on, painted once, and their captions, drawn afresh.

Owns the folder of painted pictures and how a caption is disturbed for training. Never trains.
"""

import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Final, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipeline.chibi.captions import caption
from pipeline.chibi.pace import report
from pipeline.chibi.painter import paint
from pipeline.chibi.scene import Scene, sample

Pictures: TypeAlias = NDArray[np.uint8]

SIZE: Final = 256
SHARD: Final = 250
SEED: Final = 8328
NOISE_WORDS = 0.12
GROUPED = 0.6
SIDES: Final = ("left", "right")
HABITS: Final = (
    "anime", "anime style", "illustration", "portrait", "upper body", "looking at viewer",
    "high quality", "highres", "detailed", "blurry", "low quality", "worst quality",
    "bad anatomy", "extra fingers", "watermark", "text", "signature", "jpeg artifacts",
    "pastel", "rustic", "modern", "mechanical", "harsh shadows",
)  # fmt: skip
"""What people write although it names nothing the painter draws: it must do no harm."""


def scenes(count: int, seed: int = SEED) -> list[Scene]:
    """Return the first `count` scenes of the training set; each depends on its number alone."""
    return [sample(random.Random(f"{seed}/{number}")) for number in range(count)]


def pictures(folder: Path, count: int, *, size: int = SIZE, processes: int = 2) -> Pictures:
    """Return `count` painted pictures as a read-only map of uint8 [count, size, size, 3].

    Paints what is missing in `folder`, in shards, so an interrupted painting goes on.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shards = range(-(-count // SHARD))
    missing = [shard for shard in shards if not _path(folder, shard, size).exists()]
    if missing:
        context = get_context("spawn")
        with ProcessPoolExecutor(processes, mp_context=context) as pool:
            jobs = [pool.submit(_paint_shard, folder, shard, size) for shard in missing]
            for done, job in enumerate(jobs, start=1):
                job.result()
                if done % 8 == 0 or done == len(jobs):
                    report(f"painted {done * SHARD} of {len(jobs) * SHARD} pictures")
    maps = [np.load(_path(folder, shard, size), mmap_mode="r") for shard in shards]
    return _joined(folder, maps, count, size)


def training_caption(scene: Scene, rng: random.Random) -> str:
    """Return a caption of the scene for training, sometimes grouped, sometimes with odd words."""
    text = caption(scene, rng)
    if len(scene.figures) == 2 and text and rng.random() < GROUPED:
        text = grouped(text, rng)
    if rng.random() < NOISE_WORDS:
        text = _with_odd_words(text, rng)
    return text


def grouped(text: str, rng: random.Random) -> str:
    """Say each side once: `left: a, left: b, right: c, d` becomes `d, left: a, b, right: c`."""
    sides: dict[str, list[str]] = {"": [], **{side: [] for side in SIDES}}
    for tag in text.split(", "):
        side, separator, word = tag.partition(": ")
        sides[side if separator and side in SIDES else ""].append(word if separator else tag)
    order = list(SIDES)
    rng.shuffle(order)
    groups = [f"{side}: {', '.join(sides[side])}" for side in order if sides[side]]
    return ", ".join([*sides[""], *groups])


def _with_odd_words(text: str, rng: random.Random) -> str:
    tags = text.split(", ") if text else []
    for _ in range(rng.randint(1, 4)):
        odd = rng.choice(HABITS) if rng.random() < 0.7 else _gibberish(rng)
        # A word that follows "left:" in a grouped caption would belong to that side: put it first.
        tags.insert(0 if "left:" in text else rng.randint(0, len(tags)), odd)
    return ", ".join(tags)


def _gibberish(rng: random.Random) -> str:
    letters = "abcdefghijklmnopqrstuvwxyz0123456789äéñ()'-:"
    return "".join(rng.choice(letters) for _ in range(rng.randint(2, 9)))


def _path(folder: Path, shard: int, size: int) -> Path:
    return folder / f"{size}-{shard:04}.npy"


def _paint_shard(folder: Path, shard: int, size: int) -> None:
    numbers = range(shard * SHARD, (shard + 1) * SHARD)
    chosen = [sample(random.Random(f"{SEED}/{number}")) for number in numbers]
    painted = np.stack([np.asarray(paint(scene, size)) for scene in chosen])
    part = _path(folder, shard, size).with_suffix(".part.npy")
    np.save(part, painted)
    part.replace(_path(folder, shard, size))


def _joined(folder: Path, maps: Sequence[Pictures], count: int, size: int) -> Pictures:
    path = folder / f"{size}-all-{count}.npy"
    if not path.exists():
        part = path.with_suffix(".part.npy")
        whole = np.lib.format.open_memmap(
            part, mode="w+", dtype=np.uint8, shape=(count, size, size, 3)
        )
        for shard, shard_map in enumerate(maps):
            begin = shard * SHARD
            whole[begin : begin + SHARD] = shard_map[: count - begin]
        whole.flush()
        part.replace(path)
    result: Pictures = np.load(path, mmap_mode="r")
    return result


def encoded_scene(scene: Scene) -> bytes:
    """Return the scene as JSON, to be kept beside a picture."""
    return msgspec.json.encode(scene)


def tokenizer_captions(scenes: Sequence[Scene]) -> Iterator[str]:
    """Yield captions and habitual words, each often enough to become a token."""
    rng = random.Random(SEED)
    for scene in scenes:
        yield caption(scene, rng)
        yield ", ".join(HABITS)
