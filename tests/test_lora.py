"""Each layout's names lead to the model's own layers, and what does not fit is said by name."""

from collections.abc import Mapping

import pytest

from pipeline.lora import Misfit, Unreadable, layers_of, match
from tests.safetensors import ATTENTION, SMALL, Shape, body, kohya_pair, pair

TO_Q = f"{ATTENTION}.attn1.to_q"
FLAT = ATTENTION.replace(".", "_")


def modules(tensors: Mapping[str, Shape]) -> list[str]:
    return [f"{one.layer.part}:{one.module}" for one in match(layers_of(tensors, {}), body())]


def test_pefts_layout_names_the_layers_as_the_model_does() -> None:
    text = "text_encoder.text_model.encoder.layers.0.self_attn.q_proj"
    assert modules({**pair(f"unet.{TO_Q}", 32, 32), **pair(text, 768, 768)}) == [
        f"unet:{TO_Q}",
        "text_encoder:encoder.layers.0.self_attn.q_proj",
    ]


@pytest.mark.parametrize(
    "name",
    [
        f"unet.{ATTENTION}.attn1.processor.to_q_lora.{{}}.weight",
        f"unet.{TO_Q}.lora.{{}}.weight",
        f"base_model.model.{TO_Q}.lora_{{}}.weight",
        f"base_model.model.unet.{TO_Q}.lora_{{}}.default.weight",
    ],
)
def test_older_spellings_of_pefts_layout_are_known(name: str) -> None:
    down, up = ("A", "B") if "lora_{}" in name else ("down", "up")
    assert modules({name.format(down): (4, 32), name.format(up): (32, 4)}) == [f"unet:{TO_Q}"]


def test_an_older_name_of_the_output_is_known() -> None:
    name = f"unet.{ATTENTION}.attn1.processor.to_out_lora"
    tensors = {f"{name}.down.weight": (4, 32), f"{name}.up.weight": (32, 4)}
    assert modules(tensors) == [f"unet:{ATTENTION}.attn1.to_out.0"]


@pytest.mark.parametrize(
    ("name", "size_in", "module"),
    [
        (f"{FLAT}_attn1_to_q", (32,), TO_Q),
        (f"{FLAT}_attn1_to_out_0", (32,), f"{ATTENTION}.attn1.to_out.0"),
        ("input_blocks_4_1_transformer_blocks_0_attn1_to_q", (32,), TO_Q),
        ("down_blocks_1_attentions_0_proj_in", (32, 1, 1), "down_blocks.1.attentions.0.proj_in"),
        ("down_blocks_1_attentions_0_proj_in", (32,), "down_blocks.1.attentions.0.proj_in"),
        ("input_blocks_4_0_in_layers_2", (32, 3, 3), "down_blocks.1.resnets.0.conv1"),
        ("middle_block_2_out_layers_3", (32, 3, 3), "mid_block.resnets.1.conv2"),
        ("output_blocks_2_2_conv", (32, 3, 3), "up_blocks.0.upsamplers.0.conv"),
        ("input_blocks_0_0", (4, 3, 3), "conv_in"),
    ],
)
def test_kohyas_layout_leads_to_the_layers_under_either_name(
    name: str, size_in: Shape, module: str
) -> None:
    assert modules(kohya_pair(f"lora_unet_{name}", size_in, 32)) == [f"unet:{module}"]


def test_kohyas_text_encoders_are_the_first_and_the_second() -> None:
    name = "text_model_encoder_layers_0_self_attn_q_proj"
    for kind in ("te", "te1"):
        found = modules(kohya_pair(f"lora_{kind}_{name}", (768,), 768))
        assert found == ["text_encoder:encoder.layers.0.self_attn.q_proj"]
    with pytest.raises(Misfit, match=r"no text_encoder_2\.text_model_encoder"):
        modules(kohya_pair(f"lora_te2_{name}", (1280,), 1280))


def test_an_alpha_is_a_tensor_or_stands_in_the_metadata_or_is_the_rank() -> None:
    (kohya,) = layers_of(kohya_pair("lora_unet_conv_in", (4, 3, 3), 32), {})
    assert kohya.alpha == "lora_unet_conv_in.alpha"
    said = {"lora_adapter_metadata": '{"unet.r": 4, "unet.lora_alpha": 8}'}
    (peft,) = layers_of(pair(f"unet.{TO_Q}", 32, 32), said)
    assert (peft.alpha, peft.said) == (None, 8.0)
    (bare,) = layers_of(pair(f"unet.{TO_Q}", 32, 32), {"lora_adapter_metadata": "{"})
    assert (bare.alpha, bare.said, bare.rank) == (None, None, 4)


def test_one_for_another_architecture_is_called_by_its_name() -> None:
    sdxl = kohya_pair(f"lora_unet_{FLAT}_attn2_to_k", (2048,), 32)
    with pytest.raises(Misfit) as caught:
        match(layers_of(sdxl, {}), body())
    assert str(caught.value) == (
        f"it is made for SDXL, and the model is SD 1.5: its {ATTENTION}.attn2.to_k takes 2048 "
        "values and gives 32, and the model's 768 and 32"
    )


def test_one_with_layers_that_the_model_has_not_is_told_which() -> None:
    strange = pair("unet.down_blocks.7.attentions.0.proj_in", 32, 32)
    with pytest.raises(Misfit, match=r"no down_blocks\.7\.attentions\.0\.proj_in \(1 layers"):
        match(layers_of(strange, {}), body())


@pytest.mark.parametrize(
    ("tensors", "why"),
    [
        ({"lora_unet_conv_in.hada_w1_a": (4, 4)}, "a LoHa"),
        ({"lora_unet_conv_in.lokr_w1": (4, 4)}, "a LoKr"),
        ({"lora_unet_conv_in.dora_scale": (4, 1)}, "a DoRA"),
        ({f"unet.{TO_Q}.lora_magnitude_vector.weight": (32,)}, "a DoRA"),
        ({"lora_unet_conv_in.lora_mid.weight": (4, 4, 3, 3)}, "a LoCon in Tucker's form"),
        (kohya_pair("lora_unet_double_blocks_0_img_attn_qkv", (32,), 96), "made for Flux"),
        (pair("transformer.transformer_blocks.0.attn.to_q", 32, 32), "made for SD 3 or Flux"),
        (SMALL["unet"], "no LoRA: it has conv_in.weight"),
        ({"emb_params": (4, 768)}, "a textual inversion"),
        ({"image_proj.proj.weight": (8, 8)}, "an IP-Adapter"),
        ({f"unet.{TO_Q}.lora_A.weight": (4, 32)}, "only one half"),
        ({f"unet.{TO_Q}.lora_A.weight": (4, 32), f"unet.{TO_Q}.lora_B.weight": (32, 8)},
         "do not go together"),
        ({}, "nothing in it"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_with_any_model_is_refused_with_the_reason(
    tensors: dict[str, Shape], why: str
) -> None:
    with pytest.raises(Unreadable, match=why):
        layers_of(tensors, {})


def test_a_dora_is_told_by_its_metadata_too() -> None:
    said = {"lora_adapter_metadata": '{"unet.use_dora": true}'}
    with pytest.raises(Unreadable, match="a DoRA"):
        layers_of(pair(f"unet.{TO_Q}", 32, 32), said)
