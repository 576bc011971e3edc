"""The picture as it emerges: what a scheduler takes it for by now, small and in colour.

Owns catching the clean estimate of each step, and making a small JPEG of it. Only ever reads what
passes by: with previews or without, a picture has the same pixels.
"""

import io
from functools import wraps
from typing import Any

import torch
from PIL import Image

from pipeline.render.factors import Factors, known
from pipeline.render.model import Pipe

LONGEST = 256
"""Pixels of a preview's longer side, at most."""
LARGEST = 10_000
"""Bytes of a preview, at most."""
_GROWN = 4
"""A latent pixel becomes so many on each side, if they fit: smooth, where a browser shows steps."""
_QUALITIES = (85, 60, 30, 8)


class Emerging:
    """Makes previews of what a pipeline draws, one picture or several at once."""

    def __init__(self, pipe: Pipe) -> None:
        config = pipe.vae.config
        self._factors = known(config.latent_channels, config.scaling_factor)
        self._scheduler: Any = None
        self._told: Any = None

    def watch(self, scheduler: Any) -> None:
        """From now on the pictures are those that this scheduler draws."""
        self._scheduler, self._told = scheduler, None
        step = scheduler.step

        # diffusers looks at the signature, which `wraps` lets it see.
        @wraps(step)
        def caught(*args: Any, **kwargs: Any) -> Any:
            told = step(*args, **kwargs)
            self._told = told
            return told

        scheduler.step = caught

    def forget(self) -> None:
        """They are done: nothing of them is kept."""
        self._scheduler = self._told = None

    def previews(self) -> list[bytes]:
        """A JPEG of what the last step came to, of each picture; none where that cannot be said."""
        clean = self._clean()
        if clean is None or self._factors is None:
            return []
        return [picture(each, self._factors) for each in clean]

    def _clean(self) -> torch.Tensor | None:
        """The estimate of the finished latents, pictures x channels x height x width, by the last
        step.

        Samplers of the DPM++ family and UniPC convert what the model says before they use it, and
        keep it; all others hand it out beside the next sample. Both heed the kind of prediction.
        """
        kept = getattr(self._scheduler, "model_outputs", None)
        if kept is not None:
            clean = kept[-1] if _keeps_clean(self._scheduler) else None
        elif isinstance(self._told, tuple) and len(self._told) > 1:
            clean = self._told[1]
        else:
            clean = None
        return clean


def _keeps_clean(scheduler: Any) -> bool:
    """Whether what the scheduler keeps is the clean estimate, and not the noise."""
    kind = scheduler.config.get("algorithm_type")
    if kind is not None:
        return kind in ("dpmsolver++", "sde-dpmsolver++")
    return bool(scheduler.config.get("predict_x0"))


def picture(latent: torch.Tensor, factors: Factors) -> bytes:
    """A latent, channels x height x width, as a small JPEG."""
    small = latent.detach().to("cpu", torch.float32)
    rows = torch.tensor(factors.rows)
    colours = torch.einsum("chw,cr->hwr", small, rows) + torch.tensor(factors.bias)
    # A model gone wrong gives numbers that are none; they are black as they will be in the end.
    bytes_ = (colours.nan_to_num(0.0).clamp(0, 1) * 255).round().to(torch.uint8)
    image = Image.fromarray(bytes_.numpy(), "RGB")
    longer = max(image.size)
    grow = min(float(_GROWN), LONGEST / longer)
    width, height = (max(1, int(side * grow)) for side in image.size)
    image = image.resize((width, height), Image.Resampling.BICUBIC)
    return next(
        (data for quality in _QUALITIES[:-1] if len(data := _jpeg(image, quality)) <= LARGEST),
        None,
    ) or _jpeg(image, _QUALITIES[-1])


def _jpeg(image: Image.Image, quality: int) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    return stream.getvalue()
