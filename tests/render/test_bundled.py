"""The bundled model: a worker's pixels are those of bare diffusers, and the judge, which only ever
saw painted pictures, finds in them what bibles, styles and jobs asked for."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from msgspec.structs import replace
from PIL import Image

from pipeline.chibi import judge
from pipeline.core.resolved import Resolved, Task
from pipeline.render.paint import Painter
from tests.production import Production
from tests.render.bare import load

CHIBI = Path(__file__).parents[2] / "pipeline/chibi/model"
CPU = torch.device("cpu")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # diffusers of numpy 2

RESOLVED = Resolved(
    prompt="1girl, pink hair, twintails, blue eyes, smile, yellow hoodie, pale skin, forest",
    negative="glasses, rain",
    width=256,
    height=256,
    steps=4,
    guidance=5.0,
    sampler="dpmpp_2m",
    schedule="karras",
    model="ab" * 32,
)
AKIRA = """kind: character
name: Akira
appearance: silver hair, short hair, red eyes, pale skin
outfit: black jacket
outfits: {summer: yellow dress}
"""

Draw = Callable[[Resolved, int], Image.Image]


def pipeline() -> Any:
    return load(CHIBI)


@pytest.fixture(scope="module")
def bare() -> Any:
    return pipeline()


@pytest.fixture(scope="module")
def draw() -> Draw:
    """What a worker does with the bundled model, all cores."""
    painter = Painter(pipeline(), CPU)
    return lambda inputs, seed: painter.paint(inputs, seed, lambda _: None, lambda *_: None)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"width": 192, "height": 192},
        {"width": 384, "height": 384, "steps": 2},
        {"width": 192, "height": 288},
        {"width": 288, "height": 192},
        {"negative": ""},
        {"guidance": 1.0},
        {"guidance": 9.0, "prompt": "1girl, something nobody_ever painted, 8k"},
        {"prompt": "2girls, left: red hair, smile, right: blue hair, sad, rain"},
    ],
    ids=[
        "usual",
        "small",
        "large",
        "portrait",
        "landscape",
        "no-negative",
        "unguided",
        "odd",
        "two",
    ],
)
def test_pixels_are_those_of_bare_diffusers(change: dict[str, Any], draw: Draw, bare: Any) -> None:
    inputs = replace(RESOLVED, **change)
    expected: Image.Image = bare(
        inputs.prompt,
        negative_prompt=inputs.negative,
        width=inputs.width,
        height=inputs.height,
        num_inference_steps=inputs.steps,
        guidance_scale=inputs.guidance,
        generator=torch.Generator("cpu").manual_seed(3),
    ).images[0]
    assert draw(inputs, 3).tobytes() == expected.tobytes()


def owed(**files: str) -> list[Task]:
    """What a production of these manifests owes, with the usual steps and guidance."""
    made = Production()
    made.drop("show/project.yaml", "kind: project\nname: Show\n")
    made.drop("show/akira.yaml", AKIRA)
    for name, text in files.items():
        made.drop(f"show/{name}.yaml", f"kind: job\nseed: 5\n{text}")
    return made.tasks()


def seen(tasks: list[Task], draw: Draw) -> list[judge.Answers]:
    """What the judge sees in the pictures."""
    knows, _ = judge.read()
    pictures = np.stack([np.asarray(draw(task.resolved, task.seed)) for task in tasks])
    return knows.answers(pictures)


def shares(told: list[judge.Answers], **wanted: str) -> dict[str, float]:
    return {
        name: sum(one[name] == answer for one in told) / len(told)
        for name, answer in wanted.items()
    }


def test_a_bible_reaches_the_pixels_and_an_outfit_of_it_too(draw: Draw) -> None:
    job = "characters: [Akira]\nprompt: 1girl, smile, forest\ncount: 4\n"
    usual, summer = owed(a=job)[:4], owed(a=f"{job}outfit: summer\n")[:4]
    found = seen([*usual, *summer], draw)
    bible = {"first_hair_color": "silver", "background": "forest"}
    assert min(shares(found, **bible).values()) >= 0.75
    assert shares(found[:4], first_outfit="jacket", first_outfit_color="black") == pytest.approx(
        {"first_outfit": 1.0, "first_outfit_color": 1.0}, abs=0.26
    )
    assert shares(found[4:], first_outfit="dress", first_outfit_color="yellow") == pytest.approx(
        {"first_outfit": 1.0, "first_outfit_color": 1.0}, abs=0.26
    )


@pytest.mark.slow
def test_every_style_reaches_the_pixels(draw: Draw) -> None:
    styles = ["cyberpunk", "fantasy", "steampunk", "studio_ghibli", "manga", "none"]
    job = f"characters: [Akira]\nprompt: 1girl, beach\nmatrix: {{style: [{', '.join(styles)}]}}\n"
    told = [answer["style"] for answer in seen(owed(a=job), draw)]
    assert told == [*styles[:-1], "nothing"]


@pytest.mark.slow
def test_synonyms_underscores_and_unknown_words_do_no_harm(draw: Draw) -> None:
    prompts = [
        "1girl, grey_hair, twin_tails, smile, blue dress, beach",
        "masterpiece, best quality, beach, blue dress, smile, twin tails, gray hair, girl",
        "zxqv, 1girl, silver hair, twintails, smile, blue dress, beach, trending on somewhere",
    ]
    made = {f"p{number}": f"prompt: {prompt}\ncount: 2\n" for number, prompt in enumerate(prompts)}
    found = seen(owed(**made), draw)
    assert len(found) == 6
    for name, share in shares(
        found, first_hair_color="silver", first_hair_style="twintails", background="beach"
    ).items():
        assert share >= 0.66, name


@pytest.mark.slow
def test_a_negative_prompt_takes_something_away(draw: Draw) -> None:
    """Nothing is said of the place: with `rain` in the negative prompt it is another one."""
    inputs = replace(RESOLVED, prompt="1girl, red hair, rain", negative="", steps=15)
    away = replace(RESOLVED, prompt="1girl, red hair", negative="rain", steps=15)
    knows, _ = judge.read()
    drawn = [np.asarray(draw(each, seed)) for each in (inputs, away) for seed in (1, 2, 3)]
    told = [answer["background"] for answer in knows.answers(np.stack(drawn))]
    assert told[:3] == ["rain"] * 3
    assert "rain" not in told[3:]


def test_the_model_is_small_enough_to_come_along() -> None:
    assert sum(file.stat().st_size for file in CHIBI.rglob("*.safetensors")) <= 32_000_000
