"""A picture is described without being decoded, and decoded as a person sees it."""

import hashlib
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from pipeline import picture_files
from pipeline.core.pictured import PictureFile
from pipeline.picture_files import NotDecoded, decoded, describe


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def noise(width: int = 32, height: int = 16) -> Image.Image:
    return Image.frombytes("RGB", (width, height), bytes(range(256)) * (width * height * 3 // 256))


def fault(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    found = describe(path)
    assert found is not None
    assert not found.sha256
    return found.fault


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_picture_is_known_by_its_content_whatever_it_is_called(kind: str, tmp_path: Path) -> None:
    data = encoded(noise(), kind)
    (tmp_path / "a.png").write_bytes(data)
    sha256 = hashlib.sha256(data).hexdigest()
    assert describe(tmp_path / "a.png") == PictureFile(sha256=sha256, width=32, height=16)
    assert decoded(tmp_path / "a.png", sha256, "a.png").size == (32, 16)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_one_cut_short_is_told_so(kind: str, tmp_path: Path) -> None:
    data = encoded(noise(96, 80), kind)
    for length in (30, len(data) // 2, len(data) - 20):
        assert "it is cut short" in fault(tmp_path / "a.png", data[:length])


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "it is empty"),
        (b"GIF89a" + bytes(40), "it is no PNG, JPEG or WebP; save it as one of these"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "it is no PNG, JPEG or WebP"),
        (b"  <!DOCTYPE html><html>", "it is a web page and no picture; download it again"),
        (b"version https://git-lfs.github.com/spec/v1\n", "run `git lfs pull`"),
    ],
)
def test_what_is_no_picture_says_what_it_is(data: bytes, why: str, tmp_path: Path) -> None:
    assert why in fault(tmp_path / "a.png", data)


def test_pixels_are_counted_before_anything_is_decoded(tmp_path: Path) -> None:
    bomb = encoded(Image.new("1", (20_000, 20_000)), "PNG")
    assert len(bomb) < 100_000
    many = "it has too many pixels, and 67,108,864 are the most"
    assert fault(tmp_path / "a.png", bomb) == many
    with pytest.raises(NotDecoded, match=many):
        decoded(tmp_path / "a.png", hashlib.sha256(bomb).hexdigest(), "a.png")
    large = encoded(Image.new("1", (10_000, 10_000)), "PNG")
    why = "it has 10000x10000 pixels, and 67,108,864 are the most"
    assert fault(tmp_path / "a.png", large) == why


def test_a_file_that_is_too_large_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(picture_files, "MOST_BYTES", 10)
    assert "bytes, and 10 are the most" in fault(tmp_path / "a.png", encoded(noise(), "PNG"))


def test_what_is_transparent_is_white(tmp_path: Path) -> None:
    image = Image.new("RGBA", (2, 1), (255, 0, 0, 255))
    image.putpixel((1, 0), (0, 0, 255, 0))
    data = encoded(image, "PNG")
    (tmp_path / "a.png").write_bytes(data)
    seen = decoded(tmp_path / "a.png", hashlib.sha256(data).hexdigest(), "a.png")
    assert seen.mode == "RGB"
    assert [seen.getpixel((x, 0)) for x in (0, 1)] == [(255, 0, 0), (255, 255, 255)]


def test_it_is_turned_as_its_exif_says(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(noise(), "JPEG", exif=exif)
    (tmp_path / "a.jpg").write_bytes(data)
    assert decoded(tmp_path / "a.jpg", hashlib.sha256(data).hexdigest(), "a.jpg").size == (16, 32)


def test_one_that_is_broken_inside_is_refused_where_it_is_decoded(tmp_path: Path) -> None:
    data = bytearray(encoded(noise(96, 80), "PNG"))
    data[len(data) // 2] ^= 0xFF
    (tmp_path / "a.png").write_bytes(data)
    found = describe(tmp_path / "a.png")
    assert found is not None
    assert found.sha256, "that is seen only by decoding it"
    with pytest.raises(NotDecoded, match=r"the picture a\.png cannot be used: it is cut short or"):
        decoded(tmp_path / "a.png", found.sha256, "a.png")
