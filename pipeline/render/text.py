"""A prompt as what the UNet listens to: embeddings, of any length, with weights on words.

Owns tokens and the calls of the text encoders. Never writes to a weight, and never cuts a prompt.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch

from pipeline.core.emphasis import chunks
from pipeline.core.resolved import Adapter, Resolved
from pipeline.render.model import Pipe
from pipeline.render.said import Said

_SD, _SDXL = 1, 2
"""The layer from the end that SD 1.5 listens to, and SDXL, unless a picture names a deeper one."""

MOST_BYTES = 32 << 20
"""Of what is kept of prompts: some hundred rows of SDXL in half precision."""

Row = tuple[torch.Tensor, torch.Tensor | None]
"""States of shape (1, tokens, width), and the pooled one, (1, width), where there is one."""


class Encoded(NamedTuple):
    """A prompt: states of shape (1, tokens, width), and, for SDXL, its pooled one, (1, width)."""

    states: torch.Tensor
    pooled: torch.Tensor | None = None


class Texts(NamedTuple):
    """The prompts of a picture: its own, the negative if it is guided, and each region's."""

    prompt: Encoded
    negative: Encoded | None
    regions: list[Encoded]

    def named(self) -> dict[str, torch.Tensor]:
        """Prompt and negative, as a pipeline of diffusers takes them."""
        given = {
            "prompt_embeds": self.prompt.states,
            "pooled_prompt_embeds": self.prompt.pooled,
            "negative_prompt_embeds": self.negative and self.negative.states,
            "negative_pooled_prompt_embeds": self.negative and self.negative.pooled,
        }
        return {name: value for name, value in given.items() if value is not None}


class _Piece(NamedTuple):
    """What fits a text encoder at once, and how much each token counts."""

    tokens: list[int]
    weights: list[float]


def encode(
    pipe: Pipe,
    prompt: str,
    negative: str,
    *,
    guided: bool,
    beside: Sequence[str] = (),
    clip_skip: int = 1,
    adapters: tuple[Adapter, ...] = (),
    said: Said[Row] | None = None,
) -> tuple[Encoded, Encoded | None]:
    """Both prompts; no negative unless guided.

    A prompt that fits the text encoder comes out as with bare diffusers. A longer one is cut into
    pieces that fit, and so is one with `BREAK`, each encoded by itself and put one after the other;
    the shorter of the two prompts is filled up with empty pieces, since guidance needs both of one
    length. So do other prompts that the UNet is given in the same call: those `beside` count for
    the length. `clip_skip` is the layer of the encoder that is listened to, from the end, for both.
    What was `said` under the same `adapters`, which are worn already, is taken from there.

    Raises:
        ValueError: the text encoder has fewer layers than `clip_skip`.
    """
    texts = [prompt, *([negative] if guided else [])]
    length = max(len(_pieces(pipe.tokenizer, text)) for text in (*texts, *beside))
    listen = _Listener(pipe, clip_skip, adapters, Said(MOST_BYTES) if said is None else said)
    encoded = [listen.encode(text, length) for text in texts]
    return encoded[0], encoded[1] if guided else None


def encode_all(pipe: Pipe, resolved: Resolved, said: Said[Row]) -> Texts:
    """All prompts of a picture, of one length."""
    guided, own = resolved.guidance > 1, [region.prompt for region in resolved.regions]
    so = partial(encode, pipe, clip_skip=resolved.clip_skip, adapters=resolved.adapters, said=said)
    positive, negative = so(resolved.prompt, resolved.negative, guided=guided, beside=own)
    every = [resolved.prompt, *own, *([resolved.negative] if guided else [])]
    parts = [so(prompt, "", guided=False, beside=every)[0] for prompt in own]
    return Texts(positive, negative, parts)


def together(several: Sequence[Texts]) -> Texts:
    """The prompts of several pictures without regions, of one length, for one call."""
    first = several[0]
    if len(several) == 1:
        return first
    negatives = [texts.negative for texts in several if texts.negative is not None]
    return Texts(
        _row([texts.prompt for texts in several]), _row(negatives) if negatives else None, []
    )


def _row(several: Sequence[Encoded]) -> Encoded:
    pooled = [each.pooled for each in several if each.pooled is not None]
    states = torch.cat([each.states for each in several])
    return Encoded(states, torch.cat(pooled) if pooled else None)


def pieces(pipe: Pipe, resolved: Resolved) -> int:
    """How many pieces that fit the text encoder the prompts of a picture without regions take."""
    texts = (resolved.prompt, resolved.negative if resolved.guidance > 1 else "")
    return max(len(_pieces(pipe.tokenizer, text)) for text in texts)


def _room(tokenizer: Any) -> int:
    """How many tokens the text encoder takes at once, without those that mark begin and end."""
    room: int = tokenizer.model_max_length - 2
    return room


def _pieces(tokenizer: Any, text: str) -> list[_Piece]:
    """The text's tokens, without those that mark begin and end; at least one piece."""
    room = _room(tokenizer)
    pieces = []
    for chunk in chunks(text):
        ids: list[int] = []
        weights: list[float] = []
        for each in chunk:
            found = tokenizer(each.text, add_special_tokens=False, verbose=False).input_ids
            ids += found
            weights += [each.weight] * len(found)
        for start in range(0, max(1, len(ids)), room):
            pieces.append(_Piece(ids[start : start + room], weights[start : start + room]))
    return pieces


def _encoders(pipe: Pipe) -> Iterator[tuple[Any, Any]]:
    """Tokenizer and text encoder; SDXL has two of each."""
    yield pipe.tokenizer, pipe.text_encoder
    if getattr(pipe, "text_encoder_2", None) is not None:
        yield pipe.tokenizer_2, pipe.text_encoder_2


class _Listener:
    """The text encoders of a pipeline under some adapters, of which a layer is listened to."""

    def __init__(
        self, pipe: Pipe, clip_skip: int, adapters: tuple[Adapter, ...], said: Said[Row]
    ) -> None:
        self._pipe, self._clip_skip = pipe, clip_skip
        self._adapters, self._said = adapters, said
        self._two = getattr(pipe, "text_encoder_2", None) is not None

    def encode(self, text: str, length: int) -> Encoded:
        """A prompt of so many pieces; what the encoders say of a token is put side by side.

        The pooled state is that of the first piece, as ComfyUI and A1111 have it.
        """
        sides, pooled = [], None
        for number, (tokenizer, encoder) in enumerate(_encoders(self._pipe)):
            pieces = _pieces(tokenizer, text)
            pieces += [_Piece([], [])] * (length - len(pieces))
            rows = [self._piece(number, tokenizer, encoder, piece) for piece in pieces]
            sides.append(torch.cat([row.states for row in rows], dim=1))
            pooled = rows[0].pooled
        return Encoded(torch.cat(sides, dim=-1), pooled)

    def _piece(self, number: int, tokenizer: Any, encoder: Any, piece: _Piece) -> Encoded:
        """A token's weight is how far it is from what an empty prompt has in its place, as ComfyUI
        reckons it."""
        states, pooled = self._row(number, tokenizer, encoder, piece.tokens)
        own = [1.0, *piece.weights]
        if any(weight != 1.0 for weight in own):
            scale = torch.ones(states.shape[1], device=states.device, dtype=states.dtype)
            scale[: len(own)] = torch.tensor(own, device=states.device, dtype=states.dtype)
            empty, _ = self._row(number, tokenizer, encoder, [])
            states = torch.lerp(empty, states, scale[None, :, None])
        return Encoded(states, pooled)

    def _row(self, number: int, tokenizer: Any, encoder: Any, tokens: list[int]) -> Row:
        row = number, tuple(tokens), self._clip_skip, self._adapters
        return self._said.of(row, lambda: self._say(tokenizer, encoder, tokens))

    def _say(self, tokenizer: Any, encoder: Any, tokens: list[int]) -> Row:
        row = [tokenizer.bos_token_id, *tokens, tokenizer.eos_token_id]
        fill = _room(tokenizer) + 2 - len(row)
        mask = [1] * len(row) + [0] * fill
        masked = getattr(encoder.config, "use_attention_mask", False)
        layer = max(self._clip_skip, _SDXL if self._two else _SD)
        if layer > encoder.config.num_hidden_layers:
            raise ValueError(
                f"clip_skip {self._clip_skip}: the text encoder of this model has only "
                f"{encoder.config.num_hidden_layers} layers"
            )
        device = self._pipe.device
        said = encoder(
            torch.tensor([row + [tokenizer.pad_token_id] * fill], device=device),
            attention_mask=torch.tensor([mask], device=device) if masked else None,
            output_hidden_states=layer > 1,
        )
        if self._two:
            return said.hidden_states[-layer], said[0] if said[0].ndim == 2 else None
        if layer == 1:
            return said[0], None
        return _norm_of(encoder)(said.hidden_states[-layer]), None


def _norm_of(encoder: Any) -> Any:
    """The last norm, which the states of an earlier layer go through too; where it lies changed
    with transformers 5.6."""
    return getattr(encoder, "text_model", encoder).final_layer_norm
