"""Masks share every place out; a picture with regions follows them and leaves no trace."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from PIL import Image, ImageChops

from pipeline.core.resolved import Region, Resolved
from pipeline.core.samplers import SCHEDULES, Sampler
from pipeline.render.paint import Painter
from pipeline.render.regions import applied, shares
from pipeline.render.text import Encoded
from tests.render.bare import load
from tests.render.conftest import RESOLVED

CPU = torch.device("cpu")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # diffusers of numpy 2

LEFT = Region(prompt="red hair, smile", left=0, top=0, right=0.5, bottom=1)
RIGHT = replace(LEFT, prompt="blue hair, rain", left=0.5, right=1.0)
WHOLE = replace(LEFT, right=1.0)
PAIR = replace(RESOLVED, regions=(LEFT, RIGHT))


def hard(**sides: float) -> Region:
    return replace(LEFT, feather=0.0, **sides)


def test_one_mask_for_the_base_and_for_each_region() -> None:
    masks = shares((LEFT, RIGHT), 6, 8)
    assert masks.shape == (3, 6, 8)
    assert masks.dtype == torch.float32


def test_without_a_feather_each_cell_belongs_to_one() -> None:
    masks = shares((hard(right=0.5), hard(left=0.75, right=1.0, top=0.5)), 2, 4)
    assert masks.tolist() == [
        [[0, 0, 1, 1], [0, 0, 1, 0]],
        [[1, 1, 0, 0], [1, 1, 0, 0]],
        [[0, 0, 0, 0], [0, 0, 0, 1]],
    ]


def test_a_soft_edge_lies_on_both_sides_of_a_side_and_only_there() -> None:
    masks = shares((replace(LEFT, feather=0.25), replace(RIGHT, feather=0.25)), 4, 16)
    left, right = masks[1, 0], masks[2, 0]
    assert left[:6].tolist() == [1] * 6
    assert left[10:].tolist() == [0] * 6
    assert bool((left[6:9] > left[7:10]).all())
    assert torch.allclose(left, right.flip(0))
    assert not masks[0].any()


def test_the_border_of_the_picture_is_not_softened() -> None:
    masks = shares((replace(WHOLE, feather=1.0),), 5, 7)
    assert masks[1].eq(1).all()
    assert not masks[0].any()


def test_a_feather_is_as_wide_downwards_as_across() -> None:
    upper = Region(prompt="", left=0, top=0, right=1, bottom=0.5, feather=0.25)
    mask = shares((upper,), 32, 16)[1, :, 0]
    assert mask[:14].tolist() == [1] * 14
    assert 1 > mask[14] > mask[15] > mask[16] > mask[17] > 0
    assert mask[18:].tolist() == [0] * 14


def test_what_regions_leave_is_the_bases() -> None:
    masks = shares((hard(left=0.25, right=0.5), hard(left=0.5, right=0.75)), 4, 8)
    assert masks[0, 0].tolist() == [1, 1, 0, 0, 0, 0, 1, 1]
    light = shares((replace(WHOLE, weight=0.75),), 4, 8)
    assert light[0].eq(0.25).all()


def test_regions_that_overlap_share_by_their_weights() -> None:
    masks = shares((replace(WHOLE, weight=1.0), replace(WHOLE, weight=0.5)), 4, 4)
    assert torch.allclose(masks[:, 0, 0], torch.tensor([0.0, 2 / 3, 1 / 3]))


_PLACES = st.lists(st.integers(0, 20), min_size=2, max_size=2, unique=True).map(sorted)


@st.composite
def _regions(draw: st.DrawFn) -> Region:
    (left, right), (top, bottom) = draw(_PLACES), draw(_PLACES)
    return Region(
        prompt="",
        left=left / 20,
        right=right / 20,
        top=top / 20,
        bottom=bottom / 20,
        feather=draw(st.integers(0, 10)) / 10,
        weight=draw(st.integers(1, 10)) / 10,
    )


@given(
    some=st.lists(_regions(), min_size=1, max_size=5),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
)
def test_every_place_is_shared_out_whole(some: list[Region], height: int, width: int) -> None:
    masks = shares(some, height, width)
    assert masks.shape == (1 + len(some), height, width)
    assert bool(((masks >= 0) & (masks <= 1)).all())
    assert torch.allclose(masks.sum(dim=0), torch.ones(height, width))


@pytest.fixture(scope="module")
def model(tiny_model: Path) -> Iterator[Any]:
    """The tiny model as diffusers has it."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield load(tiny_model)
    torch.set_num_threads(threads)


@pytest.fixture
def pipe(model: Any) -> Iterator[Any]:
    """The same with the model's own scheduler, which a painter starts from."""
    own = model.scheduler
    yield model
    model.scheduler = own


def test_a_picture_without_regions_is_the_same_after_one_with_them(pipe: Any) -> None:
    painter = Painter(pipe, CPU)
    before, weights = paint(painter, RESOLVED), _copied(pipe)
    processors, hooks = dict(pipe.unet.attn_processors), _hooks(pipe.unet)
    assert paint(painter, PAIR) != before
    assert paint(painter, RESOLVED) == before
    assert all(pipe.unet.attn_processors[name] is one for name, one in processors.items())
    assert _hooks(pipe.unet) == hooks
    assert all(torch.equal(now, weights[name]) for name, now in _weights(pipe))


def test_the_same_inputs_and_seed_give_the_same_pixels(pipe: Any) -> None:
    painter = Painter(pipe, CPU)
    once = paint(painter, PAIR)
    paint(painter, replace(PAIR, regions=(RIGHT,)))
    assert paint(painter, PAIR) == once
    assert paint(painter, PAIR, seed=4) != once


def test_a_region_that_is_the_whole_picture_draws_as_its_prompt_alone(pipe: Any) -> None:
    painter = Painter(pipe, CPU)
    alone = paint(painter, replace(RESOLVED, prompt=WHOLE.prompt))
    assert paint(painter, replace(RESOLVED, regions=(WHOLE,))) == alone
    unguided = replace(RESOLVED, guidance=1.0)
    alone = paint(painter, replace(unguided, prompt=WHOLE.prompt))
    assert paint(painter, replace(unguided, regions=(WHOLE,))) == alone


def test_regions_of_one_prompt_draw_what_it_draws(pipe: Any) -> None:
    painter = Painter(pipe, CPU)
    same = tuple(replace(region, prompt=RESOLVED.prompt, weight=0.7) for region in PAIR.regions)
    plain, parts = (_image(painter, replace(RESOLVED, regions=some)) for some in ((), same))
    assert max(_difference(plain, parts).tobytes()) <= 2  # rounding


def test_each_prompt_reaches_its_own_part_first(pipe: Any) -> None:
    painter = Painter(pipe, CPU)
    edged = replace(
        RESOLVED,
        width=192,
        steps=1,
        regions=tuple(replace(r, feather=0.0) for r in PAIR.regions),
    )
    other = replace(edged, regions=(edged.regions[0], replace(edged.regions[1], prompt="bad boy")))
    changed = _difference(_image(painter, edged), _image(painter, other))
    assert changed.crop((144, 0, 192, 64)).getbbox() is not None
    assert changed.crop((0, 0, 48, 64)).getbbox() is None  # the decoder sees 32 pixels around


@pytest.mark.parametrize("sampler", SCHEDULES)
def test_every_sampler_draws_regions(sampler: Sampler, pipe: Any) -> None:
    painter, schedule = Painter(pipe, CPU), SCHEDULES[sampler][0]
    inputs = replace(PAIR, sampler=sampler, schedule=schedule, steps=3)
    plain = paint(painter, replace(inputs, regions=()))
    assert paint(painter, inputs) not in (plain, paint(painter, replace(inputs, guidance=1.0)))


def test_pictures_that_are_not_square_have_regions(pipe: Any) -> None:
    painter = Painter(pipe, CPU)
    for width, height in ((96, 64), (64, 96), (72, 56)):
        assert _image(painter, replace(PAIR, width=width, height=height)).size == (width, height)


@pytest.mark.parametrize("long", ["prompt", "negative", "region"])
def test_a_prompt_of_any_length_goes_with_regions(long: str, pipe: Any) -> None:
    painter, words = Painter(pipe, CPU), "girl red hair " * 30
    inputs, other = (
        replace(PAIR, regions=(LEFT, replace(RIGHT, prompt=text, right=0.9)))
        if long == "region"
        else replace(PAIR, regions=(LEFT, replace(RIGHT, right=0.9)), **{long: text})
        for text in (words, f"{words} smile")
    )
    assert paint(painter, inputs) != paint(painter, other)


def test_ticks_are_those_of_any_picture(pipe: Any) -> None:
    told: list[Any] = []
    Painter(pipe, CPU).paint(
        PAIR, 1, lambda _: told.append("begun"), lambda *step: told.append(step)
    )
    assert told == ["begun", (1, 4), (2, 4), (3, 4), (4, 4)]


def test_what_a_callback_raises_takes_the_regions_along(pipe: Any) -> None:
    painter = Painter(pipe, CPU)
    expected, hooks = paint(painter, RESOLVED), _hooks(pipe.unet)

    def halt(step: int, _: int) -> None:
        if step == 2:
            raise KeyError("enough")

    with pytest.raises(KeyError, match="enough"):
        painter.paint(PAIR, 1, lambda _: None, halt)
    assert _hooks(pipe.unet) == hooks
    assert paint(painter, RESOLVED) == expected


def test_text_that_is_pooled_is_each_prompts_own() -> None:
    unet = _pooled()
    latents, states = torch.randn(1, 4, 8, 8), [torch.randn(1, 5, 32) for _ in range(3)]
    base, first, second = states
    sides = (hard(right=0.5), hard(left=0.5, right=1.0))
    with torch.inference_mode():
        left, right = (
            unet(latents, 5, encoder_hidden_states=own, return_dict=False)[0]
            for own in (first, second)
        )
        with applied(unet, sides, (Encoded(first), Encoded(second))):
            both = unet(latents, 5, encoder_hidden_states=base, return_dict=False)[0]
    assert torch.allclose(both[..., :4], left[..., :4], atol=1e-5)
    assert torch.allclose(both[..., 4:], right[..., 4:], atol=1e-5)


def _pooled() -> Any:
    """A UNet to which the text comes in two ways, as the bundled model's."""
    torch.manual_seed(3)
    kind: Any = diffusers
    return kind.UNet2DConditionModel(
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
        addition_embed_type="text",
        addition_embed_type_num_heads=4,
    ).eval()


def paint(painter: Painter, inputs: Resolved, seed: int = 3) -> bytes:
    return _image(painter, inputs, seed).tobytes()


def _image(painter: Painter, inputs: Resolved, seed: int = 3) -> Image.Image:
    return painter.paint(inputs, seed, lambda _: None, lambda _step, _steps: None)


def _difference(one: Image.Image, other: Image.Image) -> Image.Image:
    return ImageChops.difference(one, other)


def _weights(pipe: Any) -> Iterator[tuple[str, torch.Tensor]]:
    for part in ("unet", "vae", "text_encoder"):
        for name, weight in getattr(pipe, part).state_dict().items():
            yield f"{part}/{name}", weight


def _copied(pipe: Any) -> dict[str, torch.Tensor]:
    return {name: weight.clone() for name, weight in _weights(pipe)}


def _hooks(unet: Any) -> list[Any]:
    return [
        (name, *part._forward_pre_hooks.values(), *part._forward_hooks.values())
        for name, part in unet.named_modules()
    ]
