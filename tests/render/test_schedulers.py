"""Every sampler steps from noise to a finite picture, in few steps and at zero terminal SNR too."""

from itertools import product
from typing import Any

import diffusers
import pytest
import torch

from pipeline.core.samplers import CLASSES, ONE_SPACING, SCHEDULES, SPACINGS, Sampler, Schedule
from pipeline.render import schedulers

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # diffusers of numpy 2
_diffusers: Any = diffusers
PAIRS: list[tuple[Sampler, Schedule]] = [(s, each) for s in SCHEDULES for each in SCHEDULES[s]]
OWN: dict[str, Any] = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "steps_offset": 1,
    "timestep_spacing": "linspace",
    "prediction_type": "v_prediction",
}
ZERO = OWN | {"rescale_betas_zero_snr": True}


def _walked(scheduler: Any, steps: int) -> torch.Tensor:
    """What comes out where the model always says that half of what it sees is to go."""
    generator = torch.Generator().manual_seed(1)
    scheduler.set_timesteps(steps)
    sample: torch.Tensor = (
        torch.randn((1, 4, 8, 8), generator=generator) * scheduler.init_noise_sigma
    )
    for moment in scheduler.timesteps:
        seen = scheduler.scale_model_input(sample, moment)
        given = {"generator": generator} if "generator" in _arguments(scheduler) else {}
        sample = scheduler.step(0.5 * seen, moment, sample, **given).prev_sample
    return sample


def _arguments(scheduler: Any) -> tuple[str, ...]:
    names: tuple[str, ...] = scheduler.step.__code__.co_varnames
    return names


@pytest.mark.parametrize(("sampler", "schedule"), PAIRS)
def test_few_steps_end_in_a_picture(sampler: Sampler, schedule: Schedule) -> None:
    """As LCM, Lightning, Hyper and Turbo models take them."""
    for config, steps in product((OWN, OWN | {"prediction_type": "epsilon"}), (1, 2, 4)):
        sample = _walked(schedulers.build(config, sampler, schedule, steps), steps)
        assert torch.isfinite(sample).all(), (config, steps)
        assert 0.01 < sample.std() < 100, (config, steps)


@pytest.mark.parametrize(
    ("sampler", "schedule"), [pair for pair in PAIRS if pair[1] in {"normal", "sgm_uniform"}]
)
def test_zero_terminal_snr_ends_in_a_picture(sampler: Sampler, schedule: Schedule) -> None:
    """In schedules of moments; those of noise levels spend most steps where all is noise."""
    sample = _walked(schedulers.build(ZERO, sampler, schedule, 15), 15)
    assert torch.isfinite(sample).all()
    assert 0.01 < sample.std() < 100


@pytest.mark.parametrize("sampler", SCHEDULES)
def test_a_model_of_zero_terminal_snr_begins_with_nothing_but_noise(sampler: Sampler) -> None:
    """With every class, of which diffusers taught only some."""
    built = schedulers.build(ZERO, sampler, "normal", 8)
    plain = schedulers.build(OWN, sampler, "normal", 8)
    assert built.alphas_cumprod[-1] <= 2**-23
    assert plain.alphas_cumprod[-1] > 0.004
    known = _diffusers.EulerDiscreteScheduler.from_config(ZERO).alphas_cumprod
    torch.testing.assert_close(built.alphas_cumprod[:-1], known[:-1], rtol=2e-4, atol=1e-7)
    built.set_timesteps(8)
    assert int(built.timesteps[0]) == 999


@pytest.mark.parametrize(("sampler", "schedule"), PAIRS)
def test_a_schedule_is_heard_by_the_class(sampler: Sampler, schedule: Schedule) -> None:
    """Options that a class does not know, or takes for the defaults of another, would be dropped
    without a word."""
    own = dict(_diffusers.EulerDiscreteScheduler(beta_schedule="scaled_linear").config)
    built = schedulers.build(own, sampler, schedule)
    assert type(built).__name__ == CLASSES[sampler][0]
    for key, value in SPACINGS[schedule].items():
        if sampler not in ONE_SPACING:
            assert built.config[key] == value


@pytest.mark.parametrize("sampler", ONE_SPACING)
def test_some_classes_space_steps_in_one_way_which_is_trailing(sampler: Sampler) -> None:
    normal, uniform = (
        schedulers.build(OWN, sampler, schedule, 4) for schedule in ("normal", "sgm_uniform")
    )
    normal.set_timesteps(4)
    uniform.set_timesteps(4)
    assert torch.equal(normal.timesteps, uniform.timesteps)
    assert (int(normal.timesteps[0]), len(normal.timesteps)) == (999, 4)
    assert int(normal.timesteps[-1]) > 200


def test_lcm_takes_more_steps_than_it_was_distilled_at() -> None:
    built = schedulers.build(OWN, "lcm", "normal", 60)
    built.set_timesteps(60)
    assert len(set(built.timesteps.tolist())) == 60
    few = schedulers.build(OWN, "lcm", "normal", 4)
    few.set_timesteps(4)
    assert few.timesteps.tolist() == [999, 759, 499, 259]
