"""What other tools call our fields, for people who come from them.

The names are those of A1111's API (`sdapi/v1/txt2img`), of ComfyUI's nodes and of diffusers' calls.
"""

from collections.abc import Collection
from typing import Final

_SIZE: Final = ("size", "here it is 'size: 832x1216', width x height in pixels")
_OURS: Final = {
    "width": _SIZE,
    "height": _SIZE,
    "resolution": _SIZE,
    "cfg": ("guidance", "here it is guidance"),
    "cfg_scale": ("guidance", "here it is guidance"),
    "guidance_scale": ("guidance", "here it is guidance"),
    "num_inference_steps": ("steps", "here it is steps"),
    "negative_prompt": ("negative", "here it is negative"),
    "sampler_name": ("sampler", "here it is sampler"),
    "sampler_index": ("sampler", "here it is sampler"),
    "scheduler": ("schedule", "here it is schedule; the method that steps is the sampler"),
    "batch_size": ("count", "so many pictures of one job are 'count'"),
    "n_iter": ("count", "so many pictures of one job are 'count'"),
    "num_images": ("count", "so many pictures of one job are 'count'"),
    "num_images_per_prompt": ("count", "so many pictures of one job are 'count'"),
    "checkpoint": ("model", "here it is model, by its name in the settings"),
    "ckpt_name": ("model", "here it is model, by its name in the settings"),
    "denoise": ("strength", "here it is strength"),
    "denoising_strength": ("strength", "here it is strength"),
}


def known_as(key: str, fields: Collection[str]) -> str:
    """What to write instead of a key that another tool has, if it is one of these `fields`."""
    field, hint = _OURS.get(key.lower().replace("-", "_"), ("", ""))
    return hint if field in fields else ""
