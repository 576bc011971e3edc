"""Pictures that are alike are drawn at once, each as it would be among others of their number."""

from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from msgspec.structs import replace
from PIL import Image, ImageChops

from pipeline import inscription
from pipeline.core.resolved import Adapter, Region, Task
from pipeline.core.samplers import Sampler, Schedule
from pipeline.render.paint import Painter
from pipeline.wire import Begin, Done, Fault, Message, Step
from tests.render.answering import answers, words
from tests.render.conftest import RESOLVED, task

CPU = torch.device("cpu")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # diffusers of numpy 2


WORDS = ["red", "blue", "hat", "cat"]


def shots(count: int, **inputs: Any) -> list[Task]:
    """Pictures that are alike: others in their prompts, their negatives and their seeds."""
    return [
        task(
            f"shot{number}",
            seed=10 + number,
            prompt=f"girl, {word}",
            negative=f"bad {number}",
            **inputs,
        )
        for number, word in enumerate(WORDS[:count])
    ]


def made(said: list[Message]) -> list[tuple[int, int]]:
    """Of each picture how many were drawn at once, and its place among them."""
    return [(one.made.batch, one.made.place) for one in said if isinstance(one, Done)]


def pixels(root: Path, each: Task) -> bytes:
    with Image.open(root / each.file) as image:
        return image.tobytes()


def test_they_are_those_that_bare_diffusers_draws_at_once(pipe: Any, tmp_path: Path) -> None:
    tasks = shots(4)
    assert made(answers(pipe, tmp_path, *tasks, batch=4)) == [(4, 0), (4, 1), (4, 2), (4, 3)]
    pipe.scheduler = _scheduler(pipe)
    bare = pipe(
        [each.resolved.prompt for each in tasks],
        negative_prompt=[each.resolved.negative for each in tasks],
        width=64, height=64, num_inference_steps=4, guidance_scale=5.0,
        generator=[torch.Generator("cpu").manual_seed(each.seed) for each in tasks],
    ).images  # fmt: skip
    assert [image.tobytes() for image in bare] == [pixels(tmp_path, each) for each in tasks]


def test_one_is_drawn_again_by_its_record_though_the_others_are_gone(
    pipe: Any, tmp_path: Path
) -> None:
    tasks = shots(3)
    answers(pipe, tmp_path, *tasks, batch=4)
    record = inscription.record_of(tmp_path / tasks[1].file)
    assert record is not None
    (tmp_path / "again").mkdir()
    again = replace(tasks[1], batch=record.made.batch, place=record.made.place)
    assert made(answers(pipe, tmp_path / "again", again)) == [(3, 1)]
    assert pixels(tmp_path / "again", again) == pixels(tmp_path, tasks[1])


def test_others_wait_until_they_are_done_and_keep_their_order(pipe: Any, tmp_path: Path) -> None:
    first, second, third = shots(3)
    wide = task("wide", width=128)
    said = answers(pipe, tmp_path, first, wide, second, third, batch=4)
    assert [one.task for one in said if isinstance(one, Done)] == [
        each.id for each in (first, second, third, wide)
    ]
    assert made(said) == [(3, 0), (3, 1), (3, 2), (1, 0)]


def test_no_more_are_drawn_at_once_than_may_be(pipe: Any, tmp_path: Path) -> None:
    assert made(answers(pipe, tmp_path, *shots(3), batch=2)) == [(2, 0), (2, 1), (1, 0)]
    assert made(answers(pipe, tmp_path, *shots(2), batch=1)) == [(1, 0), (1, 0)]


def test_of_each_it_is_told_how_far_it_is(pipe: Any, tmp_path: Path) -> None:
    tasks = shots(2)
    said = words(pipe, tmp_path, *tasks, batch=2)
    ids = [each.id for each in tasks]
    assert [one.task for one in said if isinstance(one, Begin)] == ids
    steps = [one for one in said if isinstance(one, Step)]
    assert [(one.task, one.step) for one in steps] == [(id_, n) for n in range(1, 5) for id_ in ids]


@pytest.mark.parametrize("sampler", get_args(Sampler))
def test_each_has_its_own_noise_with_every_sampler(
    pipe: Any, tmp_path: Path, sampler: Sampler
) -> None:
    """Also those that add noise at each step: but for rounding it is as if it were alone."""
    schedule: Schedule = "normal"
    tasks = shots(3, sampler=sampler, schedule=schedule)
    (tmp_path / "alone").mkdir()
    answers(pipe, tmp_path, *tasks, batch=3)
    answers(pipe, tmp_path / "alone", *tasks)
    for each in tasks:
        files = tmp_path / each.file, tmp_path / "alone" / each.file
        with Image.open(files[0]) as one, Image.open(files[1]) as two:
            most = max(ImageChops.difference(one, two).tobytes())
        assert most <= 2, f"{each.job} differs from itself alone by {most}"


@pytest.mark.parametrize(
    "other",
    [
        {"steps": 5},
        {"guidance": 6.0},
        {"sampler": "euler"},
        {"schedule": "exponential"},
        {"width": 128},
        {"clip_skip": 2},
        {"adapters": (Adapter(sha256="cd" * 32),)},
        {"regions": (Region(prompt="cat", left=0, top=0, right=0.5, bottom=1),)},
        {"prompt": "girl, " * 90},
        {"model": "cd" * 32},
    ],
)
def test_what_is_not_alike(pipe: Any, other: dict[str, Any]) -> None:
    painter = Painter(pipe, CPU)
    assert painter.alike(RESOLVED, replace(RESOLVED, prompt="a cat", negative=""))
    assert not painter.alike(RESOLVED, replace(RESOLVED, **other))
    assert not painter.alike(replace(RESOLVED, **other), RESOLVED)


def test_where_they_cannot_be_drawn_at_once_each_has_its_own_answer(
    pipe: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory for two at once is not there; the first fails by itself, too."""
    forward = pipe.unet.forward

    def small(sample: torch.Tensor, *args: Any, **named: Any) -> Any:
        if len(sample) > 2:
            raise torch.OutOfMemoryError("out of memory")
        return forward(sample, *args, **named)

    monkeypatch.setattr(pipe.unet, "forward", small)
    tasks = shots(2)
    assert made(answers(pipe, tmp_path, *tasks, batch=2)) == [(1, 0), (1, 0)]


def test_a_picture_that_cannot_be_put_away_takes_no_other_along(pipe: Any, tmp_path: Path) -> None:
    (tmp_path / "no").write_text("a file where a folder should be")
    first, second = shots(2)
    said = answers(pipe, tmp_path, replace(first, file="no/a.png"), second, batch=2)
    assert [type(one) for one in said] == [Fault, Done]


def _scheduler(pipe: Any) -> Any:
    from diffusers import DPMSolverMultistepScheduler

    making: Any = DPMSolverMultistepScheduler
    return making.from_config(
        dict(pipe.scheduler.config), algorithm_type="dpmsolver++", use_karras_sigmas=True,
        final_sigmas_type="zero", lower_order_final=True,
    )  # fmt: skip
