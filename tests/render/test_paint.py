"""A picture has the pixels of bare diffusers, with every sampler, and no word is cut off."""

import multiprocessing
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from msgspec.structs import replace
from PIL import Image

from pipeline.core.resolved import Resolved
from pipeline.core.samplers import SCHEDULES, Sampler, Schedule
from pipeline.render import model, schedulers
from pipeline.render.paint import Painter
from pipeline.render.text import encode
from tests.render.bare import load
from tests.render.conftest import RESOLVED

CPU = torch.device("cpu")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # diffusers of numpy 2


@pytest.fixture(scope="module")
def attached(tiny_model: Path) -> Iterator[Any]:
    """The tiny model as a worker has it: attached, not loaded."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    ours, theirs = multiprocessing.Pipe()
    loaded = model.load(tiny_model, CPU)
    giving = threading.Thread(target=loaded.send, args=(ours,))
    giving.start()
    yield model.attach(model.fetch(theirs))
    giving.join()
    ours.close()
    theirs.close()
    torch.set_num_threads(threads)


@pytest.fixture
def pipe(attached: Any) -> Iterator[Any]:
    """The same with the model's own scheduler, which a painter starts from."""
    own = attached.scheduler
    yield attached
    attached.scheduler = own


@pytest.fixture(scope="module")
def bare(tiny_model: Path) -> Any:
    """The tiny model as diffusers has it."""
    return load(tiny_model)


_TINY = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "prediction_type": "v_prediction",
}
"""What the tiny model was made for, whatever draws with it."""
_BY_HAND: list[tuple[Sampler, Schedule, str, dict[str, Any]]] = [
    (
        "dpmpp_2m",
        "karras",
        "DPMSolverMultistepScheduler",
        {"algorithm_type": "dpmsolver++", "use_karras_sigmas": True},
    ),
    (
        "dpmpp_2m_sde",
        "exponential",
        "DPMSolverMultistepScheduler",
        {"algorithm_type": "sde-dpmsolver++", "use_exponential_sigmas": True},
    ),
    ("dpmpp_sde", "normal", "DPMSolverSinglestepScheduler", {"lower_order_final": True}),
    ("euler", "normal", "EulerDiscreteScheduler", {}),
    ("euler", "sgm_uniform", "EulerDiscreteScheduler", {"timestep_spacing": "trailing"}),
    ("euler_ancestral", "normal", "EulerAncestralDiscreteScheduler", {}),
    ("heun", "karras", "HeunDiscreteScheduler", {"use_karras_sigmas": True}),
    ("lms", "beta", "LMSDiscreteScheduler", {"use_beta_sigmas": True}),
    ("uni_pc", "normal", "UniPCMultistepScheduler", {"solver_order": 2, "solver_type": "bh2"}),
    ("dpm_2", "normal", "KDPM2DiscreteScheduler", {}),
    (
        "ddim",
        "normal",
        "DDIMScheduler",
        {"set_alpha_to_one": False, "clip_sample": False, "timestep_spacing": "linspace"},
    ),
    ("lcm", "normal", "LCMScheduler", {}),
]
"""Samplers as somebody who knows diffusers would write them, with nothing of ours."""


@pytest.mark.parametrize(("sampler", "schedule", "kind", "arguments"), _BY_HAND)
def test_pixels_are_those_of_bare_diffusers(
    sampler: Sampler, schedule: Schedule, kind: str, arguments: dict[str, Any], pipe: Any, bare: Any
) -> None:
    inputs = replace(RESOLVED, sampler=sampler, schedule=schedule, steps=3)
    bare.scheduler = getattr(diffusers, kind)(**{**_TINY, **arguments})
    assert _paint(Painter(pipe, CPU), inputs).tobytes() == _drawn_by(bare, inputs).tobytes()


def _pairs() -> list[tuple[Sampler, Schedule]]:
    return [(sampler, schedule) for sampler in SCHEDULES for schedule in SCHEDULES[sampler]]


@pytest.mark.parametrize(("sampler", "schedule"), _pairs())
def test_every_scheduler_draws_as_it_does_in_the_pipeline_of_diffusers(
    sampler: Sampler, schedule: Schedule, pipe: Any, bare: Any
) -> None:
    inputs = replace(RESOLVED, sampler=sampler, schedule=schedule, steps=3)
    bare.scheduler = schedulers.build(pipe.scheduler.config, sampler, schedule)
    assert _paint(Painter(pipe, CPU), inputs).tobytes() == _drawn_by(bare, inputs).tobytes()


def test_what_decides_a_schedule_does_not_hang_on_the_models_own_scheduler(pipe: Any) -> None:
    own = dict(pipe.scheduler.config) | {
        "use_karras_sigmas": True,
        "final_sigmas_type": "sigma_min",
    }
    config = schedulers.build(own, "dpmpp_2m", "exponential").config
    assert (config.use_karras_sigmas, config.use_exponential_sigmas) == (False, True)
    assert (config.final_sigmas_type, config.lower_order_final) == ("zero", True)
    assert config.prediction_type == "v_prediction"
    trailing = schedulers.build(own, "euler", "sgm_uniform").config
    assert (trailing.timestep_spacing, trailing.use_karras_sigmas) == ("trailing", False)


def test_weights_are_seen_and_not_copied_and_cannot_be_written(pipe: Any) -> None:
    weights = [
        weight for part in (pipe.unet, pipe.vae, pipe.text_encoder) for weight in part.parameters()
    ]
    first, last = min(w.data_ptr() for w in weights), max(w.data_ptr() for w in weights)
    maps = Path("/proc/self/maps").read_text().splitlines()
    (slab,) = [line.split() for line in maps if "anime-weights" in line]
    start, end = (int(bound, 16) for bound in slab[0].split("-"))
    assert start <= first <= last < end
    assert slab[1] == "r--s"
    assert not any(weight.requires_grad for weight in weights)


def test_nothing_but_the_slab_is_shared(pipe: Any) -> None:
    maps = Path("/proc/self/maps").read_text()
    assert "/torch_" not in maps  # what torch calls its own shared memory
    assert pipe.scheduler.config.prediction_type == "v_prediction"


def test_ticks_come_after_the_begin_and_count_to_the_end(pipe: Any) -> None:
    told: list[Any] = []
    painter = Painter(pipe, CPU)
    painter.paint(RESOLVED, 1, lambda _: told.append("begun"), lambda *step: told.append(step))
    assert told == ["begun", (1, 4), (2, 4), (3, 4), (4, 4)]


def test_what_a_callback_raises_ends_the_picture_and_leaves_the_next_alone(pipe: Any) -> None:
    painter = Painter(pipe, CPU)
    expected = _paint(painter, RESOLVED)

    def halt(step: int, _: int) -> None:
        if step == 2:
            raise KeyError("enough")

    with pytest.raises(KeyError, match="enough"):
        painter.paint(RESOLVED, 1, lambda _: None, halt)
    assert _paint(painter, RESOLVED).tobytes() == expected.tobytes()


def test_guidance_of_one_draws_without_a_negative(pipe: Any) -> None:
    painter = Painter(pipe, CPU)
    one = _paint(painter, replace(RESOLVED, guidance=1.0))
    assert one.tobytes() == _paint(painter, replace(RESOLVED, guidance=1.0, negative="")).tobytes()
    assert one.tobytes() != _paint(painter, RESOLVED).tobytes()


def test_a_long_prompt_is_encoded_to_its_end(pipe: Any) -> None:
    words = "girl red hair " * 30
    positive, negative = _encoded(pipe, words, "bad")
    assert positive.shape == negative.shape == (1, 2 * 77, 32)
    other, _ = _encoded(pipe, f"{words} smile", "bad")
    assert torch.equal(positive[:, :77], other[:, :77])
    assert not torch.equal(positive[:, 77:], other[:, 77:])
    empty, _ = _encoded(pipe, "", "")
    assert torch.equal(negative[:, 77:], empty)


def test_a_prompt_that_just_fits_is_encoded_as_diffusers_does(pipe: Any) -> None:
    words = " ".join(["girl"] * 75)
    positive, _ = _encoded(pipe, words, "")
    expected, _ = pipe.encode_prompt(words, CPU, 1, True, "")
    assert torch.equal(positive, expected)
    longer, _ = _encoded(pipe, f"{words} girl", "")
    assert longer.shape[1] == 2 * 77


def test_a_words_weight_is_heard_and_its_brackets_are_not(pipe: Any) -> None:
    """A weight of one says the same as none; a heavier word is further from nothing."""
    said, _ = _encoded(pipe, "girl, red hair", "")
    one, _ = _encoded(pipe, "girl, (red hair:1.0)", "")
    assert torch.equal(said, one)
    heavy, _ = _encoded(pipe, "girl, (red hair:1.5)", "")
    nothing, _ = _encoded(pipe, "", "")
    assert torch.equal(heavy[:, :3], said[:, :3])
    expected = nothing + 1.5 * (said - nothing)
    changed = (heavy - said).abs().amax(dim=(0, 2)) > 1e-6
    torch.testing.assert_close(heavy[:, changed], expected[:, changed])
    assert changed.sum() >= 2
    painter = Painter(pipe, CPU)
    weighed = replace(RESOLVED, prompt=f"({RESOLVED.prompt}:1.4)")
    assert _paint(painter, weighed).tobytes() != _paint(painter, RESOLVED).tobytes()


def _encoded(pipe: Any, prompt: str, negative: str) -> tuple[torch.Tensor, torch.Tensor]:
    """What the UNet listens to of both prompts."""
    positive, opposite = encode(pipe, prompt, negative, guided=True)
    assert opposite is not None
    return positive.states, opposite.states


def _paint(painter: Painter, inputs: Resolved) -> Image.Image:
    return painter.paint(inputs, 3, lambda _: None, lambda _step, _steps: None)


def _drawn_by(bare: Any, inputs: Resolved) -> Image.Image:
    """The picture of a pipeline of diffusers, with whatever scheduler it has."""
    image: Image.Image = bare(
        inputs.prompt,
        negative_prompt=inputs.negative,
        width=inputs.width,
        height=inputs.height,
        num_inference_steps=inputs.steps,
        guidance_scale=inputs.guidance,
        generator=torch.Generator("cpu").manual_seed(3),
    ).images[0]
    return image
