"""From a sampler and a schedule to a diffusers scheduler.

Owns the mapping, nothing else. A scheduler keeps state: every picture gets a fresh one.
Names as in https://huggingface.co/docs/diffusers/api/schedulers/overview, which maps those of
A1111 and k-diffusion to classes.
"""

from collections.abc import Mapping
from typing import Any

import diffusers

from pipeline.core.samplers import Sampler, Schedule

_CLASSES: dict[Sampler, tuple[str, dict[str, Any]]] = {
    "dpmpp_2m": ("DPMSolverMultistepScheduler", {"algorithm_type": "dpmsolver++"}),
    "dpmpp_2m_sde": ("DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++"}),
    "dpmpp_sde": ("DPMSolverSinglestepScheduler", {"algorithm_type": "dpmsolver++"}),
    "euler": ("EulerDiscreteScheduler", {}),
    "euler_ancestral": ("EulerAncestralDiscreteScheduler", {}),
    "heun": ("HeunDiscreteScheduler", {}),
    "lms": ("LMSDiscreteScheduler", {}),
    "uni_pc": ("UniPCMultistepScheduler", {"solver_type": "bh2"}),
    "dpm_2": ("KDPM2DiscreteScheduler", {}),
    "dpm_2_ancestral": ("KDPM2AncestralDiscreteScheduler", {}),
    "ddim": ("DDIMScheduler", {"set_alpha_to_one": False}),
}
_SPACINGS: dict[Schedule, dict[str, Any]] = {
    "normal": {},
    "karras": {"use_karras_sigmas": True},
    "exponential": {"use_exponential_sigmas": True},
    "beta": {"use_beta_sigmas": True},
    "sgm_uniform": {"timestep_spacing": "trailing"},
}
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


def options(sampler: Sampler, schedule: Schedule) -> dict[str, Any]:
    """What `from_config` of the sampler's class is given on top of the model's own config."""
    _, fixed = _CLASSES[sampler]
    wanted = {**_EXPLICIT, **fixed, **_SPACINGS[schedule]}
    accepted = kind(sampler)._get_init_keys(kind(sampler))
    return {key: value for key, value in wanted.items() if key in accepted}


def kind(sampler: Sampler) -> Any:
    """The sampler's class."""
    name, _ = _CLASSES[sampler]
    return getattr(diffusers, name)


def build(config: Mapping[str, Any], sampler: Sampler, schedule: Schedule) -> Any:
    """A fresh scheduler for one picture, from the config of the model's own scheduler."""
    return kind(sampler).from_config(dict(config), **options(sampler, schedule))
