"""The files of a model that a run may draw with: where they stand, and how much is in them.

Owns the value, how it is handed to another process, and counting weights by headers alone.
"""

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from pipeline.model import NOTHING_TOLD, WEIGHTS, Told
from pipeline.weights import read_header


class ModelFiles(Struct, frozen=True, kw_only=True):
    """Where a model stands, and what is told of it. With a `sha256` it has to be that very one; one
    without is only ever alone."""

    path: Path
    told: Told = NOTHING_TOLD
    sha256: str = ""


def weights_in(model: ModelFiles) -> int:
    """How many weights the model has, by its files' headers.

    Raises:
        ModelError: a file is not whole.
    """
    path, files = model.path, [model.path]
    if not path.is_file():
        files = [file for part in WEIGHTS for file in sorted((path / part).glob("*.safetensors"))]
    if model.told.vae is not None:
        files = [file for file in files if file.parent.name != "vae"] + [model.told.vae]
    shapes = (shape for file in files for shape in read_header(file).shapes.values())
    return sum(math.prod(shape) for shape in shapes)


def pack(models: Iterable[ModelFiles]) -> str:
    """Models as a text that `unpack` reads, with their paths in full."""
    return msgspec.json.encode(list(models), enc_hook=_text).decode()


def unpack(text: str) -> dict[str, ModelFiles]:
    """The models of such a text, by their sha256."""
    found = msgspec.json.decode(text, type=list[ModelFiles], dec_hook=_path)
    return {model.sha256: model for model in found}


def _text(path: Any) -> str:
    return str(path.resolve())


def _path(type_: type, text: Any) -> Any:
    return type_(text)
