"""Drawing one picture with less memory, more slowly.

Owns what is done less of at once: attention is taken head by head, and the latent picture decoded
in tiles that overlap. Both change rounding, and tiles a little more where they meet, so that a
picture drawn so says it. What a model's parts cannot do is left as it is; afterwards all is as it
was. Never writes to a weight.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from pipeline.render.model import Pipe

_SMALLEST = 256
"""Pixels of a tile's side: one that sees less of the picture decodes it differently."""
_GRAIN = 64
"""A tile's side is a multiple of this: whole cells of a latent picture overlap then."""


@contextmanager
def applied(pipe: Pipe, width: int, height: int) -> Iterator[None]:
    """While this lasts, a picture of this size in pixels takes less memory."""
    with ExitStack() as ending:
        if hasattr(pipe.unet, "set_attention_slice"):
            # It makes processors of its own, and would end with diffusers' default ones.
            ending.callback(pipe.unet.set_attn_processor, dict(pipe.unet.attn_processors))
            pipe.unet.set_attention_slice("max")
        _tile(pipe.vae, pipe.vae_scale_factor, max(width, height), ending)
        yield


def _tile(vae: Any, scale: int, longer: int, ending: ExitStack) -> None:
    """Decode in tiles of half the picture's longer side, unless the model's own are smaller."""
    if not hasattr(vae, "use_tiling") or not hasattr(vae, "tile_latent_min_size"):
        return
    half = longer // 2 // _GRAIN * _GRAIN
    side = min(vae.tile_sample_min_size, max(_SMALLEST, half))
    _set(vae, ending, "tile_sample_min_size", side)
    _set(vae, ending, "tile_latent_min_size", side // scale)
    _set(vae, ending, "use_tiling", True)
    _set(vae, ending, "use_slicing", True)


def _set(vae: Any, ending: ExitStack, name: str, value: int | bool) -> None:
    ending.callback(setattr, vae, name, getattr(vae, name))
    setattr(vae, name, value)
