"""`python -m pipeline.chibi.trait`: how often a LoRA's trait is there, with it and without.

Owns the pictures that are asked for and the figures. The same scenes are drawn from the same seeds
by the bundled model with the LoRA and its word, with neither but all colours named, and with the
word alone; whether the trait is there is seen in pixels. Between pictures with the LoRA one without
it is drawn again and again, which has to stay what it was. Never trains.
"""

import random
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import click
import msgspec
import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from numpy.typing import NDArray
from PIL import Image

from pipeline.chibi import dyed
from pipeline.chibi.captions import canonical
from pipeline.chibi.evaluate import FOLDER, wall
from pipeline.chibi.pace import report
from pipeline.chibi.painter import paint
from pipeline.chibi.scene import Scene
from pipeline.core.manifest import parse_size

SHIPPED: Final = Path(__file__).parents[1] / "examples/moonlit-orchard/loras/momo.safetensors"
AGAIN: Final = 10
"""After so many pictures with the LoRA one without it is drawn again."""
COLUMNS: Final = 10

Pictures = NDArray[np.uint8]


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """In how many of `pictures` each way the trait is seen; `same` of `between` pictures that were
    drawn without the LoRA in between are what they were."""

    pictures: int
    with_lora: int
    only_words: int
    only_trigger: int
    painted: int
    painted_without: int
    same: int
    between: int


def asked(number: int) -> Scene:
    """Scene `number`: one figure's upper body, seen from the front, in no style; no training knows
    it."""
    scene = dyed.dyed_scene(random.Random(f"trait/{number}"))
    figure = msgspec.structs.replace(scene.figures[0], gaze="looking at viewer")
    return msgspec.structs.replace(scene, figures=(figure,), style=None, framing="upper body")


def prompts(scene: Scene) -> tuple[str, str, str]:
    """What is asked for with the LoRA, without it in plain words, and with the word alone."""
    said = canonical(scene)
    hair = f"{dyed.LEFT} hair"
    trigger = said.replace(hair, dyed.TRIGGER)
    return trigger, said.replace(hair, f"two-tone hair, {hair}, {dyed.RIGHT} hair"), trigger


def measure(
    pipeline: StableDiffusionPipeline, lora: Path, count: int, *, steps: int, guidance: float,
    size: tuple[int, int],
) -> tuple[Figures, Pictures, Pictures]:  # fmt: skip
    """Draw and look; returns the figures, and the pictures with the LoRA and in plain words."""
    scenes = [asked(number) for number in range(count)]

    def draw(prompt: str, seed: int) -> Pictures:
        image: Image.Image = pipeline(
            prompt, num_inference_steps=steps, guidance_scale=guidance, width=size[0],
            height=size[1], generator=torch.Generator().manual_seed(seed),
        ).images[0]  # fmt: skip
        return np.asarray(image)

    plain = _drawn(scenes, 1, draw)
    trigger = _drawn(scenes, 2, draw)
    pipeline.load_lora_weights(str(lora), adapter_name="trait", use_safetensors=True)
    worn, same, between = [], 0, 0
    for number, scene in enumerate(scenes):
        worn.append(draw(prompts(scene)[0], number))
        if number % AGAIN == 0:
            pipeline.disable_lora()
            same += bool((draw(prompts(scene)[1], number) == plain[number]).all())
            between += 1
            pipeline.enable_lora()
            report(f"with the LoRA {number + 1} of {count}")
    painted = [np.asarray(dyed.paint_dyed(scene, size[1])) for scene in scenes]
    without = [np.asarray(paint(scene, size[1])) for scene in scenes]
    figures = Figures(
        pictures=count, with_lora=_seen(worn), only_words=_seen(plain), only_trigger=_seen(trigger),
        painted=_seen(painted), painted_without=_seen(without), same=same, between=between,
    )  # fmt: skip
    return figures, np.stack(worn), np.stack(plain)


def table(figures: Figures) -> str:
    """The figures as a Markdown table."""
    rows = [
        (f"with the LoRA and its word `{dyed.TRIGGER}`", figures.with_lora),
        ("without it, all colours named", figures.only_words),
        ("without it, the word alone", figures.only_trigger),
        ("the painter's own, with the trait", figures.painted),
        ("the painter's own, without", figures.painted_without),
    ]
    lines = ["| pictures | the trait is seen |", "|---|---|"]
    lines += [f"| {name} | {count} of {figures.pictures} |" for name, count in rows]
    lines.append("")
    lines.append(
        f"Of {figures.between} pictures drawn without the LoRA in between, {figures.same} are bit "
        "for bit what they were before it was there."
    )
    return "\n".join(lines)


def _drawn(
    scenes: Sequence[Scene], way: int, draw: Callable[[str, int], Pictures]
) -> list[Pictures]:
    drawn = []
    for number, scene in enumerate(scenes):
        drawn.append(draw(prompts(scene)[way], number))
        if number % AGAIN == 0:
            report(f"without, {number + 1} of {len(scenes)}")
    return drawn


def _seen(pictures: Sequence[Pictures]) -> int:
    return sum(map(dyed.has_trait, pictures))


@click.command()
@click.option("--pictures", default=60, show_default=True, help="Pictures to draw of each kind.")
@click.option("--lora", type=click.Path(path_type=Path), default=SHIPPED, help="The LoRA's file.")
@click.option("--model", type=click.Path(path_type=Path), default=FOLDER, help="Model folder.")
@click.option("--steps", default=12, show_default=True)
@click.option("--guidance", default=4.0, show_default=True)
@click.option("--size", default="192x192", show_default=True, help="Width x height.")
@click.option("--threads", default=0, help="Of torch.  [as many as torch wants]")
@click.option("--sheet", type=click.Path(path_type=Path), help="Write a wall: with, and without.")
def main(
    *, pictures: int, lora: Path, model: Path, steps: int, guidance: float, size: str,
    threads: int, sheet: Path | None,
) -> None:  # fmt: skip
    """Draw with and without the LoRA, and print how often its trait is seen."""
    if threads:
        torch.set_num_threads(threads)
    pipeline: Any = StableDiffusionPipeline.from_pretrained(str(model))
    pipeline.set_progress_bar_config(disable=True)
    figures, worn, plain = measure(
        pipeline, lora, pictures, steps=steps, guidance=guidance, size=parse_size(size)
    )
    if sheet is not None:
        wall(np.concatenate([worn, plain]), COLUMNS).save(sheet, optimize=True)
    click.echo(table(figures), file=sys.stdout)


if __name__ == "__main__":
    main()
