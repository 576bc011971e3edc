"""Tiny models of the two true architectures, with random weights, and in the original layout.

The classes, the names of tensors and CLIP's vocabulary of 49,408 are those of the big ones; widths
and layers are few. The way back from diffusers' names to the original ones is written here anew,
after `scripts/convert_diffusers_to_original_stable_diffusion.py` and `…_sdxl.py` of diffusers.
"""

from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from safetensors.torch import save_file

from pipeline.render.words import BEGIN, END, write_vocabulary

_diffusers: Any = diffusers
_transformers: Any = transformers
Tensors = dict[str, torch.Tensor]
WORDS = 49408


def build(folder: Path, family: str, seed: int = 4) -> Any:
    """A pipeline of diffusers with random weights; `folder` takes its vocabulary."""
    torch.manual_seed(seed)
    scheduler = _diffusers.EulerDiscreteScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1
    )
    write_vocabulary(folder / "one", pad=END)
    parts = {
        "vae": _vae(family),
        "unet": _unet(family),
        "text_encoder": _transformers.CLIPTextModel(_text(64, "quick_gelu")),
        "tokenizer": _transformers.CLIPTokenizer.from_pretrained(str(folder / "one")),
        "scheduler": scheduler,
    }
    if family == "sdxl":
        write_vocabulary(folder / "two", pad="!")
        parts["text_encoder_2"] = _transformers.CLIPTextModelWithProjection(_text(96, "gelu"))
        parts["tokenizer_2"] = _transformers.CLIPTokenizer.from_pretrained(str(folder / "two"))
        pipe = _diffusers.StableDiffusionXLPipeline(**parts, add_watermarker=False)
    else:
        pipe = _diffusers.StableDiffusionPipeline(
            **parts, safety_checker=None, feature_extractor=None, requires_safety_checker=False
        )
    for part in (pipe.unet, pipe.vae, pipe.text_encoder, getattr(pipe, "text_encoder_2", None)):
        if part is not None:
            part.eval().requires_grad_(False)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def _unet(family: str) -> Any:
    common = {
        "sample_size": 64,
        "in_channels": 4,
        "out_channels": 4,
        "layers_per_block": 2,
        "block_out_channels": (32, 64, 64),
    }
    if family == "sd":
        return _diffusers.UNet2DConditionModel(
            **common,
            down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
            cross_attention_dim=64,
            attention_head_dim=8,
        )
    return _diffusers.UNet2DConditionModel(
        **common,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        transformer_layers_per_block=(1, 1, 2),
        cross_attention_dim=160,
        attention_head_dim=(1, 1, 1),
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=96 + 6 * 8,
    )


def _vae(family: str) -> Any:
    return _diffusers.AutoencoderKL(
        block_out_channels=(32, 32, 32, 32),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        latent_channels=4,
        scaling_factor=0.13025 if family == "sdxl" else 0.18215,
        force_upcast=family == "sdxl",
    )


def _text(width: int, act: str) -> Any:
    return _transformers.CLIPTextConfig(
        vocab_size=WORDS,
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=3,
        num_attention_heads=1,
        max_position_embeddings=77,
        projection_dim=width,
        hidden_act=act,
        bos_token_id=BEGIN,
        eos_token_id=WORDS - 1,
        pad_token_id=1,
    )


def save_single(pipe: Any, file: Path, *, vae: bool = True, marks: tuple[str, ...] = ()) -> Path:
    """The pipeline as one file in the original layout; `marks` are keys that hold no weights."""
    family = "sdxl" if hasattr(pipe, "text_encoder_2") else "sd"
    tensors = {f"model.diffusion_model.{k}": v for k, v in _unet_back(pipe.unet).items()}
    if vae:
        tensors |= {f"first_stage_model.{k}": v for k, v in vae_back(pipe.vae).items()}
    clip = {"sd": "cond_stage_model.transformer.", "sdxl": "conditioner.embedders.0.transformer."}
    own = pipe.text_encoder.state_dict()
    wrapped = {name if name.startswith("text_model.") else f"text_model.{name}" for name in own}
    tensors |= {clip[family] + name: own.get(name, own.get(name[11:])) for name in wrapped}
    tensors[f"{clip[family]}text_model.embeddings.position_ids"] = torch.arange(77)[None]
    if family == "sdxl":
        back = _open_clip_back(pipe.text_encoder_2)
        tensors |= {f"conditioner.embedders.1.model.{k}": v for k, v in back.items()}
    tensors |= {mark: torch.zeros(0) for mark in marks}
    save_file({name: value.clone().contiguous() for name, value in tensors.items()}, str(file))
    return file


def _unet_back(unet: Any) -> Tensors:
    names = {
        "time_embedding.linear_1": "time_embed.0",
        "time_embedding.linear_2": "time_embed.2",
        "add_embedding.linear_1": "label_emb.0.0",
        "add_embedding.linear_2": "label_emb.0.2",
        "conv_in": "input_blocks.0.0",
        "conv_norm_out": "out.0",
        "conv_out": "out.2",
        "mid_block.resnets.0": "middle_block.0",
        "mid_block.attentions.0": "middle_block.1",
        "mid_block.resnets.1": "middle_block.2",
    }
    layers, levels = unet.config.layers_per_block, len(unet.config.block_out_channels)
    for level in range(levels):
        for layer in range(layers):
            place = f"input_blocks.{level * (layers + 1) + layer + 1}"
            names[f"down_blocks.{level}.resnets.{layer}"] = f"{place}.0"
            names[f"down_blocks.{level}.attentions.{layer}"] = f"{place}.1"
        down = f"input_blocks.{(level + 1) * (layers + 1)}.0.op"
        names[f"down_blocks.{level}.downsamplers.0.conv"] = down
        attends = hasattr(unet.up_blocks[level], "attentions")
        for layer in range(layers + 1):
            place = f"output_blocks.{level * (layers + 1) + layer}"
            names[f"up_blocks.{level}.resnets.{layer}"] = f"{place}.0"
            names[f"up_blocks.{level}.attentions.{layer}"] = f"{place}.1"
        up = f"output_blocks.{level * (layers + 1) + layers}.{2 if attends else 1}.conv"
        names[f"up_blocks.{level}.upsamplers.0.conv"] = up
    inside = {
        "norm1.": "in_layers.0.",
        "conv1.": "in_layers.2.",
        "time_emb_proj.": "emb_layers.1.",
        "norm2.": "out_layers.0.",
        "conv2.": "out_layers.3.",
        "conv_shortcut.": "skip_connection.",
    }
    return _renamed(unet.state_dict(), names, inside, only="resnets")


def vae_back(vae: Any) -> Tensors:
    """A VAE's tensors by their original names."""
    names = {
        "encoder.conv_norm_out": "encoder.norm_out",
        "decoder.conv_norm_out": "decoder.norm_out",
    }
    levels = len(vae.config.block_out_channels)
    for side in ("encoder", "decoder"):
        names[f"{side}.mid_block.attentions.0"] = f"{side}.mid.attn_1"
        for n in range(2):
            names[f"{side}.mid_block.resnets.{n}"] = f"{side}.mid.block_{n + 1}"
    for level in range(levels):
        up = levels - 1 - level
        for layer in range(vae.config.layers_per_block + 1):
            names[f"encoder.down_blocks.{level}.resnets.{layer}"] = (
                f"encoder.down.{level}.block.{layer}"
            )
            names[f"decoder.up_blocks.{level}.resnets.{layer}"] = f"decoder.up.{up}.block.{layer}"
        names[f"encoder.down_blocks.{level}.downsamplers.0"] = f"encoder.down.{level}.downsample"
        names[f"decoder.up_blocks.{level}.upsamplers.0"] = f"decoder.up.{up}.upsample"
    inside = {
        "conv_shortcut.": "nin_shortcut.",
        "group_norm.": "norm.",
        "to_q.": "q.",
        "to_k.": "k.",
        "to_v.": "v.",
        "to_out.0.": "proj_out.",
    }
    found = _renamed(vae.state_dict(), names, inside, only="")
    for name, value in found.items():
        if ".attn_1." in name and value.ndim == 2:
            found[name] = value[:, :, None, None]
    return found


def _renamed(tensors: Tensors, names: dict[str, str], inside: dict[str, str], only: str) -> Tensors:
    found = {}
    for name, value in tensors.items():
        place = next((old for old in names if name.startswith(f"{old}.")), None)
        new = names[place] + name.removeprefix(place) if place is not None else name
        if only in name:
            for old, other in inside.items():
                new = new.replace(f".{old}", f".{other}")
        found[new] = value
    return found


def _open_clip_back(encoder: Any) -> Tensors:
    own = {name.removeprefix("text_model."): v for name, v in encoder.state_dict().items()}
    found = {
        "token_embedding.weight": own["embeddings.token_embedding.weight"],
        "positional_embedding": own["embeddings.position_embedding.weight"],
        "ln_final.weight": own["final_layer_norm.weight"],
        "ln_final.bias": own["final_layer_norm.bias"],
        "text_projection": own["text_projection.weight"].T,
        "logit_scale": torch.tensor(4.6),
    }
    for layer in range(encoder.config.num_hidden_layers):
        old, new = f"encoder.layers.{layer}", f"transformer.resblocks.{layer}"
        for kind in ("weight", "bias"):
            parts = [own[f"{old}.self_attn.{part}_proj.{kind}"] for part in "qkv"]
            found[f"{new}.attn.in_proj_{kind}"] = torch.cat(parts)
            for theirs, ours in (
                ("self_attn.out_proj", "attn.out_proj"),
                ("layer_norm1", "ln_1"),
                ("layer_norm2", "ln_2"),
                ("mlp.fc1", "mlp.c_fc"),
                ("mlp.fc2", "mlp.c_proj"),
            ):
                found[f"{new}.{ours}.{kind}"] = own[f"{old}.{theirs}.{kind}"]
    return found
