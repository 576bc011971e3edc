"""One `.safetensors` file as a whole model, in the layout that Stable Diffusion came in.

Owns telling from a header, without torch, which model a file is, and why another is not loaded.
The names of tensors are those of https://github.com/Stability-AI/generative-models and, for what
others are, those that diffusers tells them by (`diffusers/loaders/single_file_utils.py`).
"""

from collections.abc import Collection
from pathlib import Path
from typing import Literal

from msgspec import Struct

from pipeline.weights import Header, ModelError, read_header

Family = Literal["sd", "sdxl"]
Prediction = Literal["epsilon", "v_prediction"]

UNET = "model.diffusion_model."
VAE = "first_stage_model."
CLIP = {"sd": "cond_stage_model.transformer.", "sdxl": "conditioner.embedders.0.transformer."}
"""Where the text encoder lies, by family; SDXL's second one is beside it."""
OPEN_CLIP = "conditioner.embedders.1.model."
WORDS = 49408
"""Tokens of CLIP's vocabulary, the only one there is for such files."""

_WHY_NOT = {
    "inpaint": "an inpainting model, whose UNet wants a mask",
    "edit": "a model that edits pictures (InstructPix2Pix)",
    "sd2": "Stable Diffusion 2",
    "refiner": "SDXL's refiner, which finishes what another model began",
    "edm": "an SDXL that was trained otherwise (EDM: Playground 2.5, CosXL)",
}
_OTHERS = {
    "double_blocks.0.": "Flux, Chroma or a model like them",
    "joint_blocks.0.": "Stable Diffusion 3",
    "cap_embedder.": "Lumina or Z-Image",
    "txt_in.": "a transformer such as Qwen-Image or HunyuanVideo",
    "net.x_embedder.": "Cosmos",
    "patchify_proj.": "LTX-Video",
    "double_layers.0.": "AuraFlow",
}
_ADAPTERS = ("lora_unet_", "lora_te", "lora_prior")
"""Beginnings of names that only adapters have, in the layout of kohya."""
_ONLY = "SD 1.5 and SDXL can be loaded, each as one .safetensors file or a diffusers folder"


class Checkpoint(Struct, frozen=True, kw_only=True):
    """What a file says of itself."""

    family: Family
    prediction: Prediction
    zero_snr: bool
    has_vae: bool


def read_checkpoint(file: Path) -> Checkpoint:
    """Tell which model a file is.

    A file that says nothing of it predicts the noise. The keys `v_pred` and `ztsnr`, which hold no
    weights, are what files such as NoobAI's say otherwise by, and ComfyUI and A1111 read.

    Raises:
        ModelError: it is none that we load, or not whole.
    """
    header = read_header(file)
    names = header.shapes
    if not any(name.startswith(UNET) for name in names):
        raise _no_model(file, names)
    family = _family(file, header)
    _complete(file, header, family)
    said = header.metadata.get("modelspec.prediction_type", "").casefold()
    v = "v_pred" in names or said in ("v", "v_prediction")
    return Checkpoint(
        family=family,
        prediction="v_prediction" if v else "epsilon",
        zero_snr="ztsnr" in names,
        has_vae=any(name.startswith(f"{VAE}decoder.") for name in names),
    )


def check_vae(file: Path) -> Header:
    """The header of a file with a VAE alone, in the original layout or in diffusers'.

    Raises:
        ModelError: it is none, or not whole.
    """
    header = read_header(file)
    known = [f"{prefix}decoder.conv_in.weight" for prefix in ("", VAE, "vae.")]
    shape = next((header.shapes[name] for name in known if name in header.shapes), None)
    if shape is None or shape[1:2] != (4,):
        raise ModelError(
            f"{file} is no VAE of SD 1.5 or SDXL",
            "name a .safetensors file that holds the VAE alone, such as sdxl_vae.safetensors",
        )
    return header


def _family(file: Path, header: Header) -> Family:
    names = header.shapes
    first = names.get(f"{UNET}input_blocks.0.0.weight")
    if first is None:
        raise _no_model(file, {name.removeprefix(UNET) for name in names})
    if "edm_mean" in names or any(name.startswith("edm_vpred") for name in names):
        raise _other(file, _WHY_NOT["edm"])
    if any(name.startswith("conditioner.embedders.0.model.") for name in names):
        raise _other(file, _WHY_NOT["refiner"])
    if any(name.startswith("cond_stage_model.model.") for name in names):
        raise _other(file, _WHY_NOT["sd2"])
    if first[1] != 4:
        raise _other(file, _WHY_NOT["edit" if first[1] == 8 else "inpaint"])
    return "sdxl" if f"{UNET}label_emb.0.0.weight" in names else "sd"


def _complete(file: Path, header: Header, family: Family) -> None:
    """Whether the parts are there that nothing is drawn without."""
    words = f"{CLIP[family]}text_model.embeddings.token_embedding.weight"
    wanted = {
        words: "text encoder",
        f"{CLIP[family]}text_model.final_layer_norm.weight": "text encoder",
        f"{UNET}out.2.weight": "whole UNet",
        f"{UNET}time_embed.0.weight": "whole UNet",
        f"{UNET}middle_block.2.in_layers.0.weight": "middle of the UNet, as distilled ones",
    }
    if family == "sdxl":
        wanted[f"{OPEN_CLIP}token_embedding.weight"] = "second text encoder"
        wanted[f"{OPEN_CLIP}text_projection"] = "second text encoder"
    for name, what in wanted.items():
        if name not in header.shapes:
            raise ModelError(
                f"model {file} holds no {what} ({name} is missing)",
                "take the full checkpoint, with UNet and text encoders in one file",
            )
    if header.shapes[words][0] != WORDS:
        raise ModelError(
            f"model {file} knows {header.shapes[words][0]} words, not the {WORDS} of CLIP",
            "name a diffusers folder, which brings its own vocabulary",
        )


def _no_model(file: Path, names: Collection[str]) -> ModelError:
    for mark, what in _OTHERS.items():
        if any(name.removeprefix(UNET).startswith(mark) for name in names):
            return _other(file, what)
    if any(".lora_" in name or name.startswith(_ADAPTERS) for name in names):
        return ModelError(
            f"{file} is a LoRA, which changes a model and is none",
            "name the checkpoint it was made for",
        )
    if any(name.startswith(("decoder.", VAE)) for name in names):
        return ModelError(
            f"{file} is a VAE, a part of a model", "name the checkpoint as model, and this as vae"
        )
    if any(name.startswith(("down_blocks.", "text_model.")) for name in names):
        return ModelError(
            f"{file} is one part of a diffusers folder",
            "name the folder that model_index.json is in",
        )
    some = ", ".join(sorted(names)[:2]) or "nothing"
    return _other(file, f"a file of another kind (it holds {some})")


def _other(file: Path, what: str) -> ModelError:
    return ModelError(f"model {file} is {what}", _ONLY)
