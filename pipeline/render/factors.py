"""Of each kind of latent that is known, how a pixel of it becomes a colour.

Owns the numbers and where each is from. A kind is told by its VAE: how many channels its latents
have and what they are scaled by. Of any other kind nothing is known, and no preview is made.
"""

from msgspec import Struct

Row = tuple[float, float, float]


class Factors(Struct, frozen=True, kw_only=True):
    """A colour (red, green, blue; 0 is none, 1 is full) is the sum of a latent pixel's channels, as
    the scheduler has them, times their rows, plus `bias`."""

    rows: tuple[Row, ...]
    bias: Row


CHIBI = Factors(
    rows=(
        (-0.0462, 0.0838, -0.0443),
        (0.1251, 0.0000, -0.1311),
        (-0.2417, -0.2517, -0.2211),
        (-0.0044, -0.0010, -0.0010),
        (-0.0004, -0.0043, -0.0053),
        (-0.0029, 0.0012, 0.0052),
        (-0.0086, -0.0077, -0.0093),
        (-0.0025, 0.0024, 0.0061),
    ),
    bias=(0.5708, 0.5008, 0.5349),
)
"""The bundled model's, as `python -m tests.factors` fits them to its VAE."""

SD15 = Factors(
    rows=(
        (0.17560, 0.11485, 0.16135),
        (0.16250, 0.24870, 0.11750),
        (-0.14145, 0.08810, 0.13605),
        (-0.10600, -0.13080, -0.35885),
    ),
    bias=(0.5, 0.5, 0.5),
)
"""Those of ComfyUI (comfy/latent_formats.py, SD15), which are for colours from -1 to 1."""

SDXL = Factors(
    rows=(
        (60 / 255, 60 / 255, 60 / 255),
        (-60 / 255, -5 / 255, 10 / 255),
        (25 / 255, 15 / 255, -5 / 255),
        (-70 / 255, -50 / 255, -35 / 255),
    ),
    bias=(150 / 255, 140 / 255, 130 / 255),
)
"""From https://huggingface.co/docs/diffusers/using-diffusers/callback, there for colours to 255."""

_KNOWN = {(8, 0.9506): CHIBI, (4, 0.18215): SD15, (4, 0.13025): SDXL}


def known(channels: int, scale: float) -> Factors | None:
    """The factors for latents of so many channels, scaled by so much."""
    return _KNOWN.get((channels, round(scale, 5)))
