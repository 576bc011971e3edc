"""The names of samplers and schedules, which go together, and what each is in diffusers.

Owns names and options as data; `pipeline.render.schedulers` builds schedulers of them and the
table in render/README.md is made of them. Names and classes as in
https://huggingface.co/docs/diffusers/api/schedulers/overview, which maps those of A1111 and
k-diffusion to classes.
"""

from typing import Any, Literal

Sampler = Literal[
    "dpmpp_2m",
    "dpmpp_2m_sde",
    "dpmpp_sde",
    "euler",
    "euler_ancestral",
    "heun",
    "lms",
    "uni_pc",
    "dpm_2",
    "dpm_2_ancestral",
    "ddim",
    "lcm",
]
Schedule = Literal["normal", "karras", "exponential", "beta", "sgm_uniform"]

_ALL: tuple[Schedule, ...] = ("karras", "normal", "exponential", "beta", "sgm_uniform")
_SPACED: tuple[Schedule, ...] = ("normal", "sgm_uniform")

SCHEDULES: dict[Sampler, tuple[Schedule, ...]] = {
    "dpmpp_2m": _ALL,
    "dpmpp_2m_sde": _ALL,
    "dpmpp_sde": _ALL,
    "euler": _ALL,
    "euler_ancestral": _SPACED,
    "heun": _ALL,
    "lms": _ALL,
    "uni_pc": _ALL,
    "dpm_2": _ALL,
    "dpm_2_ancestral": _ALL,
    "ddim": _SPACED,
    "lcm": _SPACED,
}
"""The schedules each sampler can follow; the first is its default."""

CLASSES: dict[Sampler, tuple[str, dict[str, Any]]] = {
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
    "lcm": ("LCMScheduler", {"set_alpha_to_one": True}),
}
"""Of each sampler: its class, and what that is told beside the model's own settings."""

SPACINGS: dict[Schedule, dict[str, Any]] = {
    "normal": {},
    "karras": {"use_karras_sigmas": True},
    "exponential": {"use_exponential_sigmas": True},
    "beta": {"use_beta_sigmas": True},
    "sgm_uniform": {"timestep_spacing": "trailing"},
}
"""What a class is told for each schedule."""

ONE_SPACING: tuple[Sampler, ...] = ("dpmpp_sde", "lcm")
"""Their classes space the steps in one way, from the noisiest on: `normal` is `sgm_uniform`."""
