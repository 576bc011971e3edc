"""`python -m tests.render.full_size FOLDER [sd]`: an SDXL, or an SD 1.5, as large as all are, with
random weights.

3.5 billion of them, 6.9 GB in fp16; or 1.1 billion, 2.1 GB. Only what it says of its own size
differs: 256 pixels, so that a step on a CPU takes seconds.
"""

import sys
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers

from tests.render.tiny import _tokenizer

_diffusers: Any = diffusers
_transformers: Any = transformers


def build(folder: Path) -> None:
    """Write it in diffusers' layout; the shapes are those of SDXL base 1.0's configs."""
    torch.manual_seed(1)
    torch.set_default_dtype(torch.float16)
    tokenizer = _tokenizer(folder.with_name(f"{folder.name}-words"))
    pipe = _diffusers.StableDiffusionXLPipeline(
        vae=_vae(),
        text_encoder=_transformers.CLIPTextModel(_text(tokenizer, 768, 12, 12, "quick_gelu")),
        text_encoder_2=_transformers.CLIPTextModelWithProjection(
            _text(tokenizer, 1280, 32, 20, "gelu")
        ),
        tokenizer=tokenizer,
        tokenizer_2=tokenizer,
        unet=_unet(),
        scheduler=_diffusers.EulerDiscreteScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1,
            timestep_spacing="leading",
        ),
    )  # fmt: skip
    pipe.save_pretrained(str(folder), safe_serialization=True)


def build_sd(folder: Path) -> None:
    """The same with the shapes of Stable Diffusion 1.5's configs."""
    torch.manual_seed(1)
    torch.set_default_dtype(torch.float16)
    tokenizer = _tokenizer(folder.with_name(f"{folder.name}-words"))
    pipe = _diffusers.StableDiffusionPipeline(
        vae=_vae(0.18215),
        text_encoder=_transformers.CLIPTextModel(_text(tokenizer, 768, 12, 12, "quick_gelu")),
        tokenizer=tokenizer,
        unet=_diffusers.UNet2DConditionModel(
            sample_size=32, cross_attention_dim=768, attention_head_dim=8
        ),
        scheduler=_diffusers.PNDMScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1,
            skip_prk_steps=True,
        ),
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip
    pipe.save_pretrained(str(folder), safe_serialization=True)


def _unet() -> Any:
    return _diffusers.UNet2DConditionModel(
        sample_size=32,
        block_out_channels=(320, 640, 1280),
        layers_per_block=2,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        transformer_layers_per_block=(1, 2, 10),
        attention_head_dim=(5, 10, 20),
        cross_attention_dim=2048,
        addition_embed_type="text_time",
        addition_time_embed_dim=256,
        projection_class_embeddings_input_dim=2816,
        use_linear_projection=True,
    )


def _vae(scaling_factor: float = 0.13025) -> Any:
    return _diffusers.AutoencoderKL(
        block_out_channels=(128, 256, 512, 512),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=2,
        latent_channels=4,
        sample_size=256,
        scaling_factor=scaling_factor,
        force_upcast=True,
    )


def _text(tokenizer: Any, width: int, layers: int, heads: int, act: str) -> Any:
    return _transformers.CLIPTextConfig(
        vocab_size=49408,
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        hidden_act=act,
        projection_dim=width,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


if __name__ == "__main__":
    (build_sd if sys.argv[2:] == ["sd"] else build)(Path(sys.argv[1]))
