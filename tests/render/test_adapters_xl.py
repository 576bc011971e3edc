"""LoRAs for SDXL: two text encoders, and the names that Stability's own code gives the layers."""

import re
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline.core.resolved import Adapter
from pipeline.pictures import sha256_of
from pipeline.render.adapters import CannotWear, Wardrobe
from tests.render import loras, tiny

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # diffusers of numpy 2

ROUNDING = 1e-5
"""Of the largest value; 1.3e-6 of it was seen."""


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """As many threads as a worker has: their number decides rounding."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def pipe(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return tiny.xl(tmp_path_factory.mktemp("words"))


def sgm(name: str) -> str:
    """A layer of the UNet as Stability's own code calls it."""
    if found := re.fullmatch(r"down_blocks\.(\d)\.attentions\.(\d)\.(.+)", name):
        return f"input_blocks.{1 + 3 * int(found[1]) + int(found[2])}.1.{found[3]}"
    if found := re.fullmatch(r"up_blocks\.(\d)\.attentions\.(\d)\.(.+)", name):
        return f"output_blocks.{3 * int(found[1]) + int(found[2])}.1.{found[3]}"
    return name.replace("mid_block.attentions.0", "middle_block.1")


def latents(pipe: Any) -> torch.Tensor:
    with torch.inference_mode():
        found: torch.Tensor = pipe(
            "girl, red hair", width=64, height=64, num_inference_steps=2, output_type="latent",
            generator=torch.Generator().manual_seed(1),
        ).images  # fmt: skip
    return found


@pytest.mark.parametrize("kind", ["peft", "kohya", "kohya, Stability's names"])
def test_a_lora_for_both_encoders_draws_what_bare_diffusers_draws(
    kind: str, pipe: Any, tmp_path: Path
) -> None:
    attention = loras.layers(pipe.unet, loras.LAYERS)
    if kind.endswith("names"):
        attention = {sgm(name): weight for name, weight in attention.items()}
    parts = {
        "unet": attention,
        "text_encoder": loras.layers(pipe.text_encoder, loras.TEXT),
        "text_encoder_2": loras.layers(pipe.text_encoder_2, loras.TEXT),
    }
    write = loras.peft if kind == "peft" else loras.kohya
    path = write(tmp_path / "xl.safetensors", parts)
    bare, mine = deepcopy(pipe), deepcopy(pipe)
    plain = latents(mine)
    bare.load_lora_weights(str(path), adapter_name="a", use_safetensors=True)
    bare.set_adapters(["a"], [0.6])
    wardrobe = Wardrobe(mine)
    wardrobe.wear((Adapter(file=path.name, sha256=sha256_of(path), weight=0.6),), tmp_path)
    drawn, wanted = latents(mine), latents(bare)
    largest = float(wanted.abs().max())
    # Weights of two copies lie at other addresses, and kernels round by how they are aligned.
    assert float((drawn - wanted).abs().max()) < ROUNDING * largest
    assert float((drawn - plain).abs().max()) > 1000 * ROUNDING * largest
    wardrobe.wear((), tmp_path)
    assert torch.equal(latents(mine), plain)


def test_one_for_a_smaller_model_is_refused(pipe: Any, tmp_path: Path) -> None:
    layer = "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k"
    path = loras.kohya(tmp_path / "sd15.safetensors", {"unet": {layer: torch.zeros(32, 768)}})
    wardrobe = Wardrobe(deepcopy(pipe))
    with pytest.raises(CannotWear, match=r"sd15\.safetensors cannot be used: it is made for SD 1"):
        wardrobe.wear((Adapter(file=path.name, sha256=sha256_of(path)),), tmp_path)
    assert wardrobe.kept == {}
