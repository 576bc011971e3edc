"""What a picture file is, by its bytes: its size where it is one and whole, else why it is not."""

import hashlib
import io
import os
import struct
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pipeline import rasters
from pipeline.core.pictures import PictureFile


def saved(kind: str, size: tuple[int, int] = (37, 23), **given: object) -> bytes:
    stream = io.BytesIO()
    mode = "RGBA" if given.pop("clear", False) else "RGB"
    Image.effect_noise(size, 80).convert(mode).save(stream, kind, **given)
    return stream.getvalue()


KINDS = {
    "png": saved("PNG"),
    "jpeg": saved("JPEG"),
    "progressive jpeg": saved("JPEG", progressive=True),
    "jpeg with a thumbnail": saved("JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0"),
    "webp": saved("WEBP"),
    "lossless webp": saved("WEBP", lossless=True),
    "clear webp": saved("WEBP", clear=True),
}


@pytest.mark.parametrize("kind", KINDS)
def test_its_size_is_read_without_decoding(kind: str) -> None:
    data = KINDS[kind]
    assert rasters.described(data) == PictureFile(
        sha256=hashlib.sha256(data).hexdigest(), width=37, height=23
    )


@pytest.mark.parametrize("kind", KINDS)
def test_one_that_is_cut_short_is_refused(kind: str) -> None:
    for end in range(3, len(KINDS[kind]) - 1, 7):
        found = rasters.described(KINDS[kind][:end])
        assert found.fault
        assert not found.sha256


def test_a_png_with_a_changed_byte_is_refused() -> None:
    data = bytearray(KINDS["png"])
    data[len(data) // 2] ^= 1
    assert rasters.described(bytes(data)).fault == "it is damaged; copy or save it again"


@given(st.binary(max_size=200), st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff",
                                                 b"RIFF\0\0\0\0WEBPVP8X"]))  # fmt: skip
def test_no_bytes_are_too_strange(data: bytes, head: bytes) -> None:
    found = rasters.described(head + data)
    assert bool(found.fault) is not bool(found.sha256)


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"", "it is empty"),
        (b"GIF89a...", "it is no PNG, JPEG or WebP, whatever its name says; save it as one of"),
        (b"version https://git-lfs.github.com/spec/v1", "it is a Git LFS pointer"),
    ],
)
def test_what_is_no_picture_says_what_it_is(data: bytes, fault: str) -> None:
    assert rasters.described(data).fault.startswith(fault)


def sum_of(data: bytes) -> bytes:
    return struct.pack(">I", zlib.crc32(data))


def bomb(width: int, height: int) -> bytes:
    """A small PNG that unpacks to much."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + sum_of(kind + body)

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(b""))
        + (chunk(b"IEND", b""))
    )


def test_one_with_too_many_pixels_is_refused_by_its_header() -> None:
    found = rasters.described(bomb(50_000, 40_000))
    assert found.fault == "it has 50000x40000 pixels, and 67,108,864 are the most"
    assert rasters.described(bomb(0, 10)).fault == "it has no pixels"


def test_a_file_is_described(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(KINDS["png"])
    assert rasters.describe(path) == rasters.described(KINDS["png"])
    with path.open("wb") as stream:
        stream.truncate(rasters.MOST_BYTES + 1)
    assert rasters.describe(path) == PictureFile(
        fault="it has 67,108,865 bytes, and 67,108,864 are the most"
    )
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(FileNotFoundError, match="is not a plain file"):
        rasters.describe(path)
