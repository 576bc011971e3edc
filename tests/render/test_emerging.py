"""Previews show the picture that emerges, with every sampler; they are small and change nothing."""

import io
from collections.abc import Iterator
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from msgspec.structs import replace
from numpy.typing import NDArray
from PIL import Image

from pipeline.core.resolved import Resolved
from pipeline.core.samplers import SCHEDULES, Sampler, Schedule
from pipeline.render import emerging, factors, schedulers
from pipeline.render.paint import Painter
from tests.render.test_bundled import RESOLVED, pipeline

CPU = torch.device("cpu")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # diffusers of numpy 2
SMALL = replace(RESOLVED, width=128, height=128, steps=6)


@pytest.fixture(scope="module")
def pipe() -> Iterator[Any]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield pipeline()
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def painter(pipe: Any) -> Painter:
    return Painter(pipe, CPU)


def paint(painter: Painter, inputs: Resolved, previews: int) -> tuple[Image.Image, list[bytes]]:
    """The picture, and the previews of it."""
    shown: list[bytes] = []
    image = painter.paint(
        inputs, 5, lambda _: None, lambda *_: None, previews=previews, emerged=shown.append
    )
    return image, shown


def colours(picture: Image.Image, side: int = 16) -> NDArray[np.float64]:
    return np.asarray(picture.convert("RGB").resize((side, side), Image.Resampling.BOX)) / 255.0


@pytest.mark.parametrize("sampler", list(SCHEDULES))
def test_with_previews_a_picture_has_the_pixels_it_has_without(
    painter: Painter, sampler: Sampler
) -> None:
    inputs = replace(SMALL, sampler=sampler, schedule="normal", steps=4)
    bare, none = paint(painter, inputs, 0)
    shown, previews = paint(painter, inputs, 1)
    assert shown.tobytes() == bare.tobytes()
    assert none == []
    assert len(previews) >= 3


@pytest.mark.parametrize(
    ("sampler", "schedule"),
    [(sampler, schedules[-1]) for sampler, schedules in SCHEDULES.items()],
)
def test_the_last_preview_looks_like_the_picture_and_the_first_less(
    painter: Painter, sampler: Sampler, schedule: Schedule
) -> None:
    """Noise would be far off in every step: that is what the latents of the callback have."""
    inputs = replace(SMALL, steps=12, sampler=sampler, schedule=schedule)
    image, previews = paint(painter, inputs, 1)
    aim = colours(image)
    off = [abs(colours(Image.open(io.BytesIO(data))) - aim).mean() for data in previews]
    assert off[-1] < 0.05
    assert off[-1] < off[0]


def test_a_preview_comes_every_few_steps_but_not_with_the_last(painter: Painter) -> None:
    told: list[Any] = []
    painter.paint(
        replace(SMALL, steps=9), 5, lambda _: None, lambda step, _: told.append(step),
        previews=3, emerged=lambda _: told.append("preview"),
    )  # fmt: skip
    assert told == [1, 2, "preview", 3, 4, 5, "preview", 6, 7, 8, 9]


@pytest.mark.parametrize(
    ("latent", "size"),
    [((8, 32), (128, 256)), ((32, 32), (128, 128)), ((64, 64), (256, 256)), ((96, 300), (256, 81))],
)
def test_it_is_a_small_jpeg_of_the_pictures_shape(
    latent: tuple[int, int], size: tuple[int, int]
) -> None:
    height, width = latent
    noise = torch.randn(8, height, width, generator=torch.Generator().manual_seed(1))
    data = emerging.picture(noise, factors.CHIBI)
    assert len(data) <= emerging.LARGEST
    with Image.open(io.BytesIO(data)) as image:
        assert image.format == "JPEG"
        expected = (width * 4, height * 4) if max(latent) <= 64 else size
        assert image.size == expected


def test_numbers_that_are_none_are_shown_black() -> None:
    data = emerging.picture(torch.full((8, 4, 4), float("nan")), factors.CHIBI)
    assert colours(Image.open(io.BytesIO(data))).max() < 0.02


def test_factors_are_found_by_the_kind_of_latent_and_of_others_there_are_none(pipe: Any) -> None:
    assert factors.known(8, 1.0) is None
    assert factors.known(4, 0.18215) is factors.SD15
    assert factors.known(4, 0.13025) is factors.SDXL
    config = pipe.vae.config
    assert factors.known(config.latent_channels, config.scaling_factor) is factors.CHIBI


def test_the_factors_give_the_colours_of_the_bundled_models_own_vae(pipe: Any) -> None:
    """On pictures that they were not fitted to."""
    from tests.factors import samples

    latents, seen = samples(pipe.vae, 6, seed=3)
    rows, bias = np.array(factors.CHIBI.rows), np.array(factors.CHIBI.bias)
    found = (latents @ rows + bias).clip(0, 1)
    assert abs(found - seen).mean() < 0.03
    assert abs(seen.mean() - seen).mean() > 0.15


def test_the_clean_estimate_is_what_the_kind_of_prediction_makes_of_it() -> None:
    """Noise that is known is taken away again, whatever the model predicts."""
    clean, noise = torch.full((1, 4, 2, 2), 0.5), torch.ones(1, 4, 2, 2)
    for kind in ("epsilon", "v_prediction"):
        config = _config(kind)
        for sampler in SCHEDULES:
            scheduler = schedulers.build(config, sampler, "normal")
            scheduler.set_timesteps(10)
            made = emerging.Emerging(_Known())
            made.watch(scheduler)
            time = scheduler.timesteps[0]
            sample = scheduler.add_noise(clean, noise, time.reshape(1))
            scheduler.scale_model_input(sample, time)
            said = noise if kind == "epsilon" else _velocity(scheduler, clean, noise, time)
            scheduler.step(said, time, sample, return_dict=False)
            found = made._clean()
            assert found is not None
            torch.testing.assert_close(found, clean, atol=2e-2, rtol=0)


class _Known:
    """As much of a pipeline as an `Emerging` asks for."""

    class vae:
        class config:
            latent_channels = 4
            scaling_factor = 0.18215


def _config(prediction: str) -> dict[str, Any]:
    kind: Any = diffusers.DPMSolverMultistepScheduler
    made = kind(
        beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012,
        prediction_type=prediction,
    )  # fmt: skip
    return dict(made.config)


def _velocity(
    scheduler: Any, clean: torch.Tensor, noise: torch.Tensor, time: torch.Tensor
) -> torch.Tensor:
    share = scheduler.alphas_cumprod[int(time)]
    velocity: torch.Tensor = share.sqrt() * noise - (1 - share).sqrt() * clean
    return velocity


def test_nothing_of_a_picture_is_kept_once_it_is_done(painter: Painter) -> None:
    paint(painter, SMALL, 2)
    assert painter._emerging._told is None
    assert painter._emerging._scheduler is None
