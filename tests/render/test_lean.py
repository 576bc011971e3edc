"""A picture that does not fit is drawn once more with less memory, and the model is as before."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from msgspec.structs import replace
from PIL import Image, ImageChops, ImageStat

from pipeline import inscription
from pipeline.core.resolved import Region, Resolved
from pipeline.render import lean
from pipeline.render.paint import Painter
from pipeline.wire import Done, Fault
from tests.render.answering import answers
from tests.render.conftest import RESOLVED, task

CPU = torch.device("cpu")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # diffusers of numpy 2


def large() -> Any:
    """A decoder of the kind that big models have, with random weights."""
    diffusers_: Any = diffusers
    torch.manual_seed(3)
    return diffusers_.AutoencoderKL(
        block_out_channels=(8, 8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        norm_num_groups=4,
        sample_size=1024,
    ).eval()


def draw(pipe: Any, inputs: Resolved = RESOLVED, *, less: bool = False) -> Image.Image:
    return Painter(pipe, CPU).paint(inputs, 3, lambda _: None, lambda _step, _of: None, lean=less)


def difference(one: Image.Image, other: Image.Image) -> float:
    """Mean over the channels, in grey levels."""
    mean = ImageStat.Stat(ImageChops.difference(one, other)).mean
    return sum(mean) / len(mean)


@pytest.mark.parametrize("vae", ["small", "large"])
def test_it_shows_the_same_and_leaves_all_as_it_was(vae: str, pipe: Any) -> None:
    if vae == "large":
        pipe.vae = large()
    inputs = replace(RESOLVED, width=576, height=384, steps=2)
    own, names = pipe.unet.attn_processors, ("tile_sample_min_size", "tile_latent_min_size")
    sizes = [getattr(pipe.vae, name) for name in names]
    before = draw(pipe, inputs)
    less = draw(pipe, inputs, less=True)
    assert 0 < difference(before, less) < 12
    assert draw(pipe, inputs).tobytes() == before.tobytes()
    assert draw(pipe, inputs, less=True).tobytes() == less.tobytes()
    assert pipe.unet.attn_processors == own
    assert (pipe.vae.use_tiling, pipe.vae.use_slicing) == (False, False)
    assert [getattr(pipe.vae, name) for name in names] == sizes


def test_what_is_held_at_once_is_less(pipe: Any) -> None:
    pipe.vae = large()
    inputs = replace(RESOLVED, width=512, height=512, steps=1)
    largest, kinds = 0, set[str]()

    def seen(_: Any, __: Any, out: Any) -> None:
        nonlocal largest
        largest = max(largest, out.numel())

    def attending(unet: Any, *_: Any) -> None:
        kinds.update(type(one).__name__ for one in unet.attn_processors.values())

    for module in pipe.vae.decoder.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(seen)
    pipe.unet.register_forward_pre_hook(attending)
    draw(pipe, inputs)
    whole, largest = largest, 0
    assert "SlicedAttnProcessor" not in kinds
    kinds.clear()
    draw(pipe, inputs, less=True)
    assert kinds == {"SlicedAttnProcessor"}
    assert largest * 4 == whole


def test_regions_are_drawn_so_too(pipe: Any) -> None:
    half = Region(prompt="boy, blue hair", left=0, top=0, right=0.5, bottom=1)
    inputs = replace(RESOLVED, regions=(half,))
    assert difference(draw(pipe, inputs), draw(pipe, inputs, less=True)) < 12
    assert difference(draw(pipe), draw(pipe, inputs)) > 0


def test_a_model_whose_parts_cannot_is_left_as_it_is() -> None:
    class Part:
        pass

    class Pipe:
        unet, vae, vae_scale_factor = Part(), Part(), 8

    with lean.applied(Pipe(), 512, 512):
        assert vars(Pipe.vae) == {}


def by_torch() -> None:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")


def by_the_kernel() -> None:
    torch.empty(1 << 50, dtype=torch.uint8)


@pytest.mark.parametrize("shortage", [by_torch, by_the_kernel])
def test_a_worker_ends_when_memory_runs_out_and_the_next_draws_with_less(
    shortage: Callable[[], None], pipe: Any, tmp_path: Path
) -> None:
    def narrow(*_: object) -> None:
        """As if there was just not enough for a picture drawn as usual."""
        if not pipe.vae.use_tiling:
            shortage()

    usual = draw(pipe)
    hook = pipe.unet.register_forward_pre_hook(narrow)
    (fault,) = answers(pipe, tmp_path, task("large"), task("next"))
    assert isinstance(fault, Fault)
    assert (fault.task, fault.kind, fault.ends) == (task("large").id, "out_of_memory", True)
    assert "emory" in fault.error
    assert list(tmp_path.iterdir()) == []
    wanted = replace(task("large", seed=3), lean=True)
    (done,) = answers(pipe, tmp_path, wanted)
    hook.remove()
    assert isinstance(done, Done)
    assert done.made.lean
    record = inscription.record_of(tmp_path / done.file)
    assert record is not None
    assert record.made == done.made
    with Image.open(tmp_path / done.file) as image:
        assert difference(image, usual) < 12


def test_with_nothing_less_to_give_it_is_a_shortage_again(pipe: Any, tmp_path: Path) -> None:
    pipe.unet.register_forward_pre_hook(lambda *_: by_torch())
    (fault,) = answers(pipe, tmp_path, replace(task("large"), lean=True))
    assert isinstance(fault, Fault)
    assert (fault.kind, fault.ends) == ("out_of_memory", True)
    assert not pipe.vae.use_tiling


def test_any_other_failure_leaves_the_worker_at_work(pipe: Any, tmp_path: Path) -> None:
    fault, done = answers(pipe, tmp_path, task("crooked", width=65), task("straight"))
    assert isinstance(fault, Fault)
    assert (fault.kind, fault.ends) == ("error", False)
    assert isinstance(done, Done)
    assert not done.made.lean
