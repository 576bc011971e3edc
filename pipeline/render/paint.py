"""A picture from its exact inputs and a seed, or several at once.

Owns the call of diffusers' own pipeline: the pixels are those that bare diffusers draws with the
same scheduler, threads and precision. Never writes to a weight; of one picture nothing is kept for
the next but what its prompts came to.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import diffusers
import torch
from msgspec.structs import replace
from PIL import Image

from pipeline.core.resolved import Adapter, Likeness, Made, Resolved
from pipeline.model import NOTHING_TOLD, Told
from pipeline.render import lean as lean_
from pipeline.render import passes, regions, schedulers
from pipeline.render.adapters import Wardrobe
from pipeline.render.controls import Controls
from pipeline.render.emerging import Emerging
from pipeline.render.model import Pipe
from pipeline.render.passes import NO_GUIDES, Guides, Pass
from pipeline.render.references import References
from pipeline.render.said import Said
from pipeline.render.text import MOST_BYTES, Row, encode_all, pieces, together
from pipeline.render.turn import Turn

Shot = tuple[Resolved, int]
"""A picture's inputs, and its seed."""
Begun = Callable[[float], None]
Stepped = Callable[[int, int], None]
Emerged = Callable[[bytes], None]


class Painter:
    """Draws with one pipeline, one picture after the other unless they are alike."""

    def __init__(
        self,
        pipe: Pipe,
        device: torch.device,
        told: Told = NOTHING_TOLD,
        turn: Turn | None = None,
    ) -> None:
        """`told` names what shows reference pictures to the model; it denoises when it has its
        `turn`, if others may have theirs."""
        self._pipe = pipe
        self._device = device
        self._config = dict(pipe.scheduler.config)
        self._turn = turn
        self._waiting: Callable[[], None] | None = None
        self._begun: Callable[[], None] | None = None
        self._emerging = Emerging(pipe)
        self._wardrobe = Wardrobe(pipe)
        self._controls = Controls(pipe)
        self._references = References(pipe, told)
        self._said: Said[Row] = Said(MOST_BYTES)
        pipe.unet.register_forward_pre_hook(self._before_unet)

    def wear(self, adapters: Sequence[Adapter], root: Path) -> None:
        """From now on draw with these LoRAs and no others, whose files are below `root`.

        Raises CannotWear if one of them cannot be had.
        """
        self._wardrobe.wear(adapters, root)

    def gather(self, resolved: Resolved, root: Path) -> Guides:
        """What a picture is drawn from beside words; the files are below `root`.

        Raises CannotUse if one of them cannot be had.
        """
        return passes.gather(resolved, self._controls, root)

    def show(self, likenesses: Sequence[Likeness], root: Path) -> None:
        """From now on draw after these references and no others, whose files are below `root`.

        Raises CannotUse if one of them cannot be had.
        """
        self._references.show(likenesses, root)

    def alike(self, one: Resolved, other: Resolved) -> bool:
        """Whether two pictures can be drawn at once: of one size, with the same steps, sampler,
        guidance and LoRAs, from noise in one pass, and with prompts of like length."""
        if not (_is_plain(one) and _is_plain(other)):
            return False
        if replace(one, prompt="", negative="") != replace(other, prompt="", negative=""):
            return False
        return pieces(self._pipe, one) == pieces(self._pipe, other)

    def paint(
        self,
        resolved: Resolved,
        seed: int,
        begun: Begun,
        stepped: Stepped,
        *,
        guides: Guides = NO_GUIDES,
        lean: bool = False,
        previews: int = 0,
        emerged: Emerged = lambda _: None,
    ) -> Image.Image:
        """The picture, RGB, of the size asked for; a `lean` one takes less memory and longer.

        `guides` are what it was to `gather`. All noise, that of a second pass too, comes from one
        generator with the picture's seed.

        `begun(encoding)` is called just before the first call of the UNet, with the seconds that
        the text encoder took, and `stepped(n, of)` after each step; what either raises ends the
        picture and comes out of here. Every `previews` steps but the last, `emerged(jpeg)` is
        called just before it with what the picture looks like by then; 0 is never. Its LoRAs have
        to be worn already, and its references shown.
        """
        (image,) = self.paint_alike(
            [(resolved, seed)], begun, stepped,
            guides=guides, lean=lean, previews=previews, emerged=lambda jpegs: emerged(jpegs[0]),
        )  # fmt: skip
        return image

    def paint_alike(
        self,
        shots: Sequence[Shot],
        begun: Begun,
        stepped: Stepped,
        *,
        guides: Guides = NO_GUIDES,
        lean: bool = False,
        previews: int = 0,
        emerged: Callable[[list[bytes]], None] = lambda _: None,
        waiting: Callable[[], None] | None = None,
    ) -> list[Image.Image]:
        """The same of several that are `alike`, each with its seed, drawn at once: in rounding they
        differ from one drawn alone, and what the others show changes nothing. `emerged` is given a
        preview of each. `waiting` is called again and again before its turn to denoise has come,
        and what it raises comes out of here; without it, it does not wait for that."""
        resolved = shots[0][0]
        assert self._wardrobe.worn == resolved.adapters
        assert self._references.shown == resolved.likenesses
        generators = [torch.Generator("cpu").manual_seed(seed) for _, seed in shots]
        before, images = 0, [guides.picture]
        with torch.inference_mode():
            start = time.monotonic()
            texts = together([encode_all(self._pipe, each, self._said) for each, _ in shots])
            self._begun = partial(begun, time.monotonic() - start)
            self._waiting = waiting
            try:
                with regions.applied(self._pipe.unet, resolved.regions, texts.regions):
                    for each in passes.of(resolved):
                        pipe, named = passes.call(self._pipe, each, images[0], guides)
                        pipe.scheduler = self._scheduler(resolved, each)
                        if previews:
                            self._emerging.watch(pipe.scheduler)
                        after = self._after(resolved, each)
                        told = _Told(
                            before,
                            after,
                            previews,
                            self._emerging,
                            stepped,
                            emerged,
                            ended=self._leave,
                        )
                        less = lean_.applied(pipe, each.width, each.height) if lean else None
                        # Less first: it has processors of its own, and references' stay on top.
                        seen = self._references.applied(
                            each.width, each.height, guided=texts.negative is not None
                        )
                        with less or nullcontext(), passes.held(pipe, each), seen as shown:
                            drawn = pipe(
                                **texts.named(),
                                **named,
                                **shown,
                                num_inference_steps=each.steps,
                                guidance_scale=resolved.guidance,
                                generator=generators if len(shots) > 1 else generators[0],
                                callback_on_step_end=told.after_step,
                            )
                        images, before = drawn.images, before + told.steps
            finally:
                self._begun = self._waiting = None
                self._leave()
                self._emerging.forget()
        return [image for image in images if image is not None]

    def _scheduler(self, resolved: Resolved, each: Pass) -> Any:
        return schedulers.build(self._config, resolved.sampler, resolved.schedule, each.steps)

    def _after(self, resolved: Resolved, each: Pass) -> int:
        """How many steps come after this pass."""
        return sum(
            schedulers.calls(
                self._config, resolved.sampler, resolved.schedule, later.steps, later.strength
            )
            for later in passes.of(resolved)[each.number :]
        )

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

    def made(self, *, lean: bool = False, batch: int = 1, place: int = 0) -> Made:
        """The conditions that this process draws a picture under, `lean` or not, as number `place`
        of `batch` at once."""
        return Made(
            device=self._device.type,
            dtype=str(self._pipe.unet.dtype).removeprefix("torch."),
            threads=torch.get_num_threads(),
            batch=batch,
            torch=str(torch.__version__),
            diffusers=diffusers.__version__,
            lean=lean,
            place=place,
        )

    def _leave(self) -> None:
        """Let others denoise."""
        if self._turn is not None and self._turn.limited:
            if self._device.type == "cuda":
                torch.cuda.synchronize()  # What was asked of the card may still be under way.
            self._turn.leave()

    def _before_unet(self, *_: object) -> None:
        if self._turn is not None and self._waiting is not None:
            self._turn.take(self._waiting)
        if self._begun is not None:
            begun, self._begun = self._begun, None
            begun()


def _is_plain(resolved: Resolved) -> bool:
    """Whether it is drawn in one pass, from words alone."""
    beside = resolved.regions, resolved.controls, resolved.likenesses
    return not any(beside) and resolved.source is None and resolved.refine is None


class _Told:
    """What is told of one pass, with the steps of others before and after it."""

    def __init__(
        self, before: int, after: int, previews: int, emerging: Emerging, stepped: Stepped,
        emerged: Callable[[list[bytes]], None], *, ended: Callable[[], None],
    ) -> None:  # fmt: skip
        self._before, self._after, self._previews = before, after, previews
        self._emerging, self._stepped, self._emerged = emerging, stepped, emerged
        self._ended = ended
        self.steps = 0

    def after_step(self, pipe: Any, step: int, _: Any, values: dict[str, Any]) -> dict[str, Any]:
        """What diffusers calls after each step of a pass."""
        self.steps = pipe.num_timesteps
        done, steps = self._before + step + 1, self._before + self.steps + self._after
        due = self._previews and done < steps and done % self._previews == 0
        if due and (jpegs := self._emerging.previews()):
            self._emerged(jpegs)
        self._stepped(done, steps)
        if step + 1 == self.steps:
            self._ended()
            # SDXL's VAE is held in fp32 beside a UNet in fp16; diffusers does not know of that.
            values["latents"] = values["latents"].to(pipe.vae.dtype)
        return values
