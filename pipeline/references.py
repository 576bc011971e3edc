"""What shows reference pictures to the model: the IP-Adapter and encoder of the settings.

Owns telling, by headers alone, what such files are and whether they can be used. Never loads a
weight and never imports torch. The layouts are `pipeline.ip_adapter`'s.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from pipeline.adapters import Attentions, adapter_of, attentions, read_header
from pipeline.core.ip_adapters import ImageEncoder, IpAdapter, ReferenceModel
from pipeline.hashes import Hashes
from pipeline.lora import Unreadable
from pipeline.model import Told

CONFIG, WEIGHTS = "config.json", "model.safetensors"
_CLASS = "CLIPVisionModelWithProjection"
_PICKLES = (".bin", ".ckpt", ".pt", ".pth", ".pickle", ".pkl")
_NOT_HASHED = "0" * 64
"""Stands for the sha256 of what nobody draws with."""


def describe(
    told: Told, models: Mapping[str, Path], hashes: Hashes | None = None
) -> ReferenceModel | None:
    """What the settings name, for these models by their sha256; None if they name nothing.

    Never raises for what the files are: a fault says what is wrong with one. Without `hashes` no
    file is read as a whole, and each that is fine has a sha256 of zeros.
    """
    if told.ip_adapter is None and told.image_encoder is None:
        return None
    known = attentions(models) if told.ip_adapter is not None else {}
    return ReferenceModel(
        file=told.ip_adapter.name if told.ip_adapter is not None else "",
        adapter=_adapter(told.ip_adapter, known, hashes) if told.ip_adapter is not None else None,
        folder=told.image_encoder.name if told.image_encoder is not None else "",
        encoder=_encoder(told.image_encoder, hashes) if told.image_encoder is not None else None,
    )


def encoder_sha256(folder: Path, hashes: Hashes) -> str:
    """That of an image encoder: over those of its configuration and its weights.

    Raises OSError if one cannot be read.
    """
    lines = "".join(f"{name} {hashes.of(folder / name)}\n" for name in (CONFIG, WEIGHTS))
    return hashlib.sha256(lines.encode()).hexdigest()


def _adapter(file: Path, known: Mapping[str, Attentions], hashes: Hashes | None) -> IpAdapter:
    if file.suffix.casefold() in _PICKLES:
        return IpAdapter(
            fault="it is a pickle, which can run any code, and is not read; take the .safetensors "
            "of it"
        )
    try:
        found = adapter_of(read_header(file)[0], _NOT_HASHED, known)
        if found.fault or hashes is None:
            return found
        return msgspec.structs.replace(found, sha256=hashes.of(file))
    except Unreadable as unreadable:
        return IpAdapter(fault=str(unreadable))
    except OSError as error:
        return IpAdapter(fault=f"{file}: {error.strerror or error}; check ip_adapter in anime.toml")


def _encoder(folder: Path, hashes: Hashes | None) -> ImageEncoder:
    try:
        hidden, projected = _widths(folder)
        sha256 = _NOT_HASHED if hashes is None else encoder_sha256(folder, hashes)
    except Unreadable as unreadable:
        return ImageEncoder(fault=str(unreadable))
    except OSError as error:
        why = f"{error.filename or folder}: {error.strerror or error}"
        return ImageEncoder(fault=f"{why}; check image_encoder in anime.toml")
    return ImageEncoder(sha256=sha256, hidden=hidden, projected=projected)


def _widths(folder: Path) -> tuple[int, int]:
    """What its layers and its projection give.

    Raises:
        Unreadable: it is no folder of such an encoder, or not whole.
        OSError: it is not there, or cannot be read.
    """
    kind = _config(folder / CONFIG).get("architectures")
    if kind != [_CLASS]:
        said = ", ".join(map(str, kind)) if isinstance(kind, list) else kind
        raise Unreadable(
            f"it is a {said} and not a {_CLASS}; take the folder image_encoder that comes with the "
            "IP-Adapter"
        )
    if not (folder / WEIGHTS).exists():
        pickles = [each.name for each in folder.iterdir() if each.suffix in _PICKLES]
        raise Unreadable(
            f"it has no {WEIGHTS}"
            + (f", only {pickles[0]}, a pickle, which can run any code" if pickles else "")
            + "; download that file too"
        )
    try:
        header, _ = read_header(folder / WEIGHTS)
    except Unreadable as unreadable:
        raise Unreadable(f"of {WEIGHTS}: {unreadable}") from None
    shape = header.get("visual_projection.weight", ())
    if len(shape) != 2:
        raise Unreadable(
            f"its {WEIGHTS} has no visual_projection; take the folder image_encoder that comes "
            "with the IP-Adapter"
        )
    return shape[1], shape[0]


def _config(file: Path) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(file.read_bytes())
    except msgspec.DecodeError:
        raise Unreadable(f"its {file.name} is no JSON; copy or download it again") from None
    return found if isinstance(found, dict) else {}
