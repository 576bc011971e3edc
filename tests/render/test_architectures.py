"""SD 1.5 and SDXL, as a folder and as one file, draw what bare diffusers draws of those weights.

Bit for bit, on the CPU: with long prompts, `BREAK`, CLIP skip, v-prediction and zero terminal SNR.
"""

import multiprocessing
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from msgspec.structs import replace
from PIL import Image
from safetensors.torch import save_file

from pipeline.core.resolved import Region, Resolved, Task
from pipeline.core.samplers import Sampler, Schedule
from pipeline.model import Told, check, describe
from pipeline.modelfiles import ModelFiles
from pipeline.pool import WorkerPool
from pipeline.render import model, reading, schedulers
from pipeline.render.paint import Painter
from pipeline.render.text import encode
from pipeline.weights import ModelError
from tests.render import original
from tests.render.bare import laid_out
from tests.render.conftest import Pool

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # diffusers of numpy 2
CPU = torch.device("cpu")
FAMILIES = ("sd", "sdxl")
LONG = ", ".join(f"1girl, red hair {n}, (rain:1.2)" for n in range(20))
ASKED = Resolved(
    prompt="1girl, red hair, night city",
    negative="lowres, bad hands",
    width=64,
    height=96,
    steps=3,
    guidance=5.0,
    sampler="euler",
    schedule="normal",
    model="",
)
SAMPLERS: list[tuple[Sampler, Schedule]] = [
    ("dpmpp_2m", "karras"),
    ("euler_ancestral", "sgm_uniform"),
    ("lcm", "normal"),
]


class Case:
    """One architecture: bare diffusers, and both layouts of the same weights."""

    def __init__(self, family: str, folder: Path) -> None:
        self.family = family
        self.bare = original.build(folder / "words", family)
        self.folder = folder / "diffusers"
        self.bare.save_pretrained(str(self.folder), safe_serialization=True)
        self.file = original.save_single(self.bare, folder / f"{family}.safetensors")
        laid_out(self.bare)
        config = self.bare.scheduler.config.items()
        self.scheduler = {key: value for key, value in config if key[0] != "_"}

    def drawn(self, asked: Resolved, **given: Any) -> bytes:
        """By diffusers alone, from the words or from embeddings that are `given`."""
        config = self.scheduler | {"timestep_spacing": "linspace"}
        self.bare.scheduler = schedulers.build(config, asked.sampler, asked.schedule, asked.steps)
        texts = given or {"prompt": asked.prompt, "negative_prompt": asked.negative}
        image = self.bare(
            **texts,
            width=asked.width,
            height=asked.height,
            num_inference_steps=asked.steps,
            guidance_scale=asked.guidance,
            generator=torch.Generator("cpu").manual_seed(3),
        ).images[0]
        return bytes(image.tobytes())


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module", params=FAMILIES)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    return Case(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def attached(case: Case) -> Any:
    """The single file as a worker has it."""
    return _attached(model.load(case.file, CPU))


def _attached(loaded: model.Loaded) -> Any:
    ours, theirs = multiprocessing.Pipe()
    giving = threading.Thread(target=loaded.send, args=(ours,))
    giving.start()
    pipe = model.attach(model.fetch(theirs))
    giving.join()
    ours.close()
    theirs.close()
    return pipe


def _paint(pipe: Any, asked: Resolved) -> bytes:
    own = pipe.scheduler
    image = Painter(pipe, CPU).paint(asked, 3, lambda _: None, lambda _step, _steps: None)
    pipe.scheduler = own
    return image.tobytes()


@pytest.mark.parametrize(("sampler", "schedule"), SAMPLERS)
def test_one_file_draws_what_bare_diffusers_draws(
    sampler: Sampler, schedule: Schedule, case: Case, attached: Any
) -> None:
    asked = replace(ASKED, sampler=sampler, schedule=schedule)
    assert _paint(attached, asked) == case.drawn(asked)


def test_a_folder_draws_the_same(case: Case) -> None:
    pipe = _attached(model.load(case.folder, CPU))
    pipe.scheduler.register_to_config(timestep_spacing="linspace")
    assert _paint(pipe, ASKED) == case.drawn(ASKED)


def test_guidance_of_one_draws_what_bare_diffusers_draws(case: Case, attached: Any) -> None:
    """As few-step models want it."""
    asked = replace(ASKED, guidance=1.0, sampler="euler", schedule="sgm_uniform", steps=2)
    assert _paint(attached, asked) == case.drawn(asked)


def test_every_weight_is_where_diffusers_has_it(case: Case, attached: Any) -> None:
    for part in ("unet", "vae", "text_encoder", "text_encoder_2"):
        if hasattr(case.bare, part):
            theirs = getattr(case.bare, part)
            mine = dict(getattr(attached, part).named_parameters())
            assert {name: tuple(w.shape) for name, w in theirs.named_parameters()} == {
                name: tuple(w.shape) for name, w in mine.items()
            }
            assert all(torch.equal(w, mine[name]) for name, w in theirs.named_parameters())


def test_a_long_prompt_is_that_of_its_pieces(case: Case, attached: Any) -> None:
    """Each piece as diffusers has it by itself; the pooled text is that of the first."""
    words = [("girl", "hair", "rain", "city", "night")[n % 5] for n in range(100)]
    said = attached.tokenizer(" ".join(words), add_special_tokens=False).input_ids
    assert len(said) == len(words)  # so that a piece of 75 tokens is one of 75 words
    found, opposite = encode(attached, " ".join(words), "bad", guided=True)
    assert opposite is not None
    assert found.states.shape[1] == opposite.states.shape[1] == 2 * 77
    for number in range(2):
        piece = " ".join(words[75 * number : 75 * (number + 1)])
        expected = _bare_states(attached, case.family, piece)
        assert torch.equal(found.states[:, 77 * number : 77 * (number + 1)], expected[0])
        if number == 0 and case.family == "sdxl":
            assert found.pooled is not None
            assert torch.equal(found.pooled, expected[1])


def test_a_long_weighted_prompt_reaches_the_picture(case: Case, attached: Any) -> None:
    """Bare diffusers, given the same embeddings, draws the same; the tail is not lost."""
    asked = replace(ASKED, prompt=f"{LONG}, watercolor")
    positive, negative = encode(attached, asked.prompt, asked.negative, guided=True)
    assert negative is not None
    given: dict[str, Any] = {
        "prompt_embeds": positive.states,
        "negative_prompt_embeds": negative.states,
    }
    if positive.pooled is not None:
        given |= {"pooled_prompt_embeds": positive.pooled}
        given |= {"negative_pooled_prompt_embeds": negative.pooled}
    drawn = _paint(attached, asked)
    assert drawn == case.drawn(asked, **given)
    assert drawn != _paint(attached, replace(asked, prompt=f"{LONG}, oil painting"))


def test_break_begins_a_new_piece(case: Case, attached: Any) -> None:
    both, _ = encode(attached, "red hair, BREAK, (blue eyes:1.3)", "", guided=False)
    first, second = (
        _bare_states(attached, case.family, "red hair")[0],
        _bare_states(attached, case.family, "")[0],
    )
    assert both.states.shape[1] == 2 * 77
    assert torch.equal(both.states[:, :77], first)
    assert not torch.equal(both.states[:, 77:], second)
    alone, _ = encode(attached, "(blue eyes:1.3)", "", guided=False)
    assert torch.equal(both.states[:, 77:], alone.states)


@pytest.mark.parametrize("skip", [2, 3])
def test_clip_skip_is_that_of_bare_diffusers(skip: int, case: Case, attached: Any) -> None:
    """Which counts one less for SD 1.5 and two less for SDXL; the negative is read as deep."""
    found, opposite = encode(attached, "red hair", "bad", guided=True, clip_skip=skip)
    assert opposite is not None
    theirs = skip - 1 if case.family == "sd" else (skip - 2 or None)
    assert torch.equal(found.states, _bare_states(attached, case.family, "red hair", theirs)[0])
    assert torch.equal(opposite.states, _bare_states(attached, case.family, "bad", theirs)[0])
    asked = replace(ASKED, clip_skip=skip)
    same = case.family == "sdxl" and skip == 2
    assert (_paint(attached, asked) == _paint(attached, ASKED)) is same
    with pytest.raises(ValueError, match="has only 3 layers"):
        encode(attached, "red hair", "", guided=False, clip_skip=4)


def _bare_states(
    pipe: Any, family: str, prompt: str, clip_skip: int | None = None
) -> tuple[Any, Any]:
    """What diffusers makes of a prompt; its way to skip layers of SD 1.5's encoder asks for a
    `text_model`, which transformers 5.6 took away, and is gone here step by step."""
    if family == "sd" and clip_skip is not None:
        ids = pipe.tokenizer(
            prompt, padding="max_length", max_length=77, return_tensors="pt"
        ).input_ids
        said = pipe.text_encoder(ids, output_hidden_states=True)
        return pipe.text_encoder.final_layer_norm(said.hidden_states[-(clip_skip + 1)]), None
    found = pipe.encode_prompt(
        prompt=prompt, device=CPU, num_images_per_prompt=1, do_classifier_free_guidance=False,
        clip_skip=clip_skip,
    )  # fmt: skip
    return found[0], found[2] if family == "sdxl" else None


def test_regions_have_texts_of_their_own(case: Case, attached: Any) -> None:
    """Of two regions the left half does not hang on the right one's prompt, more than a little."""
    left = Region(prompt="red hair", left=0, top=0, right=0.5, bottom=1, feather=0)
    right = Region(prompt="blue hair", left=0.5, top=0, right=1, bottom=1, feather=0)
    both = replace(ASKED, regions=(left, right))
    assert _paint(attached, both) != _paint(attached, ASKED)
    whole = Region(prompt=ASKED.prompt, left=0, top=0, right=1, bottom=1, feather=0)
    one = replace(ASKED, regions=(whole,))
    assert _near(_paint(attached, one), _paint(attached, ASKED)) <= 1


def _near(one: bytes, other: bytes) -> int:
    return max(abs(a - b) for a, b in zip(one, other, strict=True))


def test_v_prediction_is_read_from_the_file_or_told(case: Case, tmp_path: Path) -> None:
    marks = ("v_pred", "ztsnr")
    file = original.save_single(case.bare, tmp_path / "v.safetensors", marks=marks)
    told = Told(prediction="v_prediction", zero_snr="yes")
    by_file, by_word = (
        _attached(model.load(file, CPU)),
        _attached(model.load(case.file, CPU, told)),
    )
    asked = replace(ASKED, schedule="sgm_uniform")
    own = dict(case.scheduler)
    case.scheduler |= {"prediction_type": "v_prediction", "rescale_betas_zero_snr": True}
    expected = case.drawn(asked)
    case.scheduler = own
    assert _paint(by_file, asked) == expected
    assert _paint(by_word, asked) == expected
    assert expected != case.drawn(asked)
    plain = describe(case.file).sha256
    assert plain != describe(case.file, None, told).sha256


@pytest.mark.parametrize("layout", ["original", "diffusers"])
def test_a_file_without_a_vae_takes_the_one_beside_it(
    layout: str, case: Case, tmp_path: Path
) -> None:
    file = original.save_single(case.bare, tmp_path / "bare.safetensors", vae=False)
    with pytest.raises(ModelError, match="holds no VAE"):
        model.load(file, CPU)
    beside = tmp_path / "vae.safetensors"
    own = case.bare.vae.state_dict()
    tensors = original.vae_back(case.bare.vae) if layout == "original" else own
    save_file({name: value.clone().contiguous() for name, value in tensors.items()}, str(beside))
    pipe = _attached(model.load(file, CPU, Told(vae=beside)))
    assert _paint(pipe, ASKED) == case.drawn(ASKED)
    folder = _attached(model.load(case.folder, CPU, Told(vae=beside)))
    assert all(torch.equal(w, folder.vae.state_dict()[name]) for name, w in own.items())


def test_a_file_that_lacks_weights_inside_is_refused(case: Case, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    tensors = load_file(str(case.file))
    del tensors["model.diffusion_model.input_blocks.1.0.in_layers.2.weight"]
    save_file(tensors, str(tmp_path / "less.safetensors"))
    with pytest.raises(
        ModelError, match=r"lacks 1 weights, such as .*conv1\.weight|cannot be loaded"
    ):
        model.load(tmp_path / "less.safetensors", CPU)


def test_a_vae_wider_than_the_unet_is_not_converted(case: Case) -> None:
    """As SDXL's on a GPU; bf16 stands in for the half precision that a CPU has not."""
    told = Told()
    kind = check(case.file, told)
    for source in (case.file, case.folder):
        half = reading.read(source, kind, told, torch.float16)
        assert half.unet.dtype == half.text_encoder.dtype == torch.float16
        assert half.vae.dtype == (torch.float32 if case.family == "sdxl" else torch.float16)
    pipe = reading.read(case.file, kind, told, torch.bfloat16)
    pipe.register_modules(vae=reading.read(case.file, kind, told, torch.float32).vae)
    shared = _attached(model.Loaded(pipe, CPU))
    before = [(w.data_ptr(), w.dtype) for w in shared.vae.parameters()]
    assert len(_paint(shared, ASKED)) == ASKED.width * ASKED.height * 3
    assert [(w.data_ptr(), w.dtype) for w in shared.vae.parameters()] == before


@pytest.mark.slow
@pytest.mark.process
def test_workers_draw_with_one_file_and_what_is_told_of_it(case: Case, tmp_path: Path) -> None:
    """From the keeper's command line to the picture beside its manifest.

    A process that has made no model of its own reads the layers that are asked for.
    """
    if case.family == "sdxl":
        pytest.skip("a step at 1024x1024 takes minutes on a busy CPU")
    told = Told(prediction="v_prediction", zero_snr="yes")
    described = describe(case.file, None, told)
    asked = replace(ASKED, schedule="sgm_uniform", clip_skip=2, model=described.sha256)

    def make(wake: Callable[[], None]) -> WorkerPool:
        return WorkerPool(
            tmp_path, ModelFiles(path=case.file, told=told, sha256=described.sha256), workers=1,
            device="cpu", threads=1, wake=wake,
        )  # fmt: skip

    pool = Pool(tmp_path, make)
    try:
        owed = Task(job="a", take=1, index=1, seed=3, resolved=asked, digest="d", file="a.01.png")
        painted = pool.draw(owed)
    finally:
        pool.pool.stop(5.0)
    pipe = _attached(model.load(case.file, CPU, told))
    with Image.open(tmp_path / painted.file) as image:
        assert image.convert("RGB").tobytes() == _paint(pipe, asked)
        assert f"Model hash: {described.sha256[:10]}" in str(image.info["parameters"])
        assert "Clip skip: 2" in str(image.info["parameters"])
