"""`python -m tests.render.tiny FOLDER`: a tiny Stable Diffusion folder with random weights, which
draws noise, in milliseconds.

Everything in it is real but small: the classes, the files and the layout are those of a big one.
"""

import json
import sys
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers

_diffusers: Any = diffusers  # Neither says enough of itself to a type checker.
_transformers: Any = transformers
WIDTH = HEIGHT = 64
"""The model's own size in pixels."""
_WORDS = ("girl", "boy", "red", "blue", "hair", "rain", "city", "night", "smile", "bad")


def build(folder: Path, seed: int = 20) -> Path:
    """Write the folder; the same weights every time, others for another seed."""
    torch.manual_seed(seed)
    tokenizer = _tokenizer(folder.with_name(f"{folder.name}-words"))
    pipe = _diffusers.StableDiffusionPipeline(
        vae=_vae(),
        text_encoder=_text_encoder(tokenizer),
        tokenizer=tokenizer,
        unet=_unet(),
        scheduler=_diffusers.DPMSolverMultistepScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            prediction_type="v_prediction",
            use_karras_sigmas=True,
            steps_offset=1,
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipe.to(torch.float16).save_pretrained(str(folder), safe_serialization=True)
    return folder


def xl(words: Path) -> Any:
    """A tiny SDXL with random weights, of the real one's classes and kinds of blocks; the files of
    its tokenizer go to `words`."""
    torch.manual_seed(3)
    tokenizer = _tokenizer(words)
    first, second = (
        _transformers.CLIPTextConfig(
            vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2,
            num_attention_heads=4, projection_dim=32, hidden_act="gelu",
            bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
        for _ in range(2)
    )  # fmt: skip
    unet = _diffusers.UNet2DConditionModel(
        sample_size=8, block_out_channels=(16, 32, 32), layers_per_block=2,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        transformer_layers_per_block=(1, 2, 1), attention_head_dim=(2, 4, 4),
        use_linear_projection=True, addition_embed_type="text_time", addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=32 + 6 * 8, cross_attention_dim=64,
        norm_num_groups=8,
    )  # fmt: skip
    made = _diffusers.StableDiffusionXLPipeline(
        vae=_vae(), text_encoder=_transformers.CLIPTextModel(first),
        text_encoder_2=_transformers.CLIPTextModelWithProjection(second), tokenizer=tokenizer,
        tokenizer_2=tokenizer, unet=unet, scheduler=_diffusers.EulerDiscreteScheduler(),
        add_watermarker=False,
    )  # fmt: skip
    made.set_progress_bar_config(disable=True)
    return made


def _unet() -> Any:
    return _diffusers.UNet2DConditionModel(
        sample_size=8,
        in_channels=4,
        out_channels=4,
        block_out_channels=(16, 32),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=32,
        attention_head_dim=2,
        norm_num_groups=8,
    )


def _vae() -> Any:
    return _diffusers.AutoencoderTiny(
        encoder_block_out_channels=(8, 8, 8, 8),
        decoder_block_out_channels=(8, 8, 8, 8),
        num_encoder_blocks=(1, 1, 1, 1),
        num_decoder_blocks=(1, 1, 1, 1),
    )


def _text_encoder(tokenizer: Any) -> Any:
    return _transformers.CLIPTextModel(
        _transformers.CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            projection_dim=32,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def _tokenizer(folder: Path) -> Any:
    """Letters, and a few words put together from them."""
    letters = [chr(code) for code in range(33, 127)]
    vocabulary = letters + [f"{letter}</w>" for letter in letters]
    merges: list[str] = []
    for word in _WORDS:
        pieces = [*word[:-1], f"{word[-1]}</w>"]
        while len(pieces) > 1:
            joined = pieces[0] + pieces[1]
            if joined not in vocabulary:
                merges.append(f"{pieces[0]} {pieces[1]}")
                vocabulary.append(joined)
            pieces[:2] = [joined]
    vocabulary += ["<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True, exist_ok=True)
    ids = {token: number for number, token in enumerate(vocabulary)}
    (folder / "vocab.json").write_text(json.dumps(ids))
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]) + "\n")
    return _transformers.CLIPTokenizer.from_pretrained(str(folder), model_max_length=77)


if __name__ == "__main__":
    build(Path(sys.argv[1]))
