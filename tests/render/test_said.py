"""What was said of a prompt is not asked again, and a picture is the same for it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from msgspec.structs import replace

from pipeline.core.resolved import Adapter, Region, Resolved
from pipeline.pictures import sha256_of
from pipeline.render.paint import Painter
from pipeline.render.said import Said
from pipeline.render.text import Row
from tests.render import loras
from tests.render.conftest import RESOLVED

CPU = torch.device("cpu")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # diffusers of numpy 2
LEFT = Region(left=0.0, top=0.0, right=0.5, bottom=1.0, prompt="girl, red hair")
RIGHT = Region(left=0.5, top=0.0, right=1.0, bottom=1.0, prompt="girl, blue hair")


@pytest.fixture
def asked(pipe: Any) -> Iterator[list[int]]:
    """How many rows of tokens each call of the text encoder had, as it is called."""
    calls: list[int] = []
    hook = pipe.text_encoder.register_forward_pre_hook(
        lambda _, args, named: calls.append(len(args[0])), with_kwargs=True
    )
    yield calls
    hook.remove()


def paint(painter: Painter, inputs: Resolved, seed: int = 3, root: Path = Path()) -> bytes:
    painter.wear(inputs.adapters, root)
    return painter.paint(inputs, seed, lambda _: None, lambda _step, _steps: None).tobytes()


def test_a_prompt_with_other_seeds_is_encoded_once(pipe: Any, asked: list[int]) -> None:
    painter = Painter(pipe, CPU)
    first = paint(painter, RESOLVED)
    assert asked == [1, 1]  # It, and the negative.
    other = paint(painter, RESOLVED, seed=4)
    assert asked == [1, 1]
    assert first != other == paint(Painter(pipe, CPU), RESOLVED, seed=4)
    assert first == paint(painter, RESOLVED)


def test_of_another_prompt_only_what_is_new_is_encoded(pipe: Any, asked: list[int]) -> None:
    painter = Painter(pipe, CPU)
    paint(painter, RESOLVED)
    asked.clear()
    mine = paint(painter, replace(RESOLVED, prompt="girl"))
    assert asked == [1]
    assert mine == paint(Painter(pipe, CPU), replace(RESOLVED, prompt="girl"))


def test_the_part_of_somebody_who_is_in_many_pictures_is_encoded_once(
    pipe: Any, asked: list[int]
) -> None:
    both = replace(RESOLVED, prompt="2girls", regions=(LEFT, RIGHT))
    painter = Painter(pipe, CPU)
    paint(painter, both)
    assert asked == [1] * 4
    at_night = replace(both, prompt="2girls, night city")
    mine = paint(painter, at_night)
    assert asked == [1] * 5
    assert mine == paint(Painter(pipe, CPU), at_night)


def test_emphasis_and_clip_skip_are_heard(pipe: Any) -> None:
    painter = Painter(pipe, CPU)
    plain, weighed, deeper = (
        RESOLVED,
        replace(RESOLVED, prompt=f"({RESOLVED.prompt}:1.4)"),
        replace(RESOLVED, clip_skip=2),
    )
    mine = [paint(painter, inputs) for inputs in (plain, weighed, deeper, plain)]
    assert mine == [paint(Painter(pipe, CPU), each) for each in (plain, weighed, deeper, plain)]
    assert len({*mine}) == 3


def test_a_lora_of_the_text_encoder_has_its_own(pipe: Any, tmp_path: Path) -> None:
    words = loras.layers(pipe.text_encoder, loras.TEXT)
    file = loras.peft(tmp_path / "words.safetensors", {"text_encoder": words}, seed=2)
    adapter = Adapter(file=file.name, sha256=sha256_of(file), weight=0.8)
    worn, half = (
        replace(RESOLVED, adapters=(replace(adapter, weight=weight),)) for weight in (0.8, 0.4)
    )
    painter = Painter(pipe, CPU)
    mine = [paint(painter, each, root=tmp_path) for each in (RESOLVED, worn, half, RESOLVED, worn)]
    fresh = [paint(Painter(pipe, CPU), each, root=tmp_path) for each in (RESOLVED, worn, half)]
    assert mine == [*fresh, fresh[0], fresh[1]]
    assert len({*mine}) == 3


def test_what_was_asked_for_longest_ago_goes_first() -> None:
    said: Said[Row] = Said(most=3 * 4)
    for name in ("a", "b", "c", "a", "d"):
        said.of(name, lambda: (torch.zeros(1), None))
    assert list(said.kept) == ["c", "a", "d"]
    large = said.of("large", lambda: (torch.zeros(9), torch.zeros(9)))
    assert list(said.kept) == ["large"]
    assert said.of("large", lambda: pytest.fail("it is there")) is large
