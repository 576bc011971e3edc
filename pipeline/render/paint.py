"""One picture from its exact inputs and a seed.

Owns the call of diffusers' own pipeline: the pixels are those that bare diffusers draws with the
same scheduler, threads and precision. Never writes to a weight; keeps nothing between pictures.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import diffusers
import torch
from PIL import Image

from pipeline.core.resolved import Adapter, Likeness, Made, Resolved
from pipeline.model import NOTHING_TOLD, Told
from pipeline.render import lean as lean_
from pipeline.render import regions, schedulers
from pipeline.render.adapters import Wardrobe
from pipeline.render.emerging import Emerging
from pipeline.render.model import Pipe
from pipeline.render.references import References
from pipeline.render.text import encode_all

Begun = Callable[[float], None]
Stepped = Callable[[int, int], None]
Emerged = Callable[[bytes], None]


class Painter:
    """Draws with one pipeline, one picture at a time."""

    def __init__(self, pipe: Pipe, device: torch.device, told: Told = NOTHING_TOLD) -> None:
        """`told` names what shows reference pictures to the model."""
        self._pipe = pipe
        self._device = device
        self._config = dict(pipe.scheduler.config)
        self._begun: Callable[[], None] | None = None
        self._emerging = Emerging(pipe)
        self._wardrobe = Wardrobe(pipe)
        self._references = References(pipe, told)
        pipe.unet.register_forward_pre_hook(self._before_unet)

    def wear(self, adapters: Sequence[Adapter], root: Path) -> None:
        """From now on draw with these LoRAs and no others, whose files are below `root`.

        Raises CannotWear if one of them cannot be had.
        """
        self._wardrobe.wear(adapters, root)

    def show(self, likenesses: Sequence[Likeness], root: Path) -> None:
        """From now on draw after these references and no others, whose files are below `root`.

        Raises CannotShow or NotDecoded if one of them cannot be had.
        """
        self._references.show(likenesses, root)

    def paint(
        self,
        resolved: Resolved,
        seed: int,
        begun: Begun,
        stepped: Stepped,
        *,
        lean: bool = False,
        previews: int = 0,
        emerged: Emerged = lambda _: None,
    ) -> Image.Image:
        """The picture, RGB, of the size asked for; a `lean` one takes less memory and longer.

        `begun(encoding)` is called just before the first call of the UNet, with the seconds that
        the text encoder took, and `stepped(n, of)` after each step; what either raises ends the
        picture and comes out of here. Every `previews` steps but the last, `emerged(jpeg)` is
        called just before it with what the picture looks like by then; 0 is never. Its LoRAs have
        to be worn already, and its references shown.
        """
        assert self._wardrobe.worn == resolved.adapters
        assert self._references.shown == resolved.likenesses
        pipe = self._pipe
        pipe.scheduler = schedulers.build(
            self._config, resolved.sampler, resolved.schedule, resolved.steps
        )
        if previews:
            self._emerging.watch(pipe.scheduler)

        def after_step(pipe: Any, step: int, _: Any, values: dict[str, Any]) -> dict[str, Any]:
            done, steps = step + 1, pipe.num_timesteps
            if previews and done < steps and done % previews == 0:
                preview = self._emerging.preview()
                if preview is not None:
                    emerged(preview)
            stepped(done, steps)
            if done == steps:
                # SDXL's VAE is held in fp32 beside a UNet in fp16; diffusers does not know of that.
                values["latents"] = values["latents"].to(pipe.vae.dtype)
            return values

        with torch.inference_mode():
            start = time.monotonic()
            texts = encode_all(pipe, resolved)
            self._begun = partial(begun, time.monotonic() - start)
            less = lean_.applied(pipe, resolved.width, resolved.height) if lean else nullcontext()
            try:
                # Less first: it has processors of its own, and those of references stay on top.
                seen = self._references.applied(
                    resolved.width, resolved.height, guided=texts.negative is not None
                )
                apart = regions.applied(pipe.unet, resolved.regions, texts.regions)
                with less, apart, seen as references:
                    drawn = pipe(
                        **texts.named(),
                        **references,
                        width=resolved.width,
                        height=resolved.height,
                        num_inference_steps=resolved.steps,
                        guidance_scale=resolved.guidance,
                        generator=torch.Generator("cpu").manual_seed(seed),
                        callback_on_step_end=after_step,
                    )
            finally:
                self._begun = None
                self._emerging.forget()
        image: Image.Image = drawn.images[0]
        return image

    def warm_up(self) -> None:
        """Draw one step of nothing at the model's own size, so that the first picture is fast."""
        pipe = self._pipe
        size = pipe.unet.config.sample_size
        height, width = (size, size) if isinstance(size, int) else size
        self.paint(
            Resolved(
                prompt="",
                negative="",
                width=width * pipe.vae_scale_factor,
                height=height * pipe.vae_scale_factor,
                steps=1,
                guidance=2.0,
                sampler="dpmpp_2m",
                schedule="karras",
                model="",
            ),
            seed=0,
            begun=lambda _encoding: None,
            stepped=lambda _step, _steps: None,
        )

    def made(self, *, lean: bool = False) -> Made:
        """The conditions that this process draws a picture under, `lean` or not."""
        return Made(
            device=self._device.type,
            dtype=str(self._pipe.unet.dtype).removeprefix("torch."),
            threads=torch.get_num_threads(),
            batch=1,
            torch=str(torch.__version__),
            diffusers=diffusers.__version__,
            lean=lean,
        )

    def _before_unet(self, *_: object) -> None:
        if self._begun is not None:
            begun, self._begun = self._begun, None
            begun()
