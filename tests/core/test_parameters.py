"""What we write into `parameters` is read back, and what other tools write there is understood."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.parameters import (
    LONGEST,
    LONGEST_LINE,
    SAMPLERS,
    SCHEDULES,
    Parameters,
    parse,
    write,
)
from pipeline.core.resolved import Resolved
from pipeline.core.samplers import Sampler, Schedule
from tests.growth import keeps_to_its_size

_text = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=80)
_lines = st.lists(_text, max_size=3).map("\n".join)


def _plain(text: str) -> str:
    """The text as its convention can carry it: without the spaces around its lines."""
    return "\n".join(line.strip() for line in text.strip().split("\n")).strip()


@st.composite
def _resolved(draw: st.DrawFn) -> Resolved:
    prompts = st.builds(_plain, _lines).filter(lambda text: "Negative prompt:" not in text)
    sampler: Sampler = draw(st.sampled_from(sorted(SAMPLERS)))
    schedule: Schedule = draw(st.sampled_from(sorted(SCHEDULES)))
    return Resolved(
        prompt=draw(prompts),
        negative=draw(prompts),
        width=draw(st.integers(8, 512)) * 8,
        height=draw(st.integers(8, 512)) * 8,
        steps=draw(st.integers(1, 150)),
        guidance=draw(st.integers(0, 300)) / 10,
        sampler=sampler,
        schedule=schedule,
        model=draw(st.text("0123456789abcdef", min_size=64, max_size=64)),
    )


@given(_resolved(), st.integers(0, 2**53 - 1), _text.map(str.strip))
def test_what_we_write_is_read_back(resolved: Resolved, seed: int, model: str) -> None:
    said = parse(write(resolved, seed, model))
    assert (said.prompt, said.negative) == (resolved.prompt, resolved.negative)
    expected = {
        "Steps": str(resolved.steps),
        "Sampler": SAMPLERS[resolved.sampler],
        "Schedule type": SCHEDULES[resolved.schedule],
        "CFG scale": f"{resolved.guidance:g}",
        "Seed": str(seed),
        "Size": f"{resolved.width}x{resolved.height}",
        "Model hash": resolved.model[:10],
        "Model": model,
    }
    assert said.values == {key: value for key, value in expected.items() if value}


@given(st.text(max_size=2000))
def test_no_text_is_too_odd(text: str) -> None:
    assert isinstance(parse(text), Parameters)


def _said(prompt: str, negative: str = "", **values: str) -> Parameters:
    return Parameters(
        prompt=prompt,
        negative=negative,
        values={key.replace("_", " "): value for key, value in values.items()},
    )


OTHERS = {
    "A1111 1.10": (
        "masterpiece, 1girl, (red hair:1.2)\nNegative prompt: lowres, bad hands\n"
        "Steps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7, Seed: 1234, "
        "Size: 512x768, Model hash: 6ce0161689, Model: v1-5-pruned-emaonly, Version: v1.10.1",
        _said(
            "masterpiece, 1girl, (red hair:1.2)", "lowres, bad hands", Steps="20",
            Sampler="DPM++ 2M", Schedule_type="Karras", CFG_scale="7", Seed="1234",
            Size="512x768", Model_hash="6ce0161689", Model="v1-5-pruned-emaonly",
            Version="v1.10.1",
        ),
    ),
    "without a negative": (
        "a cat\nSteps: 20, Sampler: Euler a, CFG scale: 7",
        _said("a cat", Steps="20", Sampler="Euler a", CFG_scale="7"),
    ),
    "prompts of several lines": (
        "a cat,\n sleeping\nNegative prompt: dog,\nbird\nSteps: 1, Sampler: Euler, Seed: 2",
        _said("a cat,\nsleeping", "dog,\nbird", Steps="1", Sampler="Euler", Seed="2"),
    ),
    "Hires, LoRA and ADetailer": (
        "1girl <lora:style:0.8>\nSteps: 28, Sampler: DPM++ 2M Karras, Seed: 3, "
        'ADetailer model: face_yolov8n.pt, ADetailer prompt: "smile, \\"wide\\" eyes", '
        'Hires upscale: 2, Hires upscaler: R-ESRGAN 4x+ Anime6B, Lora hashes: "style: abc, b: d"',
        _said(
            "1girl <lora:style:0.8>", Steps="28", Sampler="DPM++ 2M Karras", Seed="3",
            ADetailer_model="face_yolov8n.pt", ADetailer_prompt='smile, "wide" eyes',
            Hires_upscale="2", Hires_upscaler="R-ESRGAN 4x+ Anime6B",
            Lora_hashes="style: abc, b: d",
        ),
    ),
    "a quoted value of several lines, as Forge writes them": (
        'cat\nSteps: 4, Seed: 1, ADetailer prompt: "a\\nb: c", Version: f2.0.1v1.10.1',
        _said("cat", Steps="4", Seed="1", ADetailer_prompt="a\nb: c", Version="f2.0.1v1.10.1"),
    ),
    "JSON among the values, as Civitai writes it": (
        'cat\nSteps: 4, Seed: 1, Hashes: {"model": "ab", "lora:x": "cd"}, Size: 8x8, '
        'Civitai resources: [{"type":"lora","weight":0.8}], Civitai metadata: {}',
        _said(
            "cat", Steps="4", Seed="1", Hashes='{"model": "ab", "lora:x": "cd"}', Size="8x8",
            Civitai_resources='[{"type":"lora","weight":0.8}]', Civitai_metadata="{}",
        ),
    ),
    "Japanese": (
        "夜の街, 少女\nNegative prompt: 低品質\nSteps: 20, Sampler: Euler a, Seed: 5, Model: 東京",
        _said("夜の街, 少女", "低品質", Steps="20", Sampler="Euler a", Seed="5", Model="東京"),
    ),
    "lines that end as Windows ends them": (
        "a cat\r\nNegative prompt: dog\r\nSteps: 20, Seed: 1, Size: 64x64\r\n",
        _said("a cat", "dog", Steps="20", Seed="1", Size="64x64"),
    ),
    "no values: a last line of two pairs is part of the prompt": (
        "title: a cat, mood: calm",
        _said("title: a cat, mood: calm"),
    ),
    "only values": (
        "Steps: 20, Sampler: Euler, Seed: 1",
        _said("", Steps="20", Sampler="Euler", Seed="1"),
    ),
    "a quote that never ends": (
        'cat\nSteps: 4, Seed: 1, Model: "half, Size: 8x8',
        _said("cat", Steps="4", Seed="1", Model='"half', Size="8x8"),
    ),
    "nothing": ("", _said("")),
}  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
def test_what_other_tools_write_is_understood(name: str) -> None:
    text, said = OTHERS[name]
    assert parse(text) == said


@pytest.mark.parametrize("piece", ["a", "k: [", 'k: "', 'k: {"a": ', "::,"])
def test_no_text_takes_more_than_its_size(piece: str) -> None:
    keeps_to_its_size(parse, piece, LONGEST_LINE)


def test_a_text_that_is_too_long_is_refused() -> None:
    with pytest.raises(ValueError, match="are the most"):
        parse("x" * (LONGEST + 1))
    with pytest.raises(ValueError, match="last line"):
        parse("a: b, " * 20_000)
