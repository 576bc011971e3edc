"""LoRAs beside shared weights draw what bare diffusers draws with them, and leave no trace."""

import multiprocessing
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from msgspec.structs import replace
from PIL import Image

from pipeline.core.resolved import Adapter, Resolved
from pipeline.pictures import sha256_of
from pipeline.render import model
from pipeline.render.adapters import CannotWear, Wardrobe
from pipeline.render.paint import Painter
from tests.render import loras
from tests.render.bare import load, pointers, sums
from tests.render.conftest import RESOLVED

CPU = torch.device("cpu")
INPUTS = replace(RESOLVED, steps=2)
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # diffusers of numpy 2
JOBS = 100


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """As many threads as a worker has: their number decides rounding."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def pipe(tiny_model: Path) -> Iterator[Any]:
    """The tiny model as a worker has it: attached, over memory that cannot be written."""
    ours, theirs = multiprocessing.Pipe()
    loaded = model.load(tiny_model, CPU)
    giving = threading.Thread(target=loaded.send, args=(ours,))
    giving.start()
    yield model.attach(model.fetch(theirs))
    giving.join()
    ours.close()
    theirs.close()


@pytest.fixture
def bare(tiny_model: Path) -> Any:
    """The tiny model as diffusers has it, all its own."""
    return load(tiny_model)


@pytest.fixture
def files(tmp_path: Path, bare: Any) -> dict[str, Path]:
    """A LoRA in each layout, with what each may hold."""
    attention = loras.layers(bare.unet, loras.LAYERS)
    words = loras.layers(bare.text_encoder, loras.TEXT)
    convolutions = loras.layers(bare.unet, loras.CONVOLUTIONS)
    return {
        "peft": loras.peft(tmp_path / "peft.safetensors", {"unet": attention}, seed=1),
        "peft with text": loras.peft(
            tmp_path / "words.safetensors", {"unet": attention, "text_encoder": words}, seed=2
        ),
        "kohya": loras.kohya(tmp_path / "kohya.safetensors", {"unet": attention}, seed=3),
        "kohya with text": loras.kohya(
            tmp_path / "te.safetensors", {"unet": attention, "text_encoder": words}, seed=4,
        ),
        "kohya with convolutions": loras.kohya(
            tmp_path / "conv.safetensors", {"unet": attention | convolutions}, seed=5, alpha=1.5,
        ),
    }  # fmt: skip


LAYOUTS = ("peft", "peft with text", "kohya", "kohya with text", "kohya with convolutions")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_lora_draws_what_bare_diffusers_draws_with_it(
    layout: str, pipe: Any, bare: Any, files: dict[str, Path]
) -> None:
    inputs = worn(files[layout], weight=0.7)
    mine = drawn(Painter(pipe, CPU), inputs, files[layout].parent)
    bare.load_lora_weights(str(files[layout]), adapter_name="a", use_safetensors=True)
    bare.set_adapters(["a"], [0.7])
    assert mine == by_bare(bare, INPUTS)
    assert mine != drawn(Painter(pipe, CPU), INPUTS, files[layout].parent)


@pytest.mark.filterwarnings("ignore:Already found a `peft_config`")
def test_several_at_once_are_added_up_with_their_weights(
    pipe: Any, bare: Any, files: dict[str, Path]
) -> None:
    one, other = files["peft with text"], files["kohya"]
    adapters = (worn(one, weight=0.5).adapters[0], worn(other, weight=-0.8).adapters[0])
    mine = drawn(Painter(pipe, CPU), replace(INPUTS, adapters=adapters), one.parent)
    bare.load_lora_weights(str(one), adapter_name="one", use_safetensors=True)
    bare.load_lora_weights(str(other), adapter_name="other", use_safetensors=True)
    bare.set_adapters(["one", "other"], [0.5, -0.8])
    assert mine == by_bare(bare, INPUTS)


@pytest.mark.slow
def test_after_a_hundred_jobs_the_shared_weights_are_those_that_they_were(
    pipe: Any, files: dict[str, Path]
) -> None:
    """By address and by content; and a job without adapters in between is drawn as ever."""
    root = next(iter(files.values())).parent
    painter = Painter(pipe, CPU)
    before, places = sums(pipe), pointers(pipe)
    plain = drawn(painter, INPUTS, root)
    ones = [worn(file, weight=weight) for file in files.values() for weight in (1.0, 0.4)]
    first = [drawn(painter, inputs, root) for inputs in ones]
    for number in range(JOBS - 2 * len(ones) - 10):
        inputs = replace(ones[number % len(ones)], steps=1)
        drawn(painter, inputs, root)
        if number % 7 == 0:
            assert drawn(painter, INPUTS, root) == plain
    assert [drawn(painter, inputs, root) for inputs in ones] == first
    assert drawn(painter, INPUTS, root) == plain
    assert sums(pipe) == before
    assert pointers(pipe) == places


def test_what_is_worn_no_longer_is_kept_up_to_a_bound(pipe: Any, files: dict[str, Path]) -> None:
    root = next(iter(files.values())).parent
    paths = list(files.values())
    adapters = [worn(path).adapters for path in paths]
    size = sum(t.nbytes for t in loras.read(paths[0]).values())
    wardrobe = Wardrobe(pipe, most=4 * size)
    for each in adapters:
        wardrobe.wear(each, root)
        assert sum(wardrobe.kept.values()) <= max(4 * size, wardrobe.kept[each[0].sha256])
    assert list(wardrobe.kept)[-1] == adapters[-1][0].sha256
    assert adapters[0][0].sha256 not in wardrobe.kept
    tiny = Wardrobe(pipe, most=0)
    tiny.wear(adapters[0] + adapters[2], root)
    assert len(tiny.kept) == 2, "what is worn now stays, whatever it takes"
    tiny.wear((), root)
    assert tiny.kept == {}


def test_one_that_was_forgotten_and_comes_back_draws_the_same(
    pipe: Any, files: dict[str, Path]
) -> None:
    root = next(iter(files.values())).parent
    painter = Painter(pipe, CPU)
    painter._wardrobe = Wardrobe(pipe, most=0)
    first = drawn(painter, worn(files["kohya"]), root)
    drawn(painter, worn(files["peft with text"]), root)
    assert drawn(painter, worn(files["kohya"]), root) == first


def test_a_file_that_changed_is_not_worn_and_the_next_picture_is_as_ever(
    pipe: Any, files: dict[str, Path]
) -> None:
    root, inputs = files["peft"].parent, worn(files["peft"])
    painter = Painter(pipe, CPU)
    plain = drawn(painter, INPUTS, root)
    os.replace(files["kohya"], files["peft"])
    with pytest.raises(CannotWear, match=r"peft\.safetensors is another one"):
        painter.wear(inputs.adapters, root)
    files["peft"].unlink()
    with pytest.raises(CannotWear, match=r"peft\.safetensors cannot be read: No such file"):
        painter.wear(inputs.adapters, root)
    assert drawn(painter, INPUTS, root) == plain


def test_nothing_outside_the_inbox_is_read(pipe: Any, files: dict[str, Path]) -> None:
    root = files["peft"].parent / "inbox"
    root.mkdir()
    inputs = worn(files["peft"])
    for name in ("../peft.safetensors", str(files["peft"])):
        with pytest.raises(CannotWear, match="outside the inbox"):
            Wardrobe(pipe).wear((replace(inputs.adapters[0], file=name),), root)
    (root / "link.safetensors").symlink_to(files["peft"])
    with pytest.raises(CannotWear, match="outside the inbox"):
        Wardrobe(pipe).wear((replace(inputs.adapters[0], file="link.safetensors"),), root)


def test_one_that_breaks_while_it_is_put_on_leaves_nothing(
    pipe: Any, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when memory runs out at the second part of the model."""
    root = files["peft with text"].parent
    painter = Painter(pipe, CPU)
    plain = drawn(painter, INPUTS, root)

    def fails(*_: object, **__: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr("pipeline.render.layers.set_peft_model_state_dict", fails)
        with pytest.raises(MemoryError):
            painter.wear(worn(files["peft with text"]).adapters, root)
    assert drawn(painter, INPUTS, root) == plain
    assert drawn(painter, worn(files["peft with text"]), root) != plain


def worn(path: Path, *, weight: float = 1.0) -> Resolved:
    """A picture that is drawn with this LoRA."""
    adapter = Adapter(file=path.name, sha256=sha256_of(path), weight=weight)
    return replace(INPUTS, adapters=(adapter,))


def drawn(painter: Painter, inputs: Resolved, root: Path) -> bytes:
    painter.wear(inputs.adapters, root)
    image = painter.paint(inputs, 7, begun=lambda _: None, stepped=lambda _n, _of: None)
    return image.tobytes()


def by_bare(bare: Any, inputs: Resolved) -> bytes:
    bare.scheduler = diffusers.DPMSolverMultistepScheduler.from_config(
        bare.scheduler.config, use_karras_sigmas=True, algorithm_type="dpmsolver++"
    )
    with torch.inference_mode():
        image: Image.Image = bare(
            inputs.prompt,
            negative_prompt=inputs.negative,
            width=inputs.width,
            height=inputs.height,
            num_inference_steps=inputs.steps,
            guidance_scale=inputs.guidance,
            generator=torch.Generator("cpu").manual_seed(7),
        ).images[0]
    return image.tobytes()
