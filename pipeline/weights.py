"""A `.safetensors` file as its header has it: names, types and shapes, and whether it is whole.

Owns reading that header, without torch and without a byte of the weights.
Format: https://huggingface.co/docs/safetensors/index#format
"""

from pathlib import Path
from typing import Any, ClassVar

import msgspec
from msgspec import Struct

from pipeline.errors import AnimeError

_LFS = b"version https://git-lfs"
_PAGE = (b"<!doctype", b"<html")
_LONGEST = 100_000_000
"""Bytes of a header, as the format limits it."""


class ModelError(AnimeError):
    """A model is not there, not whole, or of a kind we do not load."""

    exit_code: ClassVar[int] = 3


class Header(Struct, frozen=True, kw_only=True):
    """What a file has: of each tensor its type and its shape; and words about it, by key."""

    shapes: dict[str, tuple[int, ...]]
    dtypes: dict[str, str]
    metadata: dict[str, str]


class _Entry(Struct, frozen=True):
    dtype: str
    shape: tuple[int, ...]
    data_offsets: tuple[int, int]


def read_header(file: Path) -> Header:
    """The header, which must be whole, and the file as long as it says.

    Raises:
        ModelError: it is a Git LFS pointer or a web page, or cut short or damaged.
    """
    try:
        size = file.stat().st_size
        with open(file, "rb") as stream:
            head = stream.read(8)
            length = int.from_bytes(head, "little")
            beginning = head + stream.read(len(_LFS) - len(head))
            _look_at(file, beginning)
            stream.seek(8)
            if len(head) < 8 or length > min(size - 8, _LONGEST):
                raise _broken(file)
            text = stream.read(length)
    except OSError as error:
        raise ModelError(f"{file} cannot be read: {error}", "check its path and rights") from None
    entries, metadata = _decoded(file, text)
    ends = max((entry.data_offsets[1] for entry in entries.values()), default=0)
    if size != 8 + length + ends:
        raise _broken(file)
    return Header(
        shapes={name: entry.shape for name, entry in entries.items()},
        dtypes={name: entry.dtype for name, entry in entries.items()},
        metadata=metadata,
    )


def _look_at(file: Path, beginning: bytes) -> None:
    if beginning.startswith(_LFS):
        raise ModelError(
            f"{file} is a Git LFS pointer, not the weights", "run `git lfs pull` in its folder"
        )
    if beginning.lower().startswith(_PAGE):
        raise ModelError(
            f"{file} is a web page, not the weights",
            "the download may want you to log in; download it again",
        )


def _decoded(file: Path, text: bytes) -> tuple[dict[str, _Entry], dict[str, str]]:
    try:
        raw = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
        said = raw.pop("__metadata__", None)
        words: dict[str, Any] = msgspec.json.decode(said) if said is not None else {}
        entries = {name: msgspec.json.decode(each, type=_Entry) for name, each in raw.items()}
    except (msgspec.MsgspecError, ValueError) as error:
        raise _broken(file) from error
    return entries, {key: value for key, value in words.items() if isinstance(value, str)}


def _broken(file: Path) -> ModelError:
    return ModelError(f"{file} is cut short or damaged", "copy or download it again")
