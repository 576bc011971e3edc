"""A picture is seen as a person sees it, in the size that is drawn, and never trusted."""

from pathlib import Path

import pytest
from PIL import Image

from pipeline.core.resolved import Picture
from pipeline.pictures import sha256_of
from pipeline.render.decoding import CannotUse, decoded, fitted, lines
from tests.test_rasters import bomb

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def known(path: Path) -> Picture:
    return Picture(file=path.name, sha256=sha256_of(path))


def test_one_lies_as_its_camera_held_it(tmp_path: Path) -> None:
    image = Image.new("RGB", (64, 32), RED)
    image.paste(BLUE, (0, 0, 32, 32))
    exif = Image.Exif()
    exif[0x0112] = 6  # Turned by a quarter, clockwise.
    image.save(tmp_path / "a.png", exif=exif)
    upright = decoded(known(tmp_path / "a.png"), tmp_path)
    assert (upright.size, upright.mode) == ((32, 64), "RGB")
    assert (upright.getpixel((16, 10)), upright.getpixel((16, 50))) == (BLUE, RED)


def test_what_is_transparent_is_white(tmp_path: Path) -> None:
    image = Image.new("RGBA", (20, 10), (0, 0, 0, 0))
    image.paste((255, 0, 0, 255), (0, 0, 10, 10))
    image.save(tmp_path / "a.png")
    image.quantize(4).save(tmp_path / "b.png", transparency=0)
    seen = decoded(known(tmp_path / "a.png"), tmp_path)
    assert (seen.getpixel((2, 5)), seen.getpixel((15, 5))) == (RED, WHITE)
    assert decoded(known(tmp_path / "b.png"), tmp_path).mode == "RGB"


@pytest.mark.parametrize(("mode", "white"), [("1", 1), ("L", 255), ("LA", (255, 255)), ("P", 0),
                                             ("CMYK", (0, 0, 0, 0)), ("I;16", 65535)])  # fmt: skip
def test_every_kind_of_pixel_becomes_rgb(mode: str, white: int, tmp_path: Path) -> None:
    image = Image.new(mode, (8, 8), white)
    if mode == "P":
        image.putpalette([255, 255, 255])
    path = tmp_path / ("a.jpg" if mode == "CMYK" else "a.png")
    image.save(path)
    assert decoded(known(path), tmp_path).getcolors() == [(64, WHITE)]


def test_it_covers_the_size_and_is_cut_in_the_middle() -> None:
    wide = Image.new("RGB", (300, 100), RED)
    wide.paste(GREEN, (100, 0, 200, 100))
    cut = fitted(wide, (64, 64))
    assert cut.size == (64, 64)
    assert {cut.getpixel((x, y)) for x in (4, 32, 59) for y in (4, 59)} == {GREEN}
    same = Image.new("RGB", (64, 32), BLUE)
    assert fitted(same, (64, 32)) is same


def test_lines_are_white_on_black() -> None:
    paper = Image.new("RGB", (20, 20), WHITE)
    paper.paste((0, 0, 0), (5, 0, 7, 20))
    turned = lines(paper, "lineart")
    assert (turned.getpixel((0, 0)), turned.getpixel((5, 5))) == ((0, 0, 0), WHITE)
    assert lines(turned, "lineart") is turned
    assert lines(paper, "depth") is paper


def test_a_broken_picture_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(bomb(64, 64))  # Whole, and without a pixel in it.
    with pytest.raises(CannotUse, match=r"^the picture a\.png is broken: "):
        decoded(known(path), tmp_path)
    path.write_bytes(bomb(60_000, 60_000))
    with pytest.raises(CannotUse, match=r"a\.png cannot be drawn from: it has 60000x60000 pixels"):
        decoded(known(path), tmp_path)
    path.write_bytes(b"GIF89a")
    with pytest.raises(CannotUse, match=r"^the picture a\.png cannot be drawn from: it is no PNG"):
        decoded(known(path), tmp_path)


def test_only_the_first_of_moving_pictures_is_seen(tmp_path: Path) -> None:
    first, second = Image.new("RGB", (16, 16), RED), Image.new("RGB", (16, 16), BLUE)
    path = tmp_path / "a.webp"
    first.save(path, save_all=True, append_images=[second], lossless=True)
    assert decoded(known(path), tmp_path).getpixel((3, 3)) == RED
