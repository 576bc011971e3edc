"""What a CLIP vision model says of pictures: the values that IP-Adapters make words of.

Owns the encoder, which is large and seldom needed, and what it said, which is small and is needed
again: a bible's pictures are looked at once. Never decodes a picture.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from PIL import Image

from pipeline.hashes import Hashes
from pipeline.references import encoder_sha256
from pipeline.render.decoding import CannotUse
from pipeline.render.said import Said

MOST_SAID = 64 << 20
"""Bytes of what was said of pictures that are kept."""

_transformers: Any = transformers
_IMAGES = getattr(transformers, "CLIPImageProcessorPil", None) or _transformers.CLIPImageProcessor
"""Not the one that needs torchvision, which rounds otherwise: a picture is the same everywhere."""

Looked = tuple[torch.Tensor, torch.Tensor]
"""What is said of pictures, and what of nothing: each (pictures, width), or (pictures, patches,
width)."""


class Encoder:
    """The image encoder of a folder, loaded when it is needed; `like` has a UNet's type and
    device."""

    def __init__(self, folder: Path | None, like: Any, hashes: Hashes) -> None:
        self._folder, self._like, self._hashes = folder, like, hashes
        self._loaded: tuple[str, Any] | None = None
        self._said: Said[Looked] = Said(MOST_SAID)
        self.size = 0
        """Bytes of what is loaded."""

    def say(
        self, pictures: Sequence[str], encoder: str, *, deep: bool,
        images: Callable[[], list[Image.Image]],
    ) -> Looked:  # fmt: skip
        """What the encoder says of the pictures of one subject, all given by their sha256; `images`
        are the pictures, RGB, asked for only if these were not looked at together before: how many
        there are decides rounding. `deep` is whether the last layer but one is meant, patch by
        patch, and not the projection.

        Raises CannotUse if the folder does not hold that encoder any more; and what `images` does.
        """
        key = tuple(pictures), encoder, deep
        return self._said.of(key, lambda: self._look(images(), encoder, deep=deep))

    def forget(self) -> None:
        """Let go of the encoder, though not of what it said."""
        self._loaded, self.size = None, 0
        if self._like.device.type == "cuda":
            torch.cuda.empty_cache()

    def _look(self, images: list[Image.Image], sha256: str, *, deep: bool) -> Looked:
        encoder = self._have(sha256)
        side = encoder.config.image_size
        with torch.inference_mode():
            pixels = _IMAGES(size=side, crop_size=side)(images, return_tensors="pt").pixel_values
            pixels = pixels.to(encoder.device, encoder.dtype)
            if not deep:
                own = encoder(pixels).image_embeds
                return own, torch.zeros_like(own)
            own, against = (
                encoder(each, output_hidden_states=True).hidden_states[-2]
                for each in (pixels, torch.zeros_like(pixels))
            )
            return own, against

    def _have(self, sha256: str) -> Any:
        if self._loaded is not None and self._loaded[0] == sha256:
            return self._loaded[1]
        self.forget()
        if self._folder is None:
            raise CannotUse(
                "a reference needs an image encoder, and none is named",
                "say image_encoder in anime.toml",
            )
        called = f"the image encoder {self._folder.name}"
        try:
            if encoder_sha256(self._folder, self._hashes) != sha256:
                raise CannotUse(
                    f"{called} is another one than when the run began",
                    "put the old one back, or start again",
                )
            encoder = _transformers.CLIPVisionModelWithProjection.from_pretrained(
                str(self._folder), local_files_only=True, use_safetensors=True,
                dtype=self._like.dtype,
            )  # fmt: skip
        except OSError as error:
            raise CannotUse(f"{called} cannot be read: {error.strerror or error}") from error
        encoder = encoder.to(self._like.device).eval().requires_grad_(False)
        self._loaded = sha256, encoder
        self.size = sum(tensor.nbytes for tensor in encoder.parameters())
        return encoder
