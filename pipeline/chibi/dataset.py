"""The pictures a model is trained on, painted once, and their captions, drawn afresh.

Owns the folder of painted pictures and how a caption is disturbed for training. Never trains.
"""

import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pipeline.chibi.captions import caption
from pipeline.chibi.pace import report
from pipeline.chibi.painter import faces, paint
from pipeline.chibi.scene import Scene, sample

Pictures: TypeAlias = NDArray[np.uint8]

SIZE: Final = 256
SHARD: Final = 250
SEED: Final = 8328
NOISE_WORDS = 0.12
GROUPED = 0.6
ONE_SIDE = 0.12
"""How many captions of two figures say only what one of them looks like."""
FACE: Final = 4.0
VOCABULARY_SCENES: Final = 8000
SIDES: Final = ("left", "right")
HABITS: Final = (
    "anime", "anime style", "illustration", "high quality", "highres", "detailed", "blurry",
    "low quality", "worst quality", "bad anatomy", "extra fingers", "watermark", "text",
    "signature", "jpeg artifacts", "pastel", "rustic", "modern", "mechanical", "harsh shadows",
)  # fmt: skip
"""What people write although it names nothing the painter draws: it must do no harm."""


def scenes(count: int, seed: int = SEED) -> list[Scene]:
    """Return the first `count` scenes of the training set; each depends on its number alone."""
    return [_scene(number, seed) for number in range(count)]


def pictures(
    folder: Path, count: int, *, size: int = SIZE, shard: int = SHARD, processes: int = 2
) -> Pictures:
    """Return `count` painted pictures as a read-only map of uint8 [count, size, size, 3].

    Paints what is missing in `folder`, `shard` pictures to a file, so an interrupted painting
    goes on.
    """
    whole = folder / f"{size}-all-{count}.npy"
    if not whole.exists():
        folder.mkdir(parents=True, exist_ok=True)
        begins = range(0, count, shard)
        missing = [begin for begin in begins if not _path(folder, begin, shard, size).exists()]
        _paint_all(folder, missing, shard, size, processes)
        _join(whole, [_path(folder, begin, shard, size) for begin in begins], count)
    result: Pictures = np.load(whole, mmap_mode="r")
    return result


def training_caption(scene: Scene, rng: random.Random) -> str:
    """Return a caption of the scene for training, sometimes grouped, sometimes with odd words."""
    text = caption(scene, rng)
    if len(scene.figures) == 2 and rng.random() < ONE_SIDE:
        unsaid = f"{rng.choice(SIDES)}: "
        text = ", ".join(tag for tag in text.split(", ") if not tag.startswith(unsaid))
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


def focus(scenes: Sequence[Scene], side: int) -> NDArray[np.float16]:
    """Return how much each cell of each picture counts in training: float16 [n, side, side].

    1, and `FACE` on faces: small as they are, nearly all that people look at is there.
    """
    middles = (np.arange(side) + 0.5) / side
    weights = np.ones((len(scenes), side, side), np.float16)
    for number, scene in enumerate(scenes):
        for x, y, radius in faces(scene):
            far = (middles[None, :] - x) ** 2 + (middles[:, None] - y) ** 2 > radius**2
            weights[number] = np.where(far, weights[number], FACE)
    return weights


def tokenizer_captions(count: int = VOCABULARY_SCENES) -> Iterator[str]:
    """Yield captions and habitual words, each often enough to become a token.

    Always the same ones, so that the vocabulary does not depend on how much is painted.
    """
    rng = random.Random(SEED)
    for scene in scenes(count):
        yield caption(scene, rng)
        yield ", ".join(HABITS)


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


def _path(folder: Path, begin: int, shard: int, size: int) -> Path:
    return folder / f"{size}-{begin:06}-{shard}.npy"


def _paint_all(folder: Path, begins: Sequence[int], shard: int, size: int, processes: int) -> None:
    if not begins:
        return
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        jobs = [pool.submit(_paint_shard, folder, begin, shard, size) for begin in begins]
        for done, job in enumerate(jobs, start=1):
            job.result()
            if done % 8 == 0 or done == len(jobs):
                report(f"painted {done * shard} of {len(jobs) * shard} pictures")


def _paint_shard(folder: Path, begin: int, shard: int, size: int) -> None:
    chosen = [_scene(number, SEED) for number in range(begin, begin + shard)]
    painted = np.stack([np.asarray(paint(scene, size)) for scene in chosen])
    part = _path(folder, begin, shard, size).with_suffix(".part.npy")
    np.save(part, painted)
    part.replace(_path(folder, begin, shard, size))


def _join(path: Path, shards: Sequence[Path], count: int) -> None:
    first = np.load(shards[0], mmap_mode="r")
    part = path.with_suffix(".part.npy")
    whole = np.lib.format.open_memmap(
        part, mode="w+", dtype=np.uint8, shape=(count, *first.shape[1:])
    )
    for number, shard in enumerate(shards):
        begin = number * len(first)
        whole[begin : begin + len(first)] = np.load(shard, mmap_mode="r")[: count - begin]
    whole.flush()
    part.replace(path)
    for shard in shards:
        shard.unlink()


def _scene(number: int, seed: int) -> Scene:
    return sample(random.Random(f"{seed}/{number}"))
