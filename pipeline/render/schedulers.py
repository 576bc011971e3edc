"""From a sampler and a schedule to a diffusers scheduler.

Owns building it, nothing else. A scheduler keeps state: every picture gets a fresh one.
"""

from collections.abc import Mapping
from functools import wraps
from typing import Any

import diffusers
import torch

from pipeline.core.samplers import CLASSES, SPACINGS, Sampler, Schedule

_diffusers: Any = diffusers
_EXPLICIT: dict[str, Any] = {
    "use_karras_sigmas": False,
    "use_exponential_sigmas": False,
    "use_beta_sigmas": False,
    "use_lu_lambdas": False,
    "use_flow_sigmas": False,
    "solver_order": 2,
    "final_sigmas_type": "zero",
    "lower_order_final": True,
    "euler_at_final": False,
    "clip_sample": False,
}
"""What must not depend on the model's own scheduler or on a default of diffusers."""
_FAINTEST = 2.0**-24
"""What diffusers' schedulers take for a signal of nothing, so that no noise level is infinite."""


def options(sampler: Sampler, schedule: Schedule) -> dict[str, Any]:
    """What `from_config` of the sampler's class is given on top of the model's own config."""
    _, fixed = CLASSES[sampler]
    wanted = {**_EXPLICIT, **fixed, **SPACINGS[schedule]}
    return {key: value for key, value in wanted.items() if key in _accepted(sampler)}


def kind(sampler: Sampler) -> Any:
    """The sampler's class."""
    name, _ = CLASSES[sampler]
    return getattr(diffusers, name)


def build(config: Mapping[str, Any], sampler: Sampler, schedule: Schedule, steps: int = 0) -> Any:
    """A fresh scheduler for one picture, from the config of the model's own scheduler.

    `steps` matters to `lcm` alone, which takes its steps from those of its distillation, 50 as a
    rule: for a picture of more steps there have to be as many.
    """
    given = options(sampler, schedule)
    accepted = _accepted(sampler)
    if config.get("rescale_betas_zero_snr") and "rescale_betas_zero_snr" not in accepted:
        given["trained_betas"] = _to_zero(config)
    if "original_inference_steps" in accepted:
        given["original_inference_steps"] = max(50, steps)
    # Not in one with the config: of that, `from_config` takes for a default of another class what
    # it says was one.
    built = kind(sampler).from_config(dict(config), **given)
    if hasattr(built, "set_begin_index"):
        _begin_at_the_begin(built)
    return built


def calls(
    config: Mapping[str, Any], sampler: Sampler, schedule: Schedule, steps: int, strength: float
) -> int:
    """How often a scheduler steps that draws this share of so many steps over a picture; one of
    the second order steps twice for each."""
    scheduler = build(config, sampler, schedule, steps)
    scheduler.set_timesteps(steps)
    left = min(int(steps * strength), steps)
    return len(scheduler.timesteps[(steps - left) * scheduler.order :])


def _begin_at_the_begin(scheduler: Any) -> None:
    """Have the first step be the first, also where a few steps at `beta` share a moment: a class
    of diffusers that is not told takes the second of two alike for where it stands."""
    set_timesteps = scheduler.set_timesteps

    @wraps(set_timesteps)
    def begun(*args: Any, **named: Any) -> None:
        set_timesteps(*args, **named)
        scheduler.set_begin_index(0)

    scheduler.set_timesteps = begun


def _accepted(sampler: Sampler) -> set[str]:
    accepted: set[str] = kind(sampler)._get_init_keys(kind(sampler))
    return accepted


def _to_zero(config: Mapping[str, Any]) -> list[float]:
    """The noise of a model with zero terminal SNR, for classes that do not know of such models."""
    signal = _diffusers.DDIMScheduler.from_config(dict(config)).alphas_cumprod.double()
    signal[-1] = _FAINTEST
    before = torch.cat([torch.ones(1, dtype=signal.dtype), signal[:-1]])
    betas: list[float] = (1 - signal / before).tolist()
    return betas
