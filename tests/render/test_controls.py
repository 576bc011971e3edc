"""A ControlNet is told by its header, goes with a model of its own build, and is kept while there
is room."""

from pathlib import Path
from typing import Any

import pytest
import torch
from msgspec.structs import replace
from safetensors.torch import save_file

from pipeline.adapters import Adapters, bodies
from pipeline.core.resolved import Steering
from pipeline.pictures import sha256_of
from pipeline.render.controls import Controls
from pipeline.render.decoding import CannotUse
from tests.render import guides, original

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # diffusers of numpy 2
MODELS = ("sd", "sdxl")


@pytest.fixture(scope="module")
def pipes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Both architectures, and where each is saved."""
    folder = tmp_path_factory.mktemp("models")
    found = {}
    for family in MODELS:
        found[family] = original.build(folder / f"{family}-words", family)
        found[family].save_pretrained(str(folder / family), safe_serialization=True)
        found[f"{family} folder"] = folder / family
    return found


def saved(pipe: Any, root: Path, file: str = "net.safetensors", seed: int = 1) -> Steering:
    net = guides.control(pipe.unet, seed)
    return guides.steering(net, root, file, guides.picture(root, "p.png"))


@pytest.mark.parametrize("family", MODELS)
def test_a_header_says_with_which_model_it_goes(
    family: str, pipes: dict[str, Any], tmp_path: Path
) -> None:
    known = Adapters(bodies({each: pipes[f"{each} folder"] for each in MODELS}))
    saved(pipes[family], tmp_path)
    found = known.describe(tmp_path / "net.safetensors")
    assert found is not None
    assert found.control
    assert found.why_no_control(family) == ""
    other = "sdxl" if family == "sd" else "sd"
    assert found.why_no_control(other).startswith("it is made for a model of another build")
    assert found.why_not(family) == (
        "it is no LoRA but a ControlNet; name it in control, with a picture"
    )


class _Encoder:
    """A UNet with the weights of a ControlNet as far as it has them."""

    def __init__(self, net: Any, unet: Any) -> None:
        own = {name: each for name, each in net.state_dict().items() if "controlnet_" not in name}
        self._tensors = {**unet.state_dict(), **own}
        self.config, self.up_blocks = unet.config, unet.up_blocks

    def state_dict(self) -> dict[str, torch.Tensor]:
        return self._tensors


def first_layout(net: Any, unet: Any) -> dict[str, torch.Tensor]:
    """A ControlNet's tensors as the first ones were called."""
    found = {
        name: each for name, each in original._unet_back(_Encoder(net, unet)).items()
        if not name.startswith(("output_blocks", "out."))
    }  # fmt: skip
    for name, each in net.state_dict().items():
        part, _, rest = name.partition(".")
        number, _, last = rest.partition(".")
        match part:
            case "controlnet_down_blocks":
                found[f"zero_convs.{number}.0.{last}"] = each
            case "controlnet_mid_block":
                found[f"middle_block_out.0.{rest}"] = each
            case "controlnet_cond_embedding":
                layer, _, last = rest.rpartition(".")
                places = {"conv_in": 0, "conv_out": 14}
                place = places[layer] if layer in places else 2 + 2 * int(layer.split(".")[1])
                found[f"input_hint_block.{place}.{last}"] = each
            case _:
                pass
    return {f"control_model.{name}": each.contiguous() for name, each in found.items()}


def test_the_first_layout_is_read_as_diffusers_own(pipes: dict[str, Any], tmp_path: Path) -> None:
    pipe, asked = pipes["sd"], saved(pipes["sd"], tmp_path)
    net = guides.control(pipe.unet, widths=(16, 32, 96, 256))
    path = tmp_path / "first.safetensors"
    save_file(first_layout(net, pipe.unet), str(path))
    known = Adapters(bodies({each: pipes[f"{each} folder"] for each in MODELS}))
    found = known.describe(path)
    assert found is not None
    assert (found.control, found.why_no_control("sd")) == (True, "")
    assert found.why_no_control("sdxl")
    asked = replace(asked, file=path.name, sha256=sha256_of(path))
    (mine,) = Controls(pipe).take([asked], tmp_path)
    theirs = net.state_dict()
    assert mine.state_dict().keys() == theirs.keys()
    assert all(torch.equal(value, theirs[name]) for name, value in mine.state_dict().items())


def test_one_is_loaded_once_and_those_used_longest_ago_go_first(
    pipes: dict[str, Any], tmp_path: Path
) -> None:
    asked = [saved(pipes["sd"], tmp_path, f"{seed}.safetensors", seed) for seed in range(3)]
    first = Controls(pipes["sd"])
    (net,) = first.take(asked[:1], tmp_path)
    (tmp_path / asked[0].file).unlink()
    assert first.take(asked[:1], tmp_path) == [net]
    saved(pipes["sd"], tmp_path, "0.safetensors", 0)
    size = sum(each.nbytes for each in net.parameters())
    narrow = Controls(pipes["sd"], most=int(size * 1.5))
    for each in asked:
        narrow.take([each], tmp_path)
        assert narrow.kept == (each.sha256,)
    assert len(narrow.take(asked, tmp_path)) == 3
    assert len(narrow.kept) == 3


def test_one_that_was_exchanged_is_refused(pipes: dict[str, Any], tmp_path: Path) -> None:
    asked = saved(pipes["sd"], tmp_path)
    saved(pipes["sd"], tmp_path, seed=5)
    with pytest.raises(CannotUse, match=r"the ControlNet net\.safetensors is another one than"):
        Controls(pipes["sd"]).take([asked], tmp_path)
    with pytest.raises(CannotUse, match="is outside the inbox"):
        Controls(pipes["sd"]).take([replace(asked, file="../net.safetensors")], tmp_path)


def test_one_without_all_its_weights_is_refused(pipes: dict[str, Any], tmp_path: Path) -> None:
    net = guides.control(pipes["sd"].unet)
    tensors = {k: v for k, v in net.state_dict().items() if k != "mid_block.resnets.0.conv1.bias"}
    net.state_dict = lambda: tensors
    asked = guides.steering(net, tmp_path, "net.safetensors", guides.picture(tmp_path, "p.png"))
    with pytest.raises(CannotUse, match=r"it lacks 1 weights, such as mid_block\.resnets\.0"):
        Controls(pipes["sd"]).take([asked], tmp_path)
