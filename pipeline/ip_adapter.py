"""The layouts of IP-Adapter files, and which cross attention of a model each pair of layers is for.

Owns names and shapes. Known are those of https://huggingface.co/h94/IP-Adapter: plain, `plus` and
`full-face`, for SD 1.5 and SDXL. A file has an `image_proj`, which makes words of what an image
encoder says of a picture, and in `ip_adapter` a key and a value layer for each cross attention of
the UNet, numbered 1, 3, 5 … in the order in which diffusers lists these. Never reads a file and
never imports torch.
"""

import re
from collections.abc import Mapping

from msgspec import Struct

from pipeline.lora import Misfit, Shape, Unreadable, family_of

PROJECTION, LAYERS = "image_proj.", "ip_adapter."
WORDS = 4
"""So many words a plain one makes of a picture."""
_LAYER = re.compile(r"ip_adapter\.(\d+)\.to_([kv])_ip\.weight")
_ATTENTION = re.compile(
    r"(?:model\.diffusion_model\.)?(?P<side>down|input|up|output|mid|middle)_block.*"
    r"\.attn2\.to_k(?:\.base_layer)?\.weight"
)
_SIDES = {"down": 0, "input": 0, "up": 1, "output": 1, "mid": 2, "middle": 2}
_AGAIN = "copy or download it again"
_FACES = (
    "it is an IP-Adapter for faces (FaceID), which wants a face's features from another program; "
    "take one such as ip-adapter-plus, or ip-adapter-plus-face"
)


class Layout(Struct, frozen=True, kw_only=True):
    """What a file is made for: `width` values of a picture, those of each patch if it is `deep`,
    else the projected ones; `text` is how wide a word is, and `layers` the shape of each key layer
    (hidden, text), in order."""

    width: int
    deep: bool
    text: int
    layers: tuple[Shape, ...]


def is_one(header: Mapping[str, Shape]) -> bool:
    """Whether a file of these tensors is meant to be an IP-Adapter."""
    return any(name.startswith((PROJECTION, LAYERS)) for name in header)


def layout_of(header: Mapping[str, Shape]) -> Layout:
    """What a file of these tensors is made for.

    Raises:
        Unreadable: it is no IP-Adapter, or of a kind that cannot be used.
    """
    if not is_one(header):
        some = next(iter(header), "nothing")
        raise Unreadable(f"it is no IP-Adapter: it has {some} and no image_proj; name another file")
    if any("lora" in name or "perceiver_resampler" in name for name in header):
        raise Unreadable(_FACES)
    try:
        width, deep, text = _projection(header)
    except (LookupError, ValueError):
        why = f"its image_proj is of a kind that is not known, or not whole; {_AGAIN}"
        raise Unreadable(why) from None
    return Layout(width=width, deep=deep, text=text, layers=_layers(header, text))


def match(layout: Layout, attentions: tuple[Shape, ...]) -> None:
    """Compare it with the cross attentions of a model, as `attentions_of` gives them.

    Raises:
        Misfit: it is made for another model.
    """
    if layout.layers == attentions:
        return
    mine, its = family_of(layout.text), family_of(attentions[0][1] if attentions else 0)
    if mine != its and its:
        raise Misfit(f"it is made for {mine}, and the model is {its}")
    raise Misfit(
        f"it is made for a model of another build: it has layers for {len(layout.layers)} cross "
        f"attentions, and the model has {len(attentions)}"
        + ("" if len(layout.layers) != len(attentions) else ", of other widths")
    )


def attentions_of(header: Mapping[str, Shape]) -> tuple[Shape, ...]:
    """The shapes (hidden, text) of a UNet's cross attentions, in the order of diffusers: down, up,
    middle. The names are diffusers', or those of a checkpoint in one file."""
    found = []
    for name, shape in header.items():
        match_ = _ATTENTION.fullmatch(name)
        if match_ is not None:
            numbers = [int(number) for number in re.findall(r"\d+", name)]
            found.append(((_SIDES[match_["side"]], numbers), shape))
    return tuple(shape for _, shape in sorted(found))


def _projection(header: Mapping[str, Shape]) -> tuple[int, bool, int]:
    """Width, whether deep, and how wide a word is."""
    mine = {n.removeprefix(PROJECTION): s for n, s in header.items() if n.startswith(PROJECTION)}
    if "proj.weight" in mine:
        words, width = mine["proj.weight"]
        if mine["norm.weight"] != (words // WORDS,):
            raise ValueError
        return width, False, words // WORDS
    if "proj.3.weight" in mine:
        return mine["proj.0.weight"][1], True, mine["proj.3.weight"][0]
    if "norm.weight" in mine:
        raise Unreadable(_FACES)
    _ = mine["latents"], mine["norm_out.weight"]
    return mine["proj_in.weight"][1], True, mine["proj_out.weight"][0]


def _layers(header: Mapping[str, Shape], text: int) -> tuple[Shape, ...]:
    keys: dict[int, Shape] = {}
    values: dict[int, Shape] = {}
    for name, shape in header.items():
        if name.startswith(LAYERS):
            found = _LAYER.fullmatch(name)
            if found is None:
                raise Unreadable(f"it has {name}, which no IP-Adapter known here has")
            (keys if found[2] == "k" else values)[int(found[1])] = shape
    numbers = sorted(keys)
    if keys != values or numbers != list(range(1, 2 * len(numbers), 2)) or not numbers:
        raise Unreadable(f"it lacks some of its layers; {_AGAIN}")
    if any(len(shape) != 2 or shape[1] != text for shape in keys.values()):
        raise Unreadable(f"its layers do not go with its image_proj; {_AGAIN}")
    return tuple(keys[number] for number in numbers)
