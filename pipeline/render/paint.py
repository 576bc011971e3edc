"""One picture from its exact inputs and a seed.

Owns the call of diffusers' own pipeline: the pixels are those that bare diffusers draws with the
same scheduler, threads and precision. Never writes to a weight; keeps nothing between pictures.
"""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import diffusers
import torch
from PIL import Image

from pipeline.core.resolved import Made, Resolved
from pipeline.render import regions, schedulers
from pipeline.render.model import Pipe

Begun = Callable[[float], None]
Stepped = Callable[[int, int], None]


class Painter:
    """Draws with one pipeline, one picture at a time."""

    def __init__(self, pipe: Pipe, device: torch.device) -> None:
        self._pipe = pipe
        self._device = device
        self._config = dict(pipe.scheduler.config)
        self._begun: Callable[[], None] | None = None
        pipe.unet.register_forward_pre_hook(self._before_unet)

    def paint(self, resolved: Resolved, seed: int, begun: Begun, stepped: Stepped) -> Image.Image:
        """The picture, RGB, of the size asked for.

        `begun(encoding)` is called just before the first call of the UNet, with the seconds that
        the text encoder took, and `stepped(n, of)` after each step; what either raises ends the
        picture and comes out of here.
        """
        pipe = self._pipe
        pipe.scheduler = schedulers.build(self._config, resolved.sampler, resolved.schedule)

        def after_step(pipe: Any, step: int, _: Any, values: dict[str, Any]) -> dict[str, Any]:
            stepped(step + 1, pipe.num_timesteps)
            return values

        with torch.inference_mode():
            start = time.monotonic()
            positive, negative, parts = _encode_all(pipe, resolved)
            self._begun = partial(begun, time.monotonic() - start)
            try:
                with regions.applied(pipe.unet, resolved.regions, parts):
                    drawn = pipe(
                        prompt_embeds=positive,
                        negative_prompt_embeds=negative,
                        width=resolved.width,
                        height=resolved.height,
                        num_inference_steps=resolved.steps,
                        guidance_scale=resolved.guidance,
                        generator=torch.Generator("cpu").manual_seed(seed),
                        callback_on_step_end=after_step,
                    )
            finally:
                self._begun = None
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

    def made(self) -> Made:
        """The conditions that this process draws under."""
        return Made(
            device=self._device.type,
            dtype=str(self._pipe.unet.dtype).removeprefix("torch."),
            threads=torch.get_num_threads(),
            batch=1,
            torch=str(torch.__version__),
            diffusers=diffusers.__version__,
        )

    def _before_unet(self, *_: object) -> None:
        if self._begun is not None:
            begun, self._begun = self._begun, None
            begun()


def encode(
    pipe: Pipe, prompt: str, negative: str, *, guided: bool, beside: Sequence[str] = ()
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """The embeddings of both prompts, each of shape (1, tokens, width); no negative unless guided.

    A prompt that fits the text encoder goes the way of bare diffusers. A longer one is cut into
    pieces that fit, each encoded by itself and put one after the other, and the shorter of the two
    prompts is filled up with empty pieces, since guidance needs both of one length. So do other
    prompts that the UNet is given in the same call: those `beside` count for the length.
    """
    room = pipe.tokenizer.model_max_length - 2
    words, against = _tokens(pipe, prompt), _tokens(pipe, negative) if guided else []
    others = (_tokens(pipe, text) for text in beside)
    pieces = max(1, *(-(-len(tokens) // room) for tokens in (words, against, *others)))
    if pieces == 1:
        positive, opposite = pipe.encode_prompt(prompt, pipe.device, 1, guided, negative)
        return positive, opposite if guided else None
    return (
        _encode_pieces(pipe, words, pieces, room),
        _encode_pieces(pipe, against, pieces, room) if guided else None,
    )


def _encode_all(
    pipe: Pipe, resolved: Resolved
) -> tuple[torch.Tensor, torch.Tensor | None, list[torch.Tensor]]:
    """The embeddings of the prompt, of the negative if guided, and of each region's prompt."""
    guided, own = resolved.guidance > 1, [region.prompt for region in resolved.regions]
    positive, negative = encode(pipe, resolved.prompt, resolved.negative, guided=guided, beside=own)
    every = [resolved.prompt, *own, *([resolved.negative] if guided else [])]
    parts = [encode(pipe, prompt, "", guided=False, beside=every)[0] for prompt in own]
    return positive, negative, parts


def _tokens(pipe: Pipe, text: str) -> list[int]:
    """The text's tokens, without those that mark begin and end."""
    ids: list[int] = pipe.tokenizer(text, add_special_tokens=False, verbose=False).input_ids
    return ids


def _encode_pieces(pipe: Pipe, tokens: list[int], pieces: int, room: int) -> torch.Tensor:
    marks, rows, masks = pipe.tokenizer, [], []
    for start in range(0, pieces * room, room):
        row = [marks.bos_token_id, *tokens[start : start + room], marks.eos_token_id]
        fill = room + 2 - len(row)
        rows.append(row + [marks.pad_token_id] * fill)
        masks.append([1] * len(row) + [0] * fill)
    masked = getattr(pipe.text_encoder.config, "use_attention_mask", False)
    parts = [
        pipe.text_encoder(
            torch.tensor([row], device=pipe.device),
            attention_mask=torch.tensor([mask], device=pipe.device) if masked else None,
        )[0]
        for row, mask in zip(rows, masks, strict=True)
    ]
    return torch.cat(parts, dim=1)
