"""A picture's file says how it was drawn, to us and to others, in the same bytes every time."""

from io import BytesIO
from pathlib import Path

from msgspec.structs import replace
from PIL import Image, PngImagePlugin

from pipeline.core import parameters
from pipeline.core.record import KEY
from pipeline.core.resolved import Task
from pipeline.inscription import is_ours, pixels_of, record_of
from pipeline.render import png
from tests.fakes import FAKE_MADE, square
from tests.render.conftest import RESOLVED, task


def test_the_same_picture_gives_the_same_bytes() -> None:
    wanted = task("a")
    assert _encode(wanted) == _encode(wanted)
    assert _encode(wanted) != _encode(replace(wanted, take=2))


def test_the_record_holds_what_a_redraw_needs(tmp_path: Path) -> None:
    wanted = task("show/屋上", prompt="夜の街, girl")
    file = tmp_path / "a.png"
    file.write_bytes(_encode(wanted))
    record = record_of(file)
    assert record is not None
    assert (record.job, record.take, record.index) == ("show/屋上", 1, 1)
    assert (record.seed, record.resolved, record.made) == (7, wanted.resolved, FAKE_MADE)
    assert record.pixels == pixels_of(square(wanted))


def test_parameters_are_those_that_other_tools_read() -> None:
    with Image.open(BytesIO(_encode(task("a")))) as image:
        assert image.info["parameters"] == (
            "girl, red hair, night city\n"
            "Negative prompt: bad\n"
            "Steps: 4, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 5, Seed: 7, "
            "Size: 64x64, Model hash: ababababab, Model: fake"
        )


def test_an_empty_negative_is_left_out_and_odd_names_are_quoted() -> None:
    text = parameters.write(replace(RESOLVED, negative=""), 1, 'my "own", model: two')
    first, last = text.split("\n")
    assert first == RESOLVED.prompt
    assert last.endswith(r'Model: "my \"own\", model: two"')


def test_a_retouched_picture_is_not_ours_though_it_carries_our_record(tmp_path: Path) -> None:
    wanted = task("a")
    file = tmp_path / "a.png"
    file.write_bytes(_encode(wanted))
    assert is_ours(file, wanted)
    assert not is_ours(file, replace(wanted, index=2))
    # A crash, and a checkout before the next start: the orphan is ours all the same.
    assert is_ours(file, replace(wanted, commit="cd" * 20, manifest="a.yml"))
    with Image.open(file) as image:
        texts = PngImagePlugin.PngInfo()
        texts.add_text(KEY, image.info[KEY])
        image.putpixel((0, 0), (1, 2, 3))
        image.save(file, pnginfo=texts)
    assert record_of(file) is not None
    assert not is_ours(file, wanted)


def test_what_is_no_picture_of_ours_has_no_record(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(b"no PNG at all")
    assert record_of(file) is None
    Image.new("RGB", (4, 4)).save(file)
    assert record_of(file) is None
    assert not is_ours(file, task("a"))


def _encode(wanted: Task) -> bytes:
    return png.encode(square(wanted), wanted, "fake", FAKE_MADE)
