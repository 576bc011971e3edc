"""A region is a part of the picture, and a picture without one has the digest it always had."""

import hashlib
import math
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from pipeline.core.digest import canonical, digest
from pipeline.core.resolved import Region, Resolved

PLAIN = Resolved(
    prompt="2girls, forest",
    negative="",
    width=256,
    height=256,
    steps=15,
    guidance=5.0,
    sampler="dpmpp_2m",
    schedule="karras",
    model="ab" * 32,
)
LEFT = Region(prompt="left: red hair", left=0, top=0, right=0.5, bottom=1)
RIGHT = replace(LEFT, prompt="right: blue hair", left=0.5, right=1.0)


def test_without_regions_the_digest_is_as_it_was_before_there_were_any() -> None:
    before = (
        f'{{"guidance":5.0,"height":256,"model":"{"ab" * 32}","negative":"",'
        '"prompt":"2girls, forest","sampler":"dpmpp_2m","schedule":"karras","steps":15,"width":256}'
    )
    assert digest(PLAIN) == hashlib.sha256(before.encode()).hexdigest()


@pytest.mark.parametrize(
    "change",
    [
        {"prompt": "left: green hair"},
        {"left": 0.1},
        {"top": 0.1},
        {"right": 0.4},
        {"bottom": 0.9},
        {"feather": 0.2},
        {"weight": 0.5},
    ],
    ids=str,
)
def test_every_field_of_a_region_changes_the_digest(change: dict[str, Any]) -> None:
    pair = replace(PLAIN, regions=(LEFT, RIGHT))
    other = replace(PLAIN, regions=(replace(LEFT, **change), RIGHT))
    assert len({digest(PLAIN), digest(pair), digest(other)}) == 3


def test_regions_are_read_as_they_were_written() -> None:
    pair = replace(PLAIN, regions=(LEFT, RIGHT))
    assert msgspec.json.decode(canonical(pair), type=Resolved) == pair


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("left", -0.1, "Region.left and Region.right: -0.1 to 0.5 is no part of a picture"),
        ("left", 0.5, "0.5 to 0.5"),
        ("left", 0.6, "give shares of it with 0 <= left < right <= 1"),
        ("right", 1.1, "0 to 1.1"),
        ("right", float("nan"), "0 to nan"),
        ("top", 1.0, "Region.top and Region.bottom: 1.0 to 1 is no part of a picture"),
        ("bottom", 0, "give shares of it with 0 <= top < bottom <= 1"),
        ("feather", -0.1, "Region.feather: -0.1; give a share of the width, 0 to 1"),
        ("feather", 2, "Region.feather: 2;"),
        ("weight", 0, "Region.weight: 0; give more than 0 and at most 1"),
        ("weight", 1.5, "Region.weight: 1.5;"),
    ],
)
def test_what_is_no_part_of_a_picture_is_refused(field: str, value: float, said: str) -> None:
    written = {**msgspec.to_builtins(LEFT), field: value}
    with pytest.raises(ValueError, match="Region") as refused:
        Region(**written)
    assert said in str(refused.value)
    if not math.isnan(value):  # which JSON does not know
        with pytest.raises(msgspec.ValidationError, match="Region"):
            msgspec.json.decode(msgspec.json.encode(written), type=Region)
