"""The layouts of LoRA files, and which layer of a model each pair of matrices belongs to.

Owns names and shapes. Two layouts are known: PEFT's, as diffusers writes it
(`unet.<layer>.lora_A.weight`, also with the older names of the same), and kohya's
(`lora_unet_<layer with _>.lora_down.weight`, with `alpha`; for SDXL also with the names that
Stability's own code gives the layers). Never reads a file and never imports torch.

What a layer gets is `weight * alpha / rank * up @ down`, beside its own product.
"""

import json
import re
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

from msgspec import Struct

Shape = tuple[int, ...]

_FAMILIES = {768: "SD 1.5", 1024: "SD 2", 2048: "SDXL"}
"""By how wide the text is that the UNet listens to."""
_KINDS = {
    "hada_": "a LoHa", "lokr_": "a LoKr", "oft_": "an OFT", "dora_scale": "a DoRA",
    "lora_magnitude_vector": "a DoRA", "lora_mid": "a LoCon in Tucker's form", "glora_": "a GLoRA",
    ".diff": "a difference of whole layers", "ia3": "an (IA)3",
}  # fmt: skip
_OTHERS = {
    "double_blocks": "Flux", "single_blocks": "Flux", "single_transformer_blocks": "Flux",
    "joint_blocks": "SD 3", "lora_te3": "SD 3", "transformer.transformer_blocks": "SD 3 or Flux",
}  # fmt: skip

_KOHYA = re.compile(r"lora_(?P<part>unet|te|te1|te2)_(?P<layer>\w+)\.(?P<what>[\w.]+)")
_PEFT = re.compile(
    r"(?:base_model\.model\.)?(?:(?P<part>unet|text_encoder_2|text_encoder)\.)?(?P<layer>.+?)"
    r"(?P<what>\.(?:lora_A|lora_B)(?:\.default)?\.weight|\.lora_linear_layer\.(?:down|up)\.weight"
    r"|[._]lora\.(?:down|up)\.weight|\.alpha)"
)
_DOWN = ("lora_down.weight", "lora_A", "lora.down", "layer.down")
_UP = ("lora_up.weight", "lora_B", "lora.up", "layer.up")
_TE = {"te": "text_encoder", "te1": "text_encoder", "te2": "text_encoder_2", "unet": "unet"}
_SGM_RESNET = {
    "in_layers_2": "conv1", "out_layers_3": "conv2", "emb_layers_1": "time_emb_proj",
    "skip_connection": "conv_shortcut",
}  # fmt: skip
_SGM_ALONE = {
    "input_blocks_0_0": "conv_in", "out_2": "conv_out",
    "time_embed_0": "time_embedding_linear_1", "time_embed_2": "time_embedding_linear_2",
    "label_emb_0_0": "add_embedding_linear_1", "label_emb_0_2": "add_embedding_linear_2",
}  # fmt: skip


class Unreadable(Exception):
    """The file is no LoRA that can be used with any model; the text says why."""


class Misfit(Exception):
    """The LoRA does not go with the model; the text says why."""


class Layer(Struct, frozen=True, kw_only=True):
    """What a file has for one layer, by the name it gives the layer: the names of its tensors.

    `alpha` names a tensor, `said` is the alpha that the file's metadata says; without both it is
    the rank. `kohya` is whether the layer's name has `_` for `.`.
    """

    part: str
    name: str
    kohya: bool
    down: str
    up: str
    rank: int
    size_in: int
    size_out: int
    alpha: str | None = None
    said: float | None = None


class Fitted(Struct, frozen=True, kw_only=True):
    """A layer of a file, and the module of the model's part that it is for."""

    layer: Layer
    module: str


class Body(Struct, frozen=True, kw_only=True):
    """The layers of a model: by part and module the shape of its weight.

    A text encoder's modules are called as without `text_model.`, which only some versions write.
    """

    parts: Mapping[str, Mapping[str, Shape]]
    flat: Mapping[str, Mapping[str, str]]
    layers_per_block: int = 2

    @classmethod
    def of(cls, tensors: Mapping[str, Mapping[str, Shape]], *, layers_per_block: int) -> "Body":
        """From the shapes of all tensors, by part and name."""
        parts = {
            part: {
                module_name(name.removesuffix(".weight")): shape
                for name, shape in found.items()
                if name.endswith(".weight") and len(shape) in (2, 4)
            }
            for part, found in tensors.items()
        }
        flat = {part: {n.replace(".", "_"): n for n in names} for part, names in parts.items()}
        return cls(parts=parts, flat=flat, layers_per_block=layers_per_block)

    @property
    def family(self) -> str:
        """What the model seems to be, for people."""
        width = _width({name: shape[1] for name, shape in self.parts.get("unet", {}).items()})
        return family_of(width)


def module_name(name: str) -> str:
    """A module as `Body` calls it."""
    return name.removeprefix("text_model.").replace(".base_layer", "")


def layers_of(header: Mapping[str, Shape], metadata: Mapping[str, str]) -> tuple[Layer, ...]:
    """The layers that a file of these tensors has something for.

    Raises:
        Unreadable: it is no LoRA, or of a kind that cannot be used.
    """
    _refuse_kinds(header, metadata)
    pairs: dict[tuple[str, str], dict[str, str]] = {}
    kohya = any(_KOHYA.fullmatch(name) for name in header)
    strange = []
    for name in header:
        found = (_KOHYA if kohya else _PEFT).fullmatch(name)
        what = _role(found["what"]) if found is not None else None
        if found is None or what is None:
            strange.append(name)
            continue
        part = _TE[found["part"]] if kohya else found["part"] or "unet"
        layer = found["layer"] if kohya else _tidy(found["layer"])
        pairs.setdefault((part, layer), {})[what] = name
    layers = [
        _layer(part, layer, names, header, _said(metadata, part, layer), kohya=kohya)
        for (part, layer), names in pairs.items()
    ]
    if strange:
        raise Unreadable(_no_lora(header, strange, any_layers=bool(layers)))
    if not layers:
        raise Unreadable("there is nothing in it")
    return tuple(layers)


def match(layers: Sequence[Layer], body: Body) -> tuple[Fitted, ...]:
    """The module of the model that each layer is for.

    Raises:
        Misfit: the model has no such module, or one of another size.
    """
    fitted = []
    for layer in layers:
        module = _module(layer, body)
        if module is None:
            raise Misfit(
                f"{_of_another(layers, body)}: of its layers, the model has no "
                f"{_shown(layer)} ({len(layers)} layers in all)"
            )
        shape = body.parts[layer.part][module]
        wanted = prod(shape[1:]), shape[0]
        if (layer.size_in, layer.size_out) != wanted:
            raise Misfit(
                f"{_of_another(layers, body)}: its {module} takes {layer.size_in} values and gives "
                f"{layer.size_out}, and the model's {wanted[0]} and {wanted[1]}"
            )
        fitted.append(Fitted(layer=layer, module=module))
    return tuple(fitted)


def _refuse_kinds(header: Mapping[str, Shape], metadata: Mapping[str, str]) -> None:
    for name in header:
        for sign, kind in _KINDS.items():
            if sign in name:
                raise Unreadable(
                    f"it is {kind} ({name}), and only plain LoRAs can be used; "
                    "extract one from it, or take another"
                )
    if _config(metadata).get("unet.use_dora"):
        raise Unreadable("it is a DoRA, and only plain LoRAs can be used")
    for name in header:
        for sign, family in _OTHERS.items():
            if sign in name:
                raise Unreadable(f"it is made for {family}, and not for Stable Diffusion")


def _role(what: str) -> str | None:
    if what.endswith("alpha"):
        return "alpha"
    if any(sign in what for sign in _DOWN):
        return "down"
    return "up" if any(sign in what for sign in _UP) else None


def _tidy(layer: str) -> str:
    """An older name in today's spelling: `attn1.processor.to_out` is `attn1.to_out.0`."""
    name = module_name(layer.replace(".processor.", "."))
    return f"{name}.0" if name.endswith(".to_out") else name


def _layer(
    part: str, layer: str, names: Mapping[str, str], header: Mapping[str, Shape],
    said: float | None, *, kohya: bool,
) -> Layer:  # fmt: skip
    down, up = names.get("down"), names.get("up")
    if down is None or up is None:
        raise Unreadable(f"it has only one half of the layer {layer}; copy or download it again")
    first, second = header[down], header[up]
    if len(first) not in (2, 4) or len(second) not in (2, 4) or first[0] != second[1]:
        raise Unreadable(f"the two halves of its layer {layer} do not go together")
    if prod(second[2:]) != 1:
        raise Unreadable(f"its layer {layer} is of a kind that is not known")
    return Layer(
        part=part, name=layer, kohya=kohya, down=down, up=up, rank=first[0],
        size_in=prod(first[1:]), size_out=second[0], alpha=names.get("alpha"), said=said,
    )  # fmt: skip


def _said(metadata: Mapping[str, str], part: str, layer: str) -> float | None:
    """The alpha that diffusers wrote into the file's metadata, if it did."""
    config = _config(metadata)
    pattern = config.get(f"{part}.alpha_pattern") or {}
    own = pattern.get(layer) if isinstance(pattern, dict) else None
    alpha = own if own is not None else config.get(f"{part}.lora_alpha")
    return float(alpha) if isinstance(alpha, (int, float)) else None


def _config(metadata: Mapping[str, str]) -> dict[str, Any]:
    try:
        found = json.loads(metadata.get("lora_adapter_metadata", "{}"))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _no_lora(header: Mapping[str, Shape], strange: Sequence[str], *, any_layers: bool) -> str:
    if any_layers:
        return f"it has something for {strange[0]}, which no LoRA known here has"
    if any(name.startswith(("emb_params", "string_to_param", "clip_l", "clip_g"))
           for name in header):  # fmt: skip
        return "it is no LoRA but a textual inversion, a word that was taught"
    if any(name.startswith(("image_proj", "ip_adapter")) for name in header):
        return "it is no LoRA but an IP-Adapter"
    return f"it is no LoRA: it has {strange[0]}, as a whole model or a part of one has"


def _module(layer: Layer, body: Body) -> str | None:
    modules = body.parts.get(layer.part, {})
    if not layer.kohya:
        return layer.name if layer.name in modules else None
    flat = body.flat.get(layer.part, {})
    names = [layer.name]
    if layer.part == "unet":
        names.append(from_sgm(layer.name, body.layers_per_block))
    else:
        names.append(layer.name.removeprefix("text_model_"))
    return next((flat[name] for name in names if name in flat), None)


def from_sgm(name: str, layers: int) -> str:
    """A layer that Stability's own code calls `input_blocks_4_1_…`, by diffusers' name."""
    if name in _SGM_ALONE:
        return _SGM_ALONE[name]
    if found := re.fullmatch(r"middle_block_([012])_(.+)", name):
        block = {"0": "resnets_0", "1": "attentions_0", "2": "resnets_1"}[found[1]]
        return f"mid_block_{block}_{_SGM_RESNET.get(found[2], found[2])}"
    found = re.fullmatch(r"(input|output)_blocks_(\d+)_(\d)_(.+)", name)
    if found is None:
        return name
    number, inner, rest = int(found[2]), int(found[3]), found[4]
    before = 1 if found[1] == "input" else 0
    at_block, at = divmod(number - before, layers + 1)
    side = f"{'down' if before else 'up'}_blocks_{at_block}"
    if rest == "op":
        return f"{side}_downsamplers_0_conv"
    if rest == "conv":
        return f"{side}_upsamplers_0_conv"
    kind = "attentions" if inner else "resnets"
    return f"{side}_{kind}_{at}_{_SGM_RESNET.get(rest, rest)}"


def _of_another(layers: Sequence[Layer], body: Body) -> str:
    sizes = {layer.name: layer.size_in for layer in layers if layer.part == "unet"}
    mine, its = family_of(_width(sizes)), body.family
    if mine == its or not mine:
        return "it is made for a model of another build"
    return f"it is made for {mine}" + (f", and the model is {its}" if its else "")


def _width(sizes: Mapping[str, int]) -> int:
    """How wide the text is that goes into the layers of these names."""
    ends = ("attn2.to_k", "attn2.to_v", "attn2_to_k", "attn2_to_v")
    return next((size for name, size in sizes.items() if name.endswith(ends)), 0)


def family_of(width: int) -> str:
    """What a model seems to be whose text is so wide, for people; empty if that is 0."""
    if width == 0:
        return ""
    return _FAMILIES.get(width, f"a model whose text is {width} wide")


def _shown(layer: Layer) -> str:
    return layer.name if layer.part == "unet" else f"{layer.part}.{layer.name}"
