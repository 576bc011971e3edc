"""The names of samplers and schedules, and which go together.

Owns names only; `pipeline.render.schedulers` maps each to its diffusers class and options.
"""

from typing import Literal

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
}
"""The schedules each sampler can follow; the first is its default."""
