"""`python -m pipeline.chibi.evaluate`: do the model's pictures show what their prompts say?

Owns the scenes that are asked for, the goals, and the table. Never improves a model and never
chooses among its pictures.
"""

import json
import math
import random
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click
import msgspec
import numpy as np
import torch
from diffusers import (
    EulerDiscreteScheduler,
    StableDiffusionPipeline,
    UniPCMultistepScheduler,
)
from PIL import Image

from pipeline.chibi import dataset, judge
from pipeline.chibi.captions import canonical
from pipeline.chibi.pace import report
from pipeline.chibi.scene import Scene, sample
from pipeline.core.manifest import parse_size

FOLDER: Final = Path(__file__).with_name("model")
GOALS: Final = {
    "hair_color": 0.97,
    "style": 0.97,
    "background": 0.95,
    "outfit_color": 0.95,
    "hair_style": 0.90,
    "eye_color": 0.90,
    "expression": 0.90,
    "accessory": 0.85,
    "two figures": 0.85,
}
"""Share of pictures that should show what was asked for, by attribute."""

SAMPLERS: Final = {"euler": EulerDiscreteScheduler, "uni_pc": UniPCMultistepScheduler}
"""Others than the model's own, DPM++ 2M with Karras sigmas."""

COLUMNS: Final = 8
SHOWN: Final = 32
"""Pictures on the wall."""

TWO: Final = ("two: first_", "two: second_")
BATCH: Final = 8


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One attribute's line of the table.

    Shares are 0..1: `drawn` of the model's pictures, `painted` of the painter's own, which is
    all that the judge can tell.
    """

    attribute: str
    pictures: int
    drawn: float
    painted: float
    goal: float | None = None


def held_out(count: int, seed: int) -> list[Scene]:
    """Return scenes that no training knows, one figure and two as they come."""
    return [sample(random.Random(f"evaluate/{seed}/{number}")) for number in range(count)]


def draw(
    pipeline: StableDiffusionPipeline,
    scenes: Sequence[Scene],
    *,
    steps: int,
    guidance: float,
    size: tuple[int, int] | None = None,
) -> dataset.Pictures:
    """Return the pictures the model draws for the full captions of `scenes`, seeds 0, 1, ...

    `size` is width and height, by default the model's own.
    """
    width, height = size or (None, None)
    drawn: list[Image.Image] = []
    for begin in range(0, len(scenes), BATCH):
        some = scenes[begin : begin + BATCH]
        drawn += pipeline(
            [canonical(scene) for scene in some],
            num_inference_steps=steps,
            guidance_scale=guidance,
            width=width,
            height=height,
            generator=[torch.Generator().manual_seed(begin + n) for n in range(len(some))],
        ).images
        if begin // BATCH % 5 == 0:
            report(f"drawn {len(drawn)} of {len(scenes)} pictures")
    return np.stack([np.asarray(picture) for picture in drawn])


def wall(drawn: dataset.Pictures, columns: int) -> Image.Image:
    """Return the pictures side by side, `columns` in a row."""
    height, width = drawn.shape[1:3]
    rows = math.ceil(len(drawn) / columns)
    sheet = Image.new("RGB", (columns * width, rows * height), "white")
    for number, picture in enumerate(drawn):
        row, column = divmod(number, columns)
        sheet.paste(Image.fromarray(picture), (column * width, row * height))
    return sheet


def rows(pairs: Sequence[tuple[Scene, judge.Answers]], painted: dict[str, float]) -> list[Row]:
    """Return the table: each attribute of single figures, then all attributes of two together."""
    found = judge.shares(pairs)
    table = [
        Row(
            attribute=name,
            pictures=count,
            drawn=share,
            painted=painted.get(name, 0.0),
            goal=GOALS.get(name),
        )
        for name, (share, count) in found.items()
        if not name.startswith("two: ")
    ]
    both = {name: value for name, value in found.items() if name.startswith(TWO)}
    if both:
        asked = sum(count for _, count in both.values())
        table.append(
            Row(
                attribute="two figures",
                pictures=sum(len(scene.figures) == 2 for scene, _ in pairs),
                drawn=sum(share * count for share, count in both.values()) / asked,
                painted=float(np.mean([painted.get(name, 0.0) for name in both])),
                goal=GOALS["two figures"],
            )
        )
    order = list(GOALS)
    return sorted(table, key=lambda row: order.index(row.attribute) if row.goal else len(order))


def table(lines: Sequence[Row]) -> str:
    """Return the rows as a Markdown table."""
    text = ["| attribute | right | goal | the painter's own | pictures |", "|---|---|---|---|---|"]
    for row in lines:
        goal = f"{row.goal:.0%}" if row.goal else ""
        text.append(
            f"| {row.attribute.replace('_', ' ')} | {row.drawn:.1%} | {goal} "
            f"| {row.painted:.1%} | {row.pictures} |"
        )
    return "\n".join(text)


@click.command()
@click.option("--pictures", default=500, show_default=True, help="Pictures to draw and judge.")
@click.option("--seed", default=1, show_default=True, help="Chooses the scenes.")
@click.option("--json", "as_json", is_flag=True, help="Rows as JSON instead of a table.")
@click.option("--model", type=click.Path(path_type=Path), default=FOLDER, help="Model folder.")
@click.option("--judge", "judge_file", type=click.Path(path_type=Path), default=judge.SHIPPED)
@click.option("--steps", default=15, show_default=True)
@click.option("--guidance", default=4.0, show_default=True)
@click.option("--size", help="Width x height, such as 192x288.  [the model's own]")
@click.option("--sampler", type=click.Choice(["dpmpp_2m", *SAMPLERS]), default="dpmpp_2m")
@click.option("--sheet", type=click.Path(path_type=Path), help="Write a wall of the first ones.")
def main(
    *,
    pictures: int,
    seed: int,
    as_json: bool,
    model: Path,
    judge_file: Path,
    steps: int,
    guidance: float,
    size: str | None,
    sampler: str,
    sheet: Path | None,
) -> None:
    """Draw pictures of random scenes and print how many show what was asked for."""
    knows, painted = judge.read(judge_file)
    scenes = held_out(pictures, seed)
    pipeline = StableDiffusionPipeline.from_pretrained(str(model))
    pipeline.set_progress_bar_config(disable=True)
    if sampler in SAMPLERS:
        kind = SAMPLERS[sampler]
        pipeline.scheduler = kind.from_config(pipeline.scheduler.config, use_karras_sigmas=False)
    shape = parse_size(size) if size else None
    drawn = draw(pipeline, scenes, steps=steps, guidance=guidance, size=shape)
    if sheet is not None:
        wall(drawn[:SHOWN], COLUMNS).save(sheet, optimize=True)
    found = rows(list(zip(scenes, knows.answers(drawn), strict=True)), painted)
    if as_json:
        click.echo(json.dumps([msgspec.to_builtins(row) for row in found]), file=sys.stdout)
    else:
        click.echo(table(found), file=sys.stdout)


if __name__ == "__main__":
    main()
