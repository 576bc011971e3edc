"""The networks of `chibi` and the folder they are shipped in.

Owns their shapes and the layout of the diffusers folder. Never trains and never paints.
"""

import copy
import json
from pathlib import Path
from typing import Any, Final

import msgspec
import torch
from diffusers import (
    AutoencoderTiny,
    DPMSolverMultistepScheduler,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from diffusers.models.unets.unet_2d_blocks import AutoencoderTinyBlock
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from pipeline.chibi.tokenizer import LENGTH, write_vocabulary

SCALE: Final = 8
"""Pixels a latent pixel stands for, each way; fixed by the number of decoder blocks."""


NAME = "chibi"


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """The sizes of the networks. The defaults are those of the bundled model.

    `heads` counts attention heads per level (`attention_head_dim` of diffusers means that).
    """

    latent_channels: int = 8
    encoder_channels: int = 48
    encoder_blocks: tuple[int, int, int, int] = (0, 1, 3, 3)
    decoder_channels: int = 64
    decoder_blocks: tuple[int, int, int, int] = (6, 4, 2, 0)
    unet_channels: tuple[int, ...] = (64, 96, 192)
    heads: tuple[int, ...] = (1, 2, 4)
    norm_groups: int = 8
    text_width: int = 192
    text_heads: int = 6
    text_layers: int = 2
    picture_size: int = 256


class Networks(msgspec.Struct, frozen=True, kw_only=True):
    """The trained parts of one model."""

    vae: AutoencoderTiny
    text: CLIPTextModel
    unet: UNet2DConditionModel
    tokenizer: CLIPTokenizer


def build_vae(shape: Shape) -> AutoencoderTiny:
    """Return an untrained autoencoder without norms; pictures are -1..1, latents about unit."""
    vae = AutoencoderTiny(
        latent_channels=shape.latent_channels,
        encoder_block_out_channels=(shape.encoder_channels,) * 4,
        decoder_block_out_channels=(shape.decoder_channels,) * 4,
        num_encoder_blocks=shape.encoder_blocks,
        num_decoder_blocks=shape.decoder_blocks,
    )
    _wake(vae)
    return vae.to(memory_format=torch.channels_last)


def build_text(shape: Shape, tokenizer: CLIPTokenizer) -> CLIPTextModel:
    """Return an untrained text encoder that fits the tokenizer."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=shape.text_width,
            intermediate_size=4 * shape.text_width,
            projection_dim=shape.text_width,
            num_hidden_layers=shape.text_layers,
            num_attention_heads=shape.text_heads,
            max_position_embeddings=LENGTH,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def build_unet(shape: Shape) -> UNet2DConditionModel:
    """Return an untrained UNet: text joins by cross attention below the first level, and pooled.

    The pooled text (`addition_embed_type="text"`) reaches every block through the time embedding;
    what holds for the whole picture is learned several times sooner through it. It needs no
    other input than the usual text states, so plain pipelines know nothing of it.
    """
    levels = len(shape.unet_channels) - 1
    return UNet2DConditionModel(
        sample_size=shape.picture_size // SCALE,
        in_channels=shape.latent_channels,
        out_channels=shape.latent_channels,
        block_out_channels=shape.unet_channels,
        layers_per_block=1,
        down_block_types=("DownBlock2D", *("CrossAttnDownBlock2D",) * levels),
        up_block_types=(*("CrossAttnUpBlock2D",) * levels, "UpBlock2D"),
        attention_head_dim=shape.heads,
        cross_attention_dim=shape.text_width,
        norm_num_groups=shape.norm_groups,
        addition_embed_type="text",
        addition_embed_type_num_heads=shape.text_heads,
        resnet_time_scale_shift="scale_shift",
    )


def build_scheduler() -> DPMSolverMultistepScheduler:
    """Return DPM++ 2M with Karras sigmas for v-prediction.

    The noise ends at sigma 45. At the usual 14.6 large areas still show through, because their
    latents are alike: training then trusts the blobs that pure noise has by chance. No zero
    terminal SNR either: two thirds of 15 Karras steps would lie where nothing is decided.
    """
    return DPMSolverMultistepScheduler(
        num_train_timesteps=1000,
        beta_start=0.00085,
        beta_end=0.018,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        algorithm_type="dpmsolver++",
        solver_order=2,
        use_karras_sigmas=True,
        final_sigmas_type="zero",
        lower_order_final=True,
        steps_offset=1,
    )


def assemble(networks: Networks) -> StableDiffusionPipeline:
    """Return a pipeline that draws with these networks (shared, not copied)."""
    return StableDiffusionPipeline(
        vae=networks.vae,
        text_encoder=networks.text,
        tokenizer=networks.tokenizer,
        unet=networks.unet,
        scheduler=build_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def write_folder(networks: Networks, folder: Path) -> int:
    """Write a diffusers folder in half precision; return the bytes of its weights.

    The networks themselves stay as they are. Overwrites the files of an earlier version.
    """
    halved = Networks(
        vae=_half(networks.vae),
        text=_half(networks.text),
        unet=_half(networks.unet),
        tokenizer=networks.tokenizer,
    )
    folder.mkdir(parents=True, exist_ok=True)
    assemble(halved).save_pretrained(str(folder), safe_serialization=True)
    write_vocabulary(networks.tokenizer, folder / "tokenizer")
    # Half on disk, single in memory unless asked for otherwise: the two libraries that read the
    # folder would by default choose differently, and the parts would not fit each other.
    _edit(folder / "text_encoder" / "config.json", {"dtype": "float32"})
    # Written by the class itself, but refused with a warning when it reads it back.
    _edit(folder / "vae" / "config.json", {"block_out_channels": None})
    # The folder may be called anything; this is what journals and pictures call the model.
    _edit(folder / "model_index.json", {"_name_or_path": NAME})
    return sum(file.stat().st_size for file in folder.rglob("*.safetensors"))


def _edit(path: Path, values: dict[str, str | None]) -> None:
    """Set values of a JSON file; those that are None are taken out."""
    found = {**json.loads(path.read_text(encoding="utf-8")), **values}
    kept = {name: value for name, value in found.items() if name not in values or values[name]}
    path.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")


def _wake(vae: AutoencoderTiny) -> None:
    """Give the networks without norms weights that keep the size of what passes through."""
    for module in vae.modules():
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                torch.nn.init.zeros_(module.bias)
    with torch.no_grad():
        for module in vae.modules():
            if isinstance(module, AutoencoderTinyBlock):
                module.conv[-1].weight.mul_(0.3)
        vae.decoder.layers[-1].weight.mul_(0.2)
        vae.decoder.layers[-1].bias.fill_(0.5)


def _half(module: Any) -> Any:
    return copy.deepcopy(module).half().to(memory_format=torch.contiguous_format)
