"""A prompt as what the UNet listens to: embeddings, of any length, with weights on words.

Owns tokens and the calls of the text encoder. Never writes to a weight.
"""

from collections.abc import Sequence

import torch

from pipeline.core.emphasis import is_stressed, stressed
from pipeline.core.resolved import Resolved
from pipeline.render.model import Pipe


def encode(
    pipe: Pipe, prompt: str, negative: str, *, guided: bool, beside: Sequence[str] = ()
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """The embeddings of both prompts, each of shape (1, tokens, width); no negative unless guided.

    A prompt that fits the text encoder goes the way of bare diffusers. A longer one is cut into
    pieces that fit, each encoded by itself and put one after the other, and the shorter of the two
    prompts is filled up with empty pieces, since guidance needs both of one length. So do other
    prompts that the UNet is given in the same call: those `beside` count for the length.
    """
    texts = [prompt, *([negative] if guided else [])]
    longest = max(len(_tokens(pipe, text)[0]) for text in (*texts, *beside))
    pieces = max(1, -(-longest // _room(pipe)))
    if pieces == 1 and not any(map(is_stressed, texts)):
        positive, opposite = pipe.encode_prompt(prompt, pipe.device, 1, guided, negative)
        return positive, opposite if guided else None
    encoded = [_encode_pieces(pipe, *_tokens(pipe, text), pieces) for text in texts]
    return encoded[0], encoded[1] if guided else None


def encode_all(
    pipe: Pipe, resolved: Resolved
) -> tuple[torch.Tensor, torch.Tensor | None, list[torch.Tensor]]:
    """The embeddings of the prompt, of the negative if guided, and of each region's prompt."""
    guided, own = resolved.guidance > 1, [region.prompt for region in resolved.regions]
    positive, negative = encode(pipe, resolved.prompt, resolved.negative, guided=guided, beside=own)
    every = [resolved.prompt, *own, *([resolved.negative] if guided else [])]
    parts = [encode(pipe, prompt, "", guided=False, beside=every)[0] for prompt in own]
    return positive, negative, parts


def _room(pipe: Pipe) -> int:
    """How many tokens the text encoder takes at once, without those that mark begin and end."""
    room: int = pipe.tokenizer.model_max_length - 2
    return room


def _tokens(pipe: Pipe, text: str) -> tuple[list[int], list[float]]:
    """The text's tokens, without those that mark begin and end, and how much each counts."""
    ids: list[int] = []
    weights: list[float] = []
    for each in stressed(text):
        found = pipe.tokenizer(each.text, add_special_tokens=False, verbose=False).input_ids
        ids += found
        weights += [each.weight] * len(found)
    return ids, weights


def _encode_pieces(
    pipe: Pipe, tokens: list[int], weights: list[float], pieces: int
) -> torch.Tensor:
    """A prompt of so many pieces; a token's weight is how far it is from what an empty prompt has
    in its place, as ComfyUI reckons it."""
    room = _room(pipe)
    parts = []
    for start in range(0, pieces * room, room):
        states = _encode_row(pipe, tokens[start : start + room])
        own = [1.0, *weights[start : start + room]]
        if any(weight != 1.0 for weight in own):
            scale = torch.ones(states.shape[1], device=states.device, dtype=states.dtype)
            scale[: len(own)] = torch.tensor(own, device=states.device, dtype=states.dtype)
            states = torch.lerp(_encode_row(pipe, []), states, scale[None, :, None])
        parts.append(states)
    return torch.cat(parts, dim=1)


def _encode_row(pipe: Pipe, tokens: list[int]) -> torch.Tensor:
    marks = pipe.tokenizer
    row = [marks.bos_token_id, *tokens, marks.eos_token_id]
    fill = _room(pipe) + 2 - len(row)
    mask = [1] * len(row) + [0] * fill
    masked = getattr(pipe.text_encoder.config, "use_attention_mask", False)
    states: torch.Tensor = pipe.text_encoder(
        torch.tensor([row + [marks.pad_token_id] * fill], device=pipe.device),
        attention_mask=torch.tensor([mask], device=pipe.device) if masked else None,
    )[0]
    return states
