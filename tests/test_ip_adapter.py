"""IP-Adapters and image encoders are told by their headers: what each is for, or what is wrong."""

import hashlib
import json
from pathlib import Path

import pytest

from pipeline.adapters import Adapters, attentions
from pipeline.chibi import __file__ as chibi
from pipeline.core.ip_adapters import ImageEncoder, IpAdapter
from pipeline.hashes import Hashes
from pipeline.ip_adapter import attentions_of, layout_of, match
from pipeline.lora import Misfit, Unreadable
from pipeline.model import Told
from pipeline.references import describe
from tests.safetensors import Shape, encoded, kohya_pair, write

MODEL = "ab" * 32
SD = ((320, 768),) * 4 + ((640, 768),) * 4 + ((1280, 768),) * 8
CROSS = ((32, 768), (64, 768), (64, 768))
"""Of a small model: down, up, middle."""
UNET: dict[str, Shape] = {
    "mid_block.attentions.0.transformer_blocks.0.attn2.to_k.weight": (64, 768),
    "up_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight": (64, 768),
    "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_k.weight": (32, 32),
    "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight": (32, 768),
}
CONFIG = {"architectures": ["CLIPVisionModelWithProjection"], "hidden_size": 1280}
ENCODER: dict[str, Shape] = {"visual_projection.weight": (1024, 1280)}


def layers(cross: tuple[Shape, ...] = CROSS) -> dict[str, Shape]:
    return {
        f"ip_adapter.{2 * number + 1}.to_{side}_ip.weight": shape
        for number, shape in enumerate(cross)
        for side in "kv"
    }


def plain(cross: tuple[Shape, ...] = CROSS) -> dict[str, Shape]:
    text = cross[0][1]
    return {
        "image_proj.proj.weight": (4 * text, 1024), "image_proj.proj.bias": (4 * text,),
        "image_proj.norm.weight": (text,), "image_proj.norm.bias": (text,), **layers(cross),
    }  # fmt: skip


PLUS: dict[str, Shape] = {
    "image_proj.latents": (1, 16, 768), "image_proj.proj_in.weight": (768, 1280),
    "image_proj.proj_out.weight": (768, 768), "image_proj.norm_out.weight": (768,), **layers(),
}  # fmt: skip
FULL: dict[str, Shape] = {
    "image_proj.proj.0.weight": (1280, 1280), "image_proj.proj.2.weight": (768, 1280),
    "image_proj.proj.3.weight": (768,), **layers(),
}  # fmt: skip
FACES: dict[str, Shape] = {
    "image_proj.proj.0.weight": (1024, 512), "image_proj.norm.weight": (768,), **layers(),
}  # fmt: skip


@pytest.mark.parametrize(
    ("header", "width", "deep"), [(plain(), 1024, False), (PLUS, 1280, True), (FULL, 1280, True)]
)
def test_three_layouts_are_known(header: dict[str, Shape], width: int, deep: bool) -> None:
    found = layout_of(header)
    assert (found.width, found.deep, found.text, found.layers) == (width, deep, 768, CROSS)
    match(found, CROSS)


@pytest.mark.parametrize(
    ("header", "why"),
    [
        (FACES, "for faces"),
        ({**PLUS, "ip_adapter.0.to_q_lora.down.weight": (4, 4)}, "for faces"),
        (kohya_pair("lora_unet_x", (768,), 32), "no IP-Adapter: it has lora_unet_x"),
        ({**PLUS, "ip_adapter.1.to_q_ip.weight": (4, 4)}, "no IP-Adapter known here has"),
        ({name: s for name, s in plain().items() if "3.to_v" not in name}, "lacks some of its"),
        ({**plain(), "ip_adapter.7.to_k_ip.weight": (64, 768)}, "lacks some of its layers"),
        ({**plain(), "image_proj.norm.weight": (7,)}, "of a kind that is not known"),
        ({**layers()}, "of a kind that is not known"),
        ({**PLUS, "image_proj.proj_out.weight": (32, 768)}, "do not go with its image_proj"),
    ],
)
def test_what_cannot_be_used_is_told(header: dict[str, Shape], why: str) -> None:
    with pytest.raises(Unreadable, match=why):
        layout_of(header)


def test_the_order_of_a_models_attentions_is_down_up_middle() -> None:
    assert attentions_of(UNET) == CROSS
    checkpoint = {
        "model.diffusion_model.middle_block.1.transformer_blocks.0.attn2.to_k.weight": (3, 768),
        "model.diffusion_model.output_blocks.10.1.transformer_blocks.0.attn2.to_k.weight": (
            2,
            768,
        ),
        "model.diffusion_model.output_blocks.9.1.transformer_blocks.0.attn2.to_k.weight": (1, 768),
        "model.diffusion_model.input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight": (0, 768),
    }
    assert [hidden for hidden, _ in attentions_of(checkpoint)] == [0, 1, 2, 3]


def test_one_for_another_model_names_both() -> None:
    sdxl = tuple((hidden, 2048) for hidden, _ in CROSS)
    with pytest.raises(Misfit, match=r"^it is made for SDXL, and the model is SD 1\.5$"):
        match(layout_of(plain(sdxl)), CROSS)
    with pytest.raises(Misfit, match="has layers for 3 cross attentions, and the model has 16"):
        match(layout_of(plain()), SD)
    with pytest.raises(Misfit, match="of other widths"):
        match(layout_of(plain()), CROSS[::-1])


def told(tmp_path: Path) -> Told:
    """A model, an adapter for it and an encoder, on the disk."""
    write(tmp_path / "model/unet/x.safetensors", UNET)
    write(tmp_path / "ip.safetensors", plain())
    write(tmp_path / "image_encoder/model.safetensors", ENCODER)
    (tmp_path / "image_encoder/config.json").write_text(json.dumps(CONFIG))
    return Told(ip_adapter=tmp_path / "ip.safetensors", image_encoder=tmp_path / "image_encoder")


def described(tmp_path: Path, said: Told, model: str = "model") -> tuple[IpAdapter, ImageEncoder]:
    found = describe(said, {MODEL: tmp_path / model}, Hashes(None))
    assert found is not None
    assert found.adapter is not None
    assert found.encoder is not None
    return found.adapter, found.encoder


def test_what_the_settings_name_is_described_by_headers_and_content(tmp_path: Path) -> None:
    said = told(tmp_path)
    adapter, encoder = described(tmp_path, said)
    sha256 = hashlib.sha256((tmp_path / "ip.safetensors").read_bytes()).hexdigest()
    assert adapter == IpAdapter(sha256=sha256, width=1024)
    assert (encoder.hidden, encoder.projected, encoder.fault) == (1280, 1024, "")
    assert encoder.why_not(adapter) == ""
    (tmp_path / "image_encoder/config.json").write_text(json.dumps({**CONFIG, "x": 1}))
    assert described(tmp_path, said)[1].sha256 not in ("", encoder.sha256)
    assert describe(Told(), {}) is None
    quick = describe(said, {MODEL: tmp_path / "model"})
    assert quick is not None
    assert quick.adapter is not None
    assert quick.adapter.sha256 == "0" * 64


def test_one_that_does_not_fit_the_model_says_so(tmp_path: Path) -> None:
    said = told(tmp_path)
    write(tmp_path / "xl.safetensors", {f"model.diffusion_model.{n}": (*s[:1], 2048)
                                        for n, s in UNET.items()})  # fmt: skip
    adapter, _ = described(tmp_path, said, "xl.safetensors")
    assert adapter.why_not(MODEL) == "it is made for SD 1.5, and the model is SDXL"
    bundled = Path(chibi).with_name("model")
    assert attentions({MODEL: bundled})[MODEL]
    found = describe(said, {MODEL: bundled})
    assert found is not None
    assert found.adapter is not None
    assert found.adapter.why_not(MODEL).endswith("the model is a model whose text is 192 wide")


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("ip.bin", b"PK", "a pickle, which can run any code, and is not read; take the .safeten"),
        ("ip.safetensors", b"PK\x03\x04", "it is a pickle under another name"),
        ("ip.safetensors", encoded(plain())[:-4], "cut short or damaged; copy or download it"),
        ("gone.safetensors", None, "No such file or directory; check ip_adapter in anime.toml"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_by_name(
    name: str, data: bytes | None, why: str, tmp_path: Path
) -> None:
    said = told(tmp_path)
    if data is not None:
        (tmp_path / name).write_bytes(data)
    file = tmp_path / name
    adapter, _ = described(tmp_path, Told(ip_adapter=file, image_encoder=said.image_encoder))
    assert why in adapter.fault
    assert adapter.sha256 == ""


def test_an_encoder_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    said = told(tmp_path)
    folder = tmp_path / "image_encoder"

    def fault() -> str:
        return described(tmp_path, said)[1].fault

    (folder / "config.json").write_text(json.dumps({"architectures": ["CLIPModel"]}))
    assert fault().startswith("it is a CLIPModel and not a CLIPVisionModelWithProjection; take")
    (folder / "config.json").write_text("{")
    assert fault() == "its config.json is no JSON; copy or download it again"
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "model.safetensors").write_bytes(encoded(ENCODER)[:-4])
    assert fault() == "of model.safetensors: it is cut short or damaged; copy or download it again"
    write(folder / "model.safetensors", {"x": (1,)})
    assert "has no visual_projection" in fault()
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    assert "only pytorch_model.bin, a pickle, which can run any code; download" in fault()
    (folder / "config.json").unlink()
    assert fault().endswith(
        "config.json: No such file or directory; check image_encoder in anime.toml"
    )


def test_one_in_the_inbox_is_an_ip_adapter_and_no_lora(tmp_path: Path) -> None:
    file = write(tmp_path / "plus.safetensors", PLUS)
    found = Adapters(attentions={MODEL: CROSS}).describe(file)
    assert found is not None
    assert (found.sha256, found.fault) == ("", "it is no LoRA but an IP-Adapter")
    assert found.prompting is not None
    assert found.prompting.why_not(MODEL) == ""
    found = Adapters(attentions={MODEL: SD}).describe(file)
    assert found is not None
    assert found.prompting is not None
    assert "of another build" in found.prompting.why_not(MODEL)
