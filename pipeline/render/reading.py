"""Reading a model from the disk into a pipeline of diffusers, with nothing fetched.

Owns the calls of `from_pretrained` and `from_single_file`. Reads safetensors only.
"""

import tempfile
import warnings
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers

from pipeline.model import Kind, Told, variant
from pipeline.render.layout import autoencoder, write_configs, write_json
from pipeline.weights import read_header

_diffusers: Any = diffusers
_transformers: Any = transformers
_BARE = {
    "safety_checker": None,
    "feature_extractor": None,
    "image_encoder": None,
    "requires_safety_checker": False,
}
"""What pipelines of diffusers have beside what draws."""


def read(model: Path, kind: Kind, told: Told, dtype: torch.dtype) -> Any:
    """A pipeline with all weights in `dtype`, but that SDXL's VAE is never in fp16.

    Its scheduler's config is what `kind` says. Raises whatever diffusers does.
    """
    _diffusers.utils.logging.disable_progress_bar()
    _diffusers.utils.logging.set_verbosity_error()  # It warns of casts that are as they should be.
    _transformers.utils.logging.disable_progress_bar()
    with warnings.catch_warnings(), tempfile.TemporaryDirectory(prefix="anime-model-") as made:
        warnings.simplefilter("ignore")
        if model.is_file():
            pipe = _single(model, kind, told, dtype, Path(made))
        else:
            pipe = _folder(model, kind, told, dtype, Path(made))
    pipe.register_modules(scheduler=_scheduler(pipe.scheduler, kind))
    return pipe


def stored_in_bf16(model: Path) -> bool:
    """Whether most of the weights of the UNet are in bf16."""
    files = [model] if model.is_file() else sorted((model / "unet").glob("*.safetensors"))
    kinds = [kind for file in files for kind in read_header(file).dtypes.values()]
    return 2 * kinds.count("BF16") > len(kinds)


def _scheduler(own: Any, kind: Kind) -> Any:
    """The model's own, with what `kind` says of its noise.

    Made anew, not changed: its config lists what was left at a default, and what stands in that
    list counts for nothing once another class is made of it.
    """
    noise = {"prediction_type": kind.prediction, "rescale_betas_zero_snr": kind.zero_snr}
    able = type(own)
    if not set(noise) <= able._get_init_keys(able):
        if not kind.zero_snr and own.config.get("prediction_type") == kind.prediction:
            return own
        able = _diffusers.EulerDiscreteScheduler
    return able.from_config(dict(own.config), **noise)


def _class_of(kind: Kind) -> Any:
    if kind.family == "sdxl":
        return _diffusers.StableDiffusionXLPipeline
    return _diffusers.StableDiffusionPipeline


def _folder(model: Path, kind: Kind, told: Told, dtype: torch.dtype, made: Path) -> Any:
    given = {"variant": variant(model), "use_safetensors": True, "local_files_only": True}
    bare = {"add_watermarker": False} if kind.family == "sdxl" else _BARE
    parts: dict[str, Any] = {}
    if told.vae is not None:
        shapes = read_header(told.vae).shapes
        write_json(made / "vae/config.json", autoencoder(shapes, kind.family))
        parts["vae"] = _vae(told.vae, kind, dtype, made)
    pipe = _class_of(kind).from_pretrained(str(model), dtype=dtype, **given, **bare, **parts)
    if told.vae is None and _overflows(pipe.vae, kind, dtype):
        # Read anew: what was rounded to fp16 does not come back.
        kept = type(pipe.vae).from_pretrained(
            str(model), subfolder="vae", dtype=torch.float32, **given
        )
        pipe.register_modules(vae=kept)
    return pipe


def _single(model: Path, kind: Kind, told: Told, dtype: torch.dtype, made: Path) -> Any:
    file = told.vae or model
    shapes = read_header(model).shapes
    write_configs(made, kind, shapes, read_header(file).shapes)
    return _class_of(kind).from_single_file(
        str(model),
        config=str(made),
        vae=_vae(file, kind, dtype, made),
        local_files_only=True,
        dtype=dtype,
    )


def _vae(file: Path, kind: Kind, dtype: torch.dtype, made: Path) -> Any:
    """The VAE in a file, whose config is in `made`."""
    wide = kind.family == "sdxl" and dtype == torch.float16
    return _diffusers.AutoencoderKL.from_single_file(
        str(file),
        config=str(made),
        subfolder="vae",
        local_files_only=True,
        dtype=torch.float32 if wide else dtype,
    )


def _overflows(vae: Any, kind: Kind, dtype: torch.dtype) -> bool:
    """Whether diffusers would convert the VAE to fp32 for every picture."""
    return kind.family == "sdxl" and dtype == torch.float16 and bool(vae.config.force_upcast)
