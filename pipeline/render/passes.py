"""The passes of one picture, and which pipeline of diffusers draws each.

Owns what each pipeline is called with: from noise, over a picture, within a mask, each also with
ControlNets, for SD 1.5 and SDXL. They are made around the modules that are there and cost nothing.
Never writes to a weight.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import diffusers
import torch
from PIL import Image

from pipeline.core.resolved import Resolved, Steering
from pipeline.render import decoding
from pipeline.render.controls import Controls, Net
from pipeline.render.model import Pipe

_diffusers: Any = diffusers
_PLAIN = 4
"""Channels by which diffusers tells a UNet that was not made for masks."""


class Pass(NamedTuple):
    """One pass, `number` from 1: its size in pixels, and `strength` of `steps` steps over what came
    before it, or from noise where nothing did."""

    number: int
    width: int
    height: int
    steps: int
    strength: float
    over: bool
    masked: bool = False


class Guides(NamedTuple):
    """What a picture is drawn from beside words: the picture to begin from and its mask, in the
    size of the first pass, and ControlNets with the pictures they read, in their own size."""

    picture: Image.Image | None = None
    mask: Image.Image | None = None
    steering: tuple[tuple[Steering, Net, Image.Image], ...] = ()


NO_GUIDES = Guides()


def of(resolved: Resolved) -> list[Pass]:
    """The passes of a picture, one or two."""
    source, refine = resolved.source, resolved.refine
    found = [
        Pass(
            1, resolved.width, resolved.height, resolved.steps,
            strength=source.strength if source is not None else 1.0,
            over=source is not None,
            masked=source is not None and source.mask is not None,
        )
    ]  # fmt: skip
    if refine is not None:
        found.append(Pass(2, refine.width, refine.height, refine.steps, refine.strength, over=True))
    return found


def gather(resolved: Resolved, controls: Controls, root: Path) -> Guides:
    """Read what the picture is drawn from.

    Raises CannotUse if something cannot be had.
    """
    if resolved.source is None and not resolved.controls:
        return NO_GUIDES
    source, size = resolved.source, (resolved.width, resolved.height)
    picture = mask = None
    if source is not None:
        picture = decoding.fitted(decoding.decoded(source.picture, root), size)
        if source.mask is not None:
            mask = decoding.fitted(decoding.decoded(source.mask, root), size).convert("L")
    nets = controls.take(resolved.controls, root)
    read = [
        decoding.lines(decoding.decoded(each.picture, root), each.kind)
        for each in resolved.controls
    ]
    steering = tuple(zip(resolved.controls, nets, read, strict=True))
    return Guides(picture=picture, mask=mask, steering=steering)


def call(
    pipe: Pipe, each: Pass, image: Image.Image | None, guides: Guides
) -> tuple[Pipe, dict[str, Any]]:
    """The pipeline that draws a pass, and what it is called with beside prompts and steps.

    `image` is what it is drawn over, the picture to begin from or that of the pass before; it is
    scaled to the size of the pass.
    """
    size = each.width, each.height
    named: dict[str, Any] = {}
    if not each.over or each.masked or guides.steering:
        named = {"width": each.width, "height": each.height}
    if each.over:
        assert image is not None
        if image.size != size:
            image = image.resize(size, Image.Resampling.LANCZOS)
        named |= {"image": image, "strength": each.strength}
    if each.masked:
        named["mask_image"] = guides.mask
    if guides.steering:
        named |= _steered(guides, size, over=each.over)
    return _pipeline(pipe, each, [net for _, net, _ in guides.steering]), named


def _steered(guides: Guides, size: decoding.Size, *, over: bool) -> dict[str, Any]:
    """What ControlNets are called with: a list of each, or of one the thing itself."""
    each = [
        {
            "control_image" if over else "image": decoding.fitted(picture, size),
            "controlnet_conditioning_scale": steering.weight,
            "control_guidance_start": steering.start,
            "control_guidance_end": steering.end,
        }
        for steering, _, picture in guides.steering
    ]
    if len(each) == 1:
        return each[0]
    return {name: [one[name] for one in each] for name in each[0]}


def _pipeline(pipe: Pipe, each: Pass, nets: list[Net]) -> Pipe:
    """The pipeline of a pass over the modules of the one that draws from noise."""
    if not each.over and not nets:
        return pipe
    over = "Inpaint" if each.masked else "Img2Img" if each.over else ""
    xl = getattr(pipe, "text_encoder_2", None) is not None
    name = f"StableDiffusion{'XL' if xl else ''}{'ControlNet' if nets else ''}{over}Pipeline"
    parts = dict(pipe.components)
    if nets:
        parts["controlnet"] = nets[0] if len(nets) == 1 else nets
    if xl:
        parts["add_watermarker"] = False
    else:
        parts["requires_safety_checker"] = False
    made = getattr(_diffusers, name)(**parts)
    made.set_progress_bar_config(disable=True)
    return made


@contextmanager
def held(pipe: Pipe, each: Pass) -> Iterator[None]:
    """While this lasts, a pass over a picture leaves the modules as they are.

    The VAE of SDXL, which is held in fp32 beside a UNet in fp16, would be converted to encode the
    picture; and of a UNet of other than four channels diffusers would not say that it takes masks.
    """
    with ExitStack() as ending:
        if each.over and pipe.vae.dtype != pipe.unet.dtype:
            _wide(pipe.vae, ending)
        if each.masked and pipe.unet.config.in_channels == pipe.vae.config.latent_channels:
            _say(pipe.unet, ending, in_channels=_PLAIN)
        yield


def _wide(vae: Any, ending: ExitStack) -> None:
    """Have a VAE take pictures of any precision in its own."""
    encode = vae.encode

    def widened(pixels: torch.Tensor, *args: Any, **named: Any) -> Any:
        return encode(pixels.to(vae.dtype), *args, **named)

    vae.encode = widened
    ending.callback(vae.__dict__.pop, "encode")
    if vae.config.get("force_upcast"):
        _say(vae, ending, force_upcast=False)


def _say(module: Any, ending: ExitStack, **changed: Any) -> None:
    """Have a module's config say something else for a while."""
    before = {name: module.config[name] for name in changed}
    module.register_to_config(**changed)
    ending.callback(lambda: module.register_to_config(**before))
