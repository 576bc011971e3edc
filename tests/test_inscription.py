"""What a PNG says is read under limits, from whomever the picture is."""

import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image, PngImagePlugin

from pipeline.inscription import NotRead, pixels_in, pixels_of, read, record_of
from pipeline.render import png
from tests.fakes import FAKE_MADE, square
from tests.render.conftest import task


def written(path: Path, **texts: str) -> Path:
    """A PNG with these texts."""
    info = PngImagePlugin.PngInfo()
    for key, text in texts.items():
        info.add_text(key, text)
    Image.new("RGB", (4, 4), (1, 2, 3)).save(path, pnginfo=info)
    return path


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def header(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + chunk(
        b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    )


def test_our_record_and_the_parameters_are_read(tmp_path: Path) -> None:
    wanted = task("show/屋上", prompt="夜の街, girl")
    file = tmp_path / "a.png"
    file.write_bytes(png.encode(square(wanted), wanted, "fake", FAKE_MADE))
    found = read(file)
    assert found.record is not None
    assert found.record.job == "show/屋上"
    assert found.parameters is not None
    assert found.parameters.startswith("夜の街, girl\n")
    assert found.texts == {}
    assert pixels_in(file) == found.record.pixels == pixels_of(square(wanted))


def test_texts_of_other_tools_are_kept_apart(tmp_path: Path) -> None:
    found = read(written(tmp_path / "a.png", prompt="{}", Software="x"))
    assert (found.record, found.parameters) == (None, None)
    assert found.texts == {"prompt": "{}", "Software": "x"}


def test_a_text_behind_the_pixels_is_found(tmp_path: Path) -> None:
    file = written(tmp_path / "a.png")
    data = file.read_bytes()
    end = data.index(b"IEND") - 4
    file.write_bytes(data[:end] + chunk(b"tEXt", b"parameters\0a cat") + data[end:])
    assert read(file).parameters == "a cat"


def test_what_is_no_png_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    for data in (b"", b"no picture", b"\x89PNG\r\n\x1a\n", b"GIF89a" + b"\0" * 40):
        file.write_bytes(data)
        with pytest.raises(NotRead, match="no PNG"):
            read(file)
    with pytest.raises(NotRead, match="cannot be read"):
        read(tmp_path / "gone.png")
    (tmp_path / "link.png").symlink_to(file)
    with pytest.raises(NotRead, match="cannot be read"):
        read(tmp_path / "link.png")
    assert record_of(file) is None


@pytest.mark.parametrize("size", [(60_000, 60_000), (2**31 - 1, 1), (100_000, 1000)])
def test_too_many_pixels_are_refused_before_anything_is_decoded(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(
        header(*size) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )
    with pytest.raises(NotRead, match="are the most"):
        read(file)


def test_a_text_that_unpacks_to_much_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    bomb = chunk(b"zTXt", b"parameters\0\0" + zlib.compress(b"a" * 50_000_000, 9))
    file.write_bytes(header(4, 4) + bomb + chunk(b"IEND", b""))
    with pytest.raises(NotRead, match="broken"):
        read(file)


@pytest.mark.parametrize("size", range(33, 80, 7))
def test_a_picture_that_was_cut_short_shows_no_pixels(tmp_path: Path, size: int) -> None:
    file = written(tmp_path / "a.png", parameters="a cat")
    file.write_bytes(file.read_bytes()[:size])
    assert record_of(file) is None
    with pytest.raises(NotRead, match="broken"):
        pixels_in(file)
