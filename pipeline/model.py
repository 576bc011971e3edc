"""A diffusion model on the disk: is it one that we can load, and which one is it.

Owns the checks that need no torch, and the model's sha256. A model is a folder in diffusers' layout
or one `.safetensors` checkpoint. Never loads a weight.
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any, Literal

from msgspec import Struct

from pipeline.checkpoint import Family, Prediction, check_vae, read_checkpoint
from pipeline.core.resolved import Model
from pipeline.hashes import Hashes
from pipeline.weights import ModelError, read_header

TEXT = ("text_encoder", "text_encoder_2")
WEIGHTS = (*TEXT, "unet", "vae")
"""The folders that hold weights; only SDXL has the second text encoder."""
TOKENS = ("tokenizer", "tokenizer_2")
SUFFIX = ".safetensors"

_CLASSES = {
    "text_encoder": {"CLIPTextModel"},
    "text_encoder_2": {"CLIPTextModelWithProjection"},
    "unet": {"UNet2DConditionModel"},
    "vae": {"AutoencoderKL", "AutoencoderTiny"},
}
_LIBRARIES = {"diffusers", "transformers"}
_PIPELINES: dict[str, Family] = {
    "StableDiffusionPipeline": "sd",
    "StableDiffusionXLPipeline": "sdxl",
}
_PARTS: dict[Family, tuple[str, ...]] = {
    "sd": ("text_encoder", "unet", "vae", "scheduler", "tokenizer"),
    "sdxl": (*WEIGHTS, "scheduler", *TOKENS),
}
"""The folders that decide what is drawn; a safety checker is neither loaded nor hashed."""
_SIDES: dict[Family, int] = {"sd": 512, "sdxl": 1024}
"""Pixels of a side, for files that do not say."""
_PICKLES = (".bin", ".ckpt", ".pt", ".pth", ".pickle", ".pkl")
_CONVERT = (
    "convert them: load the model where you trust it and save_pretrained(..., "
    "safe_serialization=True)"
)


class Told(Struct, frozen=True, kw_only=True):
    """What a person says of a model, where it does not say so itself or says it wrong.

    `vae` is a file that takes the place of the model's own. `ip_adapter`, a file, and
    `image_encoder`, a folder, show reference pictures to it; they are no part of it.
    """

    vae: Path | None = None
    prediction: Literal["auto", "epsilon", "v_prediction"] = "auto"
    zero_snr: Literal["auto", "yes", "no"] = "auto"
    ip_adapter: Path | None = None
    image_encoder: Path | None = None


NOTHING_TOLD = Told()


class Kind(Struct, frozen=True, kw_only=True):
    """What has to be known to draw with a model."""

    family: Family
    prediction: Prediction
    zero_snr: bool


def describe(model: Path, cache: Path | None = None, told: Told = NOTHING_TOLD) -> Model:
    """The model; its sha256 covers every file that decides what is drawn, and what was `told`.

    That of one file is the file's own, as other tools have it. The name is what a folder's
    `model_index.json` says (`_name_or_path`), else that of folder or file.

    `cache` is a JSON file that remembers the hashes of files by path, size and time of change, so
    that gigabytes are read once; it is made and renewed as needed.

    Raises:
        ModelError: as `check`.
    """
    kind = check(model, told)
    known = Hashes(cache)
    single = model.is_file()
    lines = (
        [] if single else [f"{_below(file, model)} {known.of(file)}\n" for file in _files(model)]
    )
    if told.vae is not None:
        lines = [line for line in lines if not line.startswith("vae/")]
        lines.append(f"vae {known.of(told.vae)}\n")
    own = check(model, Told(vae=told.vae))
    lines += [f"{name} {getattr(kind, name)}\n" for name in ("prediction", "zero_snr")
              if getattr(kind, name) != getattr(own, name)]  # fmt: skip
    if single:
        lines = [known.of(model), *lines]
    known.save()
    width, height = _size(model, kind.family)
    whole = "".join(sorted(lines))
    return Model(
        name=name_of(model),
        sha256=whole if lines == [whole] and single else hashlib.sha256(whole.encode()).hexdigest(),
        width=width,
        height=height,
    )


def confirm(model: Path, sha256: str, cache: Path | None = None, told: Told = NOTHING_TOLD) -> None:
    """Whether this still is the model of that `sha256`; the others as for `describe`.

    Raises:
        ModelError: as `check`, or it is another one by now.
    """
    if describe(model, cache, told).sha256 != sha256:
        raise ModelError(f"model {model} has changed since the run began", "start again")


def check(model: Path, told: Told = NOTHING_TOLD) -> Kind:
    """Which kind the model is, and whether it can be loaded, as far as is seen without loading it.

    Raises:
        ModelError: it is not there, of another architecture, has its weights only as pickle, or a
            file of it is a Git LFS pointer or cut short.
    """
    if told.vae is not None:
        check_vae(told.vae)
    if model.is_dir():
        return _told(_check_folder(model), told)
    if not model.exists():
        raise ModelError(
            f"model {model} does not exist",
            "check the path of --model; `anime pull ORG/NAME` fetches one",
        )
    if model.suffix in _PICKLES:
        raise ModelError(f"model {model} is a pickle, which can run any code", _CONVERT)
    if model.suffix != SUFFIX:
        raise ModelError(
            f"model {model} is neither a folder nor a {SUFFIX} file",
            f"name a folder in diffusers' layout or a {SUFFIX} checkpoint",
        )
    found = read_checkpoint(model)
    if not found.has_vae and told.vae is None:
        raise ModelError(
            f"model {model} holds no VAE, which makes pictures of what it draws",
            'name one beside it: vae = "….safetensors" in anime.toml, or --vae',
        )
    kind = Kind(family=found.family, prediction=found.prediction, zero_snr=found.zero_snr)
    return _told(kind, told)


def name_of(model: Path) -> str:
    """What the model is called: a folder may say so itself."""
    if model.is_file():
        return model.stem
    said = _json(model / "model_index.json").get("_name_or_path")
    return PurePath(str(said or model.resolve())).name


def weight(model: Path) -> int:
    """Bytes of weights, as they lie on the disk."""
    if model.is_file():
        return model.stat().st_size
    return sum(file.stat().st_size for name in WEIGHTS for file in _weights(model / name))


def variant(folder: Path) -> str | None:
    """`fp16` where the weights are there only in files of that name, as hubs offer them."""
    files = _weights(folder / "unet")
    return "fp16" if files and all(".fp16." in file.name for file in files) else None


def _told(kind: Kind, told: Told) -> Kind:
    return Kind(
        family=kind.family,
        prediction=kind.prediction if told.prediction == "auto" else told.prediction,
        zero_snr=kind.zero_snr if told.zero_snr == "auto" else told.zero_snr == "yes",
    )


def _check_folder(folder: Path) -> Kind:
    if not (folder / "model_index.json").is_file():
        raise ModelError(
            f"model {folder} has no model_index.json",
            "name a folder in diffusers' layout, as StableDiffusionPipeline.save_pretrained writes",
        )
    index = _json(folder / "model_index.json")
    family = _PIPELINES.get(str(index.get("_class_name")))
    if family is None:
        raise ModelError(
            f"model {folder} is a {index.get('_class_name')}",
            f"only {' and '.join(_PIPELINES)} folders can be loaded",
        )
    for name in _PARTS[family]:
        _check_component(folder, name, index.get(name))
    channels = _json(folder / "unet/config.json").get("in_channels", 4)
    latent = _json(folder / "vae/config.json").get("latent_channels", 4)
    if channels != latent:
        raise ModelError(
            f"model {folder} takes {channels} channels and not the {latent} of a picture",
            "an inpainting or editing model cannot be loaded; name the one it was made from",
        )
    scheduler = _json(folder / "scheduler/scheduler_config.json")
    v = scheduler.get("prediction_type") == "v_prediction"
    return Kind(
        family=family,
        prediction="v_prediction" if v else "epsilon",
        zero_snr=bool(scheduler.get("rescale_betas_zero_snr")),
    )


def _check_component(folder: Path, name: str, entry: Any) -> None:
    part = folder / name
    library, kind = entry if isinstance(entry, list) and len(entry) == 2 else (None, None)
    if library not in _LIBRARIES or kind not in _CLASSES.get(name, {kind}):
        known = " or ".join(sorted(_CLASSES.get(name, {"a class of diffusers or transformers"})))
        raise ModelError(
            f"model {folder}: {name} is {kind} of {library} in model_index.json",
            f"it must be {known}; code that comes with a model is never run",
        )
    if not part.is_dir():
        raise ModelError(f"model {folder} has no folder {name}", "copy the model again, whole")
    if name in WEIGHTS:
        _check_weights(part)
    for file in sorted(part.glob("*.json")):
        _json(file)


def _check_weights(part: Path) -> None:
    if not (part / "config.json").is_file():
        raise ModelError(f"{part} has no config.json", "copy the model again, whole")
    files = _weights(part)
    if not files:
        if any(file.suffix in _PICKLES for file in part.iterdir()):
            raise ModelError(
                f"{part} has its weights only as pickle, which can run any code", _CONVERT
            )
        raise ModelError(f"{part} has no {SUFFIX} file", "copy the model again, whole")
    for file in files:
        read_header(file)


def _size(model: Path, family: Family) -> tuple[int, int]:
    """The model's own width and height in pixels."""
    if model.is_file():
        return _SIDES[family], _SIDES[family]
    unet, vae = _json(model / "unet/config.json"), _json(model / "vae/config.json")
    size = unet.get("sample_size") or 64
    height, width = (size, size) if isinstance(size, int) else size
    factor = 2 ** (len(vae.get("block_out_channels") or vae["decoder_block_out_channels"]) - 1)
    return width * factor, height * factor


def _weights(part: Path) -> list[Path]:
    return sorted(part.glob(f"*{SUFFIX}"))


def _below(file: Path, folder: Path) -> str:
    return file.relative_to(folder).as_posix()


def _files(folder: Path) -> Iterator[Path]:
    yield folder / "model_index.json"
    for name in _PARTS[_PIPELINES[_json(folder / "model_index.json")["_class_name"]]]:
        for file in sorted((folder / name).rglob("*")):
            if file.suffix in (".json", ".txt", SUFFIX) and file.is_file():
                yield file


def _json(file: Path) -> dict[str, Any]:
    try:
        value = json.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        raise ModelError(f"{file} cannot be read: {error}", "copy the model again, whole") from None
    return value if isinstance(value, dict) else {}
