"""`python -m tests.benchmarks.regions`: do two figures keep what is theirs?

Draws scenes of two figures that no training knows, each in three ways from the same seed: with the
tags of both one after the other, with a group for each in one prompt, and with a region for each.
Owns those ways and the table. Never chooses among pictures.
"""

import argparse
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import diffusers
import numpy as np
import torch
from msgspec import Struct
from msgspec.structs import fields
from PIL import Image

from pipeline.chibi import captions, evaluate, judge
from pipeline.chibi.scene import Figure, Scene
from pipeline.core.manifest import Character, Job
from pipeline.core.prompt import SIDES, joined, prompt_parts
from pipeline.core.prompt import Figure as Person
from pipeline.core.resolved import Region, Resolved
from pipeline.model import describe
from pipeline.render.paint import Painter

_ORDINALS = ("first", "second")
Answers = judge.Answers


class Settings(Struct, frozen=True, kw_only=True):
    """How every picture is drawn, in whichever way."""

    width: int
    height: int
    steps: int
    guidance: float
    feather: float
    weight: float


def scenes(count: int, seed: int) -> list[Scene]:
    """Scenes of two figures each, of those that no training knows."""
    among = evaluate.held_out(10 * count + 50, seed)  # two in nine have two figures
    return [scene for scene in among if len(scene.figures) == len(SIDES)][:count]


def one_prompt(scene: Scene, settings: Settings) -> Resolved:
    """The tags of both, one after the other, as if there were no sides."""
    shared = _tags(scene)
    both = (tag for side in SIDES for tag in _tags(scene, side))
    return _resolved(", ".join([shared[0], *both, *shared[1:]]), settings)


def groups(scene: Scene, settings: Settings) -> Resolved:
    """A group of tags for each side, as a prompt is compiled of two characters."""
    return _resolved(_compiled(scene), settings)


def regions(scene: Scene, settings: Settings) -> Resolved:
    """The same, and a region for each side, whose prompt says nothing of the other figure."""
    shared = ", ".join(_tags(scene))
    own = (
        Region(
            prompt=f"{shared}, {side}: {', '.join(_tags(scene, side))}",
            left=place / len(SIDES),
            top=0.0,
            right=(place + 1) / len(SIDES),
            bottom=1.0,
            feather=settings.feather,
            weight=settings.weight,
        )
        for place, side in enumerate(SIDES)
    )
    return _resolved(_compiled(scene), settings, tuple(own))


WAYS: dict[str, Callable[[Scene, Settings], Resolved]] = {
    "one prompt": one_prompt,
    "`left: …, right: …`": groups,
    "regions": regions,
}


class Drawn(Struct, frozen=True, kw_only=True):
    """What one way made of all scenes."""

    pictures: list[Image.Image]
    seconds: list[float]


def load(model: Path) -> Any:
    """The pipeline of a model's folder."""
    loader: Any = diffusers
    loader.utils.logging.disable_progress_bar()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipe = loader.StableDiffusionPipeline.from_pretrained(
            str(model), dtype=torch.float32, use_safetensors=True, local_files_only=True
        )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def draw(painter: Painter, inputs: Sequence[Resolved]) -> Drawn:
    """The pictures, of seeds 0, 1, and so on, and how long each took."""
    drawn = Drawn(pictures=[], seconds=[])
    for seed, resolved in enumerate(inputs):
        start = time.monotonic()
        picture = painter.paint(resolved, seed, lambda _: None, lambda _step, _steps: None)
        drawn.seconds.append(time.monotonic() - start)
        drawn.pictures.append(picture)
    return drawn


def kept(pairs: Sequence[tuple[Scene, Answers]]) -> dict[str, tuple[float, int]]:
    """The share of figures that have what was asked of them, and their number, by attribute.

    Only of attributes in which the two differ: where both have the same, nothing can be mixed up.
    """
    right: dict[str, list[bool]] = {field.name: [] for field in fields(Figure)}
    for scene, answers in pairs:
        wanted = dict(judge.asked_of(scene))
        for attribute, hits in right.items():
            one, other = (f"{ordinal}_{attribute}" for ordinal in _ORDINALS)
            if wanted.get(one) != wanted.get(other):
                hits += [answers[name] == wanted[name] for name in (one, other) if name in wanted]
    return {name: (sum(hits) / len(hits), len(hits)) for name, hits in right.items() if hits}


def table(
    found: dict[str, dict[str, tuple[float, int]]],
    painted: dict[str, float],
    seconds: dict[str, float],
) -> str:
    """Attributes down, ways across, as Markdown; what the judge makes of the painter's own last."""
    lines = [
        f"| on the right figure | {' | '.join(found)} | the painter's own | figures |",
        f"|---|{'---|' * len(found)}---|---|",
    ]
    first = next(iter(found.values()))
    for attribute, (_, count) in first.items():
        own = [painted.get(f"two: {ordinal}_{attribute}", 0.0) for ordinal in _ORDINALS]
        shares = _percent(way[attribute] for way in found.values())
        name = attribute.replace("_", " ")
        lines.append(f"| {name} | {shares} | {sum(own) / len(own):.1%} | {count} |")
    every = sum(count for _, count in first.values())
    means = (
        (sum(share * count for share, count in way.values()) / every, every)
        for way in found.values()
    )
    lines.append(f"| **all** | {_percent(means)} | | {every} |")
    times = " | ".join(f"{seconds[way]:.2f} s" for way in found)
    lines.append(f"| one picture, median | {times} | | |")
    return "\n".join(lines)


def sheet(drawn: Sequence[Drawn]) -> Image.Image:
    """All pictures: a row for each scene, a column for each way."""
    pictures = [way.pictures for way in drawn]
    width, height = pictures[0][0].size
    whole = Image.new("RGB", (width * len(pictures), height * len(pictures[0])))
    for column, way in enumerate(pictures):
        for row, picture in enumerate(way):
            whole.paste(picture, (column * width, row * height))
    return whole


def main() -> None:
    """Draw, judge, print."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.regions")
    parser.add_argument("--model", type=Path, default=evaluate.FOLDER, help="model folder")
    parser.add_argument("--judge", type=Path, default=judge.SHIPPED, help="the judge's file")
    parser.add_argument("--scenes", type=int, default=100, help="scenes of two figures")
    parser.add_argument("--seed", type=int, default=1, help="chooses the scenes")
    parser.add_argument("--steps", type=int, default=15)
    parser.add_argument("--guidance", type=float, default=4.0)
    parser.add_argument("--feather", type=float, default=0.1)
    parser.add_argument("--weight", type=float, default=1.0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--sheet", type=Path, help="a picture of all pictures, to be looked at")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    knows, painted = judge.read(asked.judge)
    chosen = scenes(asked.scenes, asked.seed)
    settings = Settings(
        width=(model := describe(asked.model)).width,
        height=model.height,
        steps=asked.steps,
        guidance=asked.guidance,
        feather=asked.feather,
        weight=asked.weight,
    )
    painter = Painter(load(asked.model), torch.device("cpu"))
    painter.warm_up()
    drawn: dict[str, Drawn] = {}
    for name, way in WAYS.items():
        print(f"{name} …", file=sys.stderr, flush=True)
        drawn[name] = draw(painter, [way(scene, settings) for scene in chosen])
    if asked.sheet is not None:
        sheet(list(drawn.values())).save(asked.sheet)
    found = {
        name: kept(list(zip(chosen, knows.answers(_stacked(way)), strict=True)))
        for name, way in drawn.items()
    }
    print(table(found, painted, {name: median(way.seconds) for name, way in drawn.items()}))


def _resolved(prompt: str, settings: Settings, parts: tuple[Region, ...] = ()) -> Resolved:
    return Resolved(
        prompt=prompt,
        negative="",
        width=settings.width,
        height=settings.height,
        steps=settings.steps,
        guidance=settings.guidance,
        sampler="dpmpp_2m",
        schedule="karras",
        model="",
        regions=parts,
    )


def _compiled(scene: Scene) -> str:
    cast = [
        Person(key=side, bible=Character(name=side, appearance=_tags(scene, side)))
        for side in SIDES
    ]
    return joined(prompt_parts(None, cast, (), Job(prompt=_tags(scene))))


def _tags(scene: Scene, side: str | None = None) -> tuple[str, ...]:
    """What is said of the figure on a side, or of the whole picture: how many first."""
    split = [tag.rpartition(": ") for tag in captions.canonical(scene).split(", ")]
    return tuple(tag for found, _, tag in split if found == (side or ""))


def _stacked(way: Drawn) -> Any:
    return np.stack([np.asarray(picture) for picture in way.pictures])


def _percent(shares: Iterable[tuple[float, int]]) -> str:
    return " | ".join(f"{share:.1%}" for share, _ in shares)


if __name__ == "__main__":
    main()
