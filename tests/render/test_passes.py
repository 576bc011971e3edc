"""Over a picture, within a mask, in a second pass and with ControlNets a picture has the pixels of
bare diffusers, for SD 1.5 and SDXL and over samplers and schedules; its steps are counted truly."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from msgspec.structs import replace
from PIL import Image

from pipeline.core.resolved import Picture, Refined, Region, Resolved, Source
from pipeline.core.samplers import SCHEDULES, Sampler, Schedule
from pipeline.model import NOTHING_TOLD, check
from pipeline.render import model, reading
from pipeline.render.decoding import CannotUse
from pipeline.render.paint import Painter
from tests.render import guides, original
from tests.render.guides import SEED
from tests.render.test_architectures import ASKED, Case, _attached

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # diffusers of numpy 2
CPU = torch.device("cpu")
SIZE = (ASKED.width, ASKED.height)
STEPS = 5
SOME: list[tuple[Sampler, Schedule]] = [
    ("dpmpp_2m", "karras"),
    ("euler_ancestral", "normal"),
    ("heun", "exponential"),
    ("dpmpp_2m_sde", "beta"),
    ("lcm", "normal"),
]
EVERY = list(dict.fromkeys([*((sampler, able[0]) for sampler, able in SCHEDULES.items()), *SOME]))


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module", params=("sd", "sdxl"))
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    return Case(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def attached(case: Case) -> Any:
    """The model as a worker has it, its weights mapped and not to be written."""
    return _attached(model.load(case.file, CPU))


@pytest.fixture
def painter(attached: Any) -> Iterator[Painter]:
    own = attached.scheduler
    yield Painter(attached, CPU)
    attached.scheduler = own


def paint(
    painter: Painter, asked: Resolved, root: Path
) -> tuple[Image.Image, list[tuple[int, int]]]:
    """A picture, and the steps that were told."""
    told: list[tuple[int, int]] = []
    image = painter.paint(
        asked, SEED, lambda _: None, lambda *step: told.append(step),
        guides=painter.gather(asked, root),
    )  # fmt: skip
    return image, told


def opened(root: Path, of: Picture) -> Image.Image:
    with Image.open(root / of.file) as image:
        image.load()
    return image


def counted(steps: list[int]) -> list[tuple[int, int]]:
    return [(step + 1, len(steps)) for step in range(len(steps))]


@pytest.mark.parametrize(("sampler", "schedule"), EVERY)
def test_over_a_picture(
    sampler: Sampler, schedule: Schedule, case: Case, painter: Painter, tmp_path: Path
) -> None:
    source = guides.picture(tmp_path, "sketch.png")
    asked = replace(
        ASKED, sampler=sampler, schedule=schedule, steps=STEPS,
        source=Source(picture=source, strength=0.5),
    )  # fmt: skip
    image, told = paint(painter, asked, tmp_path)
    bare, steps = guides.drawn(
        case.bare, "Img2Img", asked, image=opened(tmp_path, source), strength=0.5
    )
    assert image.tobytes() == bare.tobytes()
    assert told == counted(steps)
    assert len(steps) < STEPS * 2


@pytest.mark.parametrize(("sampler", "schedule"), SOME[:3])
@pytest.mark.parametrize("strength", [0.6, 1.0])
def test_within_a_mask(
    sampler: Sampler, schedule: Schedule, strength: float, case: Case, painter: Painter,
    tmp_path: Path,
) -> None:  # fmt: skip
    source, mask = guides.picture(tmp_path, "sketch.png"), guides.mask(tmp_path, "mask.png")
    asked = replace(
        ASKED, sampler=sampler, schedule=schedule, steps=STEPS,
        source=Source(picture=source, strength=strength, mask=mask),
    )  # fmt: skip
    image, told = paint(painter, asked, tmp_path)
    bare, steps = guides.drawn(
        case.bare, "Inpaint", asked, image=opened(tmp_path, source),
        mask_image=opened(tmp_path, mask), strength=strength, width=SIZE[0], height=SIZE[1],
    )  # fmt: skip
    assert image.tobytes() == bare.tobytes()
    assert told == counted(steps)


@pytest.mark.parametrize(("sampler", "schedule"), SOME)
def test_a_second_pass_goes_on_with_the_noise_of_the_first(
    sampler: Sampler, schedule: Schedule, case: Case, painter: Painter, tmp_path: Path
) -> None:
    asked = replace(
        ASKED, sampler=sampler, schedule=schedule, steps=STEPS,
        refine=Refined(width=96, height=144, strength=0.5, steps=4),
    )  # fmt: skip
    image, told = paint(painter, asked, tmp_path)
    noise = torch.Generator("cpu").manual_seed(SEED)
    first, before = guides.drawn(
        case.bare, "", asked, width=SIZE[0], height=SIZE[1], generator=noise
    )
    bare, after = guides.drawn(
        case.bare, "Img2Img", asked, image=first.resize((96, 144), Image.Resampling.LANCZOS),
        strength=0.5, generator=noise, num_inference_steps=4, steps=4,
    )  # fmt: skip
    assert image.size == asked.size == (96, 144)
    assert image.tobytes() == bare.tobytes()
    assert told == counted(before + after)


@pytest.mark.parametrize("way", ["ControlNet", "ControlNetImg2Img", "ControlNetInpaint"])
@pytest.mark.parametrize(("sampler", "schedule"), SOME[1:3])
def test_with_a_controlnet(
    way: str, sampler: Sampler, schedule: Schedule, case: Case, painter: Painter, tmp_path: Path
) -> None:
    source, bones = (
        guides.picture(tmp_path, "sketch.png"),
        guides.picture(tmp_path, "p.png", seed=5),
    )
    mask, net = guides.mask(tmp_path, "mask.png"), guides.control(case.bare.unet)
    steering = guides.steering(net, tmp_path, "pose.safetensors", bones, weight=0.8, end=0.7)
    asked = replace(ASKED, sampler=sampler, schedule=schedule, steps=STEPS, controls=(steering,))
    named: dict[str, Any] = {"image": opened(tmp_path, bones)}
    if way != "ControlNet":
        named = {"image": opened(tmp_path, source), "control_image": opened(tmp_path, bones)}
        asked = replace(asked, source=Source(picture=source, strength=0.6))
        named["strength"] = 0.6
    if way == "ControlNetInpaint":
        asked = replace(asked, source=Source(picture=source, strength=0.6, mask=mask))
        named["mask_image"] = opened(tmp_path, mask)
    image, told = paint(painter, asked, tmp_path)
    bare, steps = guides.drawn(
        case.bare, way, asked, net=net, width=SIZE[0], height=SIZE[1],
        controlnet_conditioning_scale=0.8, control_guidance_end=0.7, **named,
    )  # fmt: skip
    assert image.tobytes() == bare.tobytes()
    assert told == counted(steps)
    plain, _ = paint(painter, replace(asked, controls=()), tmp_path)
    assert plain.tobytes() != image.tobytes()


def test_with_two_controlnets(case: Case, painter: Painter, tmp_path: Path) -> None:
    first, second = guides.control(case.bare.unet), guides.control(case.bare.unet, seed=2)
    one, two = guides.picture(tmp_path, "1.png"), guides.picture(tmp_path, "2.png", seed=9)
    asked = replace(
        ASKED,
        controls=(
            guides.steering(first, tmp_path, "a.safetensors", one),
            guides.steering(second, tmp_path, "b.safetensors", two, weight=0.5, start=0.3),
        ),
    )
    image, _ = paint(painter, asked, tmp_path)
    bare, _ = guides.drawn(
        case.bare, "ControlNet", asked, net=[first, second], width=SIZE[0], height=SIZE[1],
        image=[opened(tmp_path, one), opened(tmp_path, two)],
        controlnet_conditioning_scale=[1.0, 0.5], control_guidance_start=[0.0, 0.3],
        control_guidance_end=[1.0, 1.0],
    )  # fmt: skip
    assert image.tobytes() == bare.tobytes()


def test_a_second_pass_is_steered_too(case: Case, painter: Painter, tmp_path: Path) -> None:
    net, bones = guides.control(case.bare.unet), guides.picture(tmp_path, "p.png", (96, 144))
    asked = replace(
        ASKED, refine=Refined(width=96, height=144, strength=0.5, steps=4),
        controls=(guides.steering(net, tmp_path, "a.safetensors", bones),),
    )  # fmt: skip
    image, _ = paint(painter, asked, tmp_path)
    noise = torch.Generator("cpu").manual_seed(SEED)
    small = opened(tmp_path, bones).resize(SIZE, Image.Resampling.LANCZOS)
    first, _ = guides.drawn(
        case.bare, "ControlNet", asked, net=net, image=small, width=SIZE[0], height=SIZE[1],
        generator=noise, controlnet_conditioning_scale=1.0,
    )  # fmt: skip
    bare, _ = guides.drawn(
        case.bare, "ControlNetImg2Img", asked, net=net, strength=0.5, generator=noise,
        image=first.resize((96, 144), Image.Resampling.LANCZOS),
        control_image=opened(tmp_path, bones), width=96, height=144, num_inference_steps=4, steps=4,
        controlnet_conditioning_scale=1.0,
    )  # fmt: skip
    assert image.tobytes() == bare.tobytes()


def test_regions_are_steered_by_what_the_base_is(
    case: Case, painter: Painter, tmp_path: Path
) -> None:
    """A region of the whole picture with the base's own prompt is no region."""
    bones = guides.picture(tmp_path, "p.png")
    steering = guides.steering(guides.control(case.bare.unet), tmp_path, "a.safetensors", bones)
    asked = replace(ASKED, controls=(steering,))
    plain, _ = paint(painter, asked, tmp_path)
    whole = Region(prompt=ASKED.prompt, left=0, top=0, right=1, bottom=1, feather=0)
    same, _ = paint(painter, replace(asked, regions=(whole,)), tmp_path)
    assert same.tobytes() == plain.tobytes()
    half = Region(prompt="1boy, sea", left=0, top=0, right=0.5, bottom=1)
    other, _ = paint(painter, replace(asked, regions=(half,)), tmp_path)
    assert other.tobytes() != plain.tobytes()


def test_nothing_of_one_picture_is_left_for_the_next(
    case: Case, painter: Painter, tmp_path: Path
) -> None:
    before, _ = paint(painter, ASKED, tmp_path)
    source, mask = guides.picture(tmp_path, "s.png"), guides.mask(tmp_path, "m.png")
    net = guides.control(case.bare.unet)
    asked = replace(
        ASKED, steps=STEPS, source=Source(picture=source, strength=0.5, mask=mask),
        controls=(guides.steering(net, tmp_path, "a.safetensors", source),),
    )  # fmt: skip
    paint(painter, asked, tmp_path)
    again, _ = paint(painter, ASKED, tmp_path)
    assert again.tobytes() == before.tobytes()


def test_previews_change_no_pixel(case: Case, painter: Painter, tmp_path: Path) -> None:
    asked = replace(
        ASKED, steps=STEPS, source=Source(picture=guides.picture(tmp_path, "s.png"), strength=0.9),
        refine=Refined(width=96, height=144, strength=0.6, steps=5),
    )  # fmt: skip
    plain, _ = paint(painter, asked, tmp_path)
    seen: list[bytes] = []
    watched = painter.paint(
        asked, SEED, lambda _: None, lambda *_: None, guides=painter.gather(asked, tmp_path),
        previews=1, emerged=seen.append,
    )  # fmt: skip
    assert watched.tobytes() == plain.tobytes()
    assert len(seen) == 4 + 3 - 1


def test_a_vae_wider_than_the_unet_is_not_converted(case: Case, tmp_path: Path) -> None:
    """As SDXL's on a GPU, where diffusers would convert it to encode a picture."""
    kind = check(case.file, NOTHING_TOLD)
    pipe = reading.read(case.file, kind, NOTHING_TOLD, torch.bfloat16)
    if case.family == "sdxl":
        pipe.register_modules(vae=reading.read(case.file, kind, NOTHING_TOLD, torch.float32).vae)
    shared = _attached(model.Loaded(pipe, CPU))
    before = [(w.data_ptr(), w.dtype) for w in shared.vae.parameters()]
    config = dict(shared.vae.config)
    source, mask = guides.picture(tmp_path, "s.png"), guides.mask(tmp_path, "m.png")
    painter = Painter(shared, CPU)
    for masked in (None, mask):
        asked = replace(ASKED, source=Source(picture=source, strength=0.9, mask=masked))
        assert paint(painter, asked, tmp_path)[0].size == SIZE
    assert [(w.data_ptr(), w.dtype) for w in shared.vae.parameters()] == before
    assert (dict(shared.vae.config), "encode" in vars(shared.vae)) == (config, False)


def test_a_picture_that_changed_meanwhile_is_not_drawn_from(
    painter: Painter, tmp_path: Path
) -> None:
    source = guides.picture(tmp_path, "sketch.png")
    asked = replace(ASKED, source=Source(picture=source, strength=0.5))
    guides.picture(tmp_path, "sketch.png", seed=1)
    with pytest.raises(CannotUse, match=r"sketch\.png is another one than when the job was read"):
        painter.gather(asked, tmp_path)
    (tmp_path / "sketch.png").unlink()
    with pytest.raises(CannotUse, match=r"sketch\.png cannot be read: No such file"):
        painter.gather(asked, tmp_path)


@pytest.mark.parametrize("file", ["../sketch.png", "/etc/sketch.png", "away/sketch.png"])
def test_nothing_outside_the_inbox_is_read(file: str, painter: Painter, tmp_path: Path) -> None:
    root = tmp_path / "inbox"
    root.mkdir()
    source = guides.picture(tmp_path, "sketch.png")
    (root / "away").symlink_to(tmp_path)
    asked = replace(ASKED, source=Source(picture=replace(source, file=file), strength=0.5))
    with pytest.raises(CannotUse, match="is outside the inbox"):
        painter.gather(asked, root)


def test_controlnets_of_another_build_are_refused_by_name(
    case: Case, painter: Painter, tmp_path: Path
) -> None:
    other = original.build(tmp_path / "words", "sdxl" if case.family == "sd" else "sd")
    bones = guides.picture(tmp_path, "p.png")
    steering = guides.steering(guides.control(other.unet), tmp_path, "nets/x.safetensors", bones)
    with pytest.raises(CannotUse, match=r"nets/x\.safetensors does not go with the model: it"):
        painter.gather(replace(ASKED, controls=(steering,)), tmp_path)
