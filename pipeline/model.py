"""A diffusion model as a folder on the disk: is it one we can load, and which one is it.

Owns the checks that need no torch, and the model's sha256. Never loads a weight.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePath
from typing import Any, ClassVar

import msgspec

from pipeline.core.resolved import Model
from pipeline.errors import AnimeError
from pipeline.pictures import sha256_of

WEIGHTS = ("text_encoder", "unet", "vae")
"""The folders that hold weights."""
COMPONENTS = (*WEIGHTS, "scheduler", "tokenizer")
"""The folders that decide what is drawn; a safety checker is neither loaded nor hashed."""

_CLASSES = {
    "text_encoder": {"CLIPTextModel"},
    "unet": {"UNet2DConditionModel"},
    "vae": {"AutoencoderKL", "AutoencoderTiny"},
}
_LIBRARIES = {"diffusers", "transformers"}
_PICKLES = (".bin", ".ckpt", ".pt", ".pth")
_LFS = b"version https://git-lfs"


class ModelError(AnimeError):
    """The model's folder is not there, not whole, or of a kind we do not load."""

    exit_code: ClassVar[int] = 3


def describe(folder: Path, cache: Path | None = None) -> Model:
    """The model in a diffusers folder; its sha256 covers every file that decides what is drawn.

    Its name is what its `model_index.json` says (`_name_or_path`), else the folder's.

    `cache` is a JSON file that remembers the hashes of files by path, size and time of change, so
    that gigabytes are read once; it is made and renewed as needed.

    Raises:
        ModelError: as `check`.
    """
    check(folder)
    known = _Hashes(cache)
    lines = [f"{file.relative_to(folder).as_posix()} {known.of(file)}\n" for file in _files(folder)]
    known.save()
    unet, vae = _json(folder / "unet/config.json"), _json(folder / "vae/config.json")
    size = unet.get("sample_size") or 64
    height, width = (size, size) if isinstance(size, int) else size
    factor = 2 ** (len(vae.get("block_out_channels") or vae["decoder_block_out_channels"]) - 1)
    return Model(
        name=_name(folder),
        sha256=hashlib.sha256("".join(sorted(lines)).encode()).hexdigest(),
        width=width * factor,
        height=height * factor,
    )


def confirm(folder: Path, sha256: str, cache: Path | None = None) -> None:
    """Whether this still is the model of that `sha256`; `cache` as for `describe`.

    Raises:
        ModelError: as `check`, or it is another one by now.
    """
    if describe(folder, cache).sha256 != sha256:
        raise ModelError(f"model {folder} has changed since the run began", "start again")


def _name(folder: Path) -> str:
    said = _json(folder / "model_index.json").get("_name_or_path")
    return PurePath(str(said or folder.resolve())).name


def check(folder: Path) -> None:
    """Whether the folder can be loaded, as far as can be told without loading it.

    Raises:
        ModelError: it is no folder, no StableDiffusionPipeline in diffusers' layout, has its
            weights only as pickle, or a file of it is a Git LFS pointer or cut short.
    """
    if not folder.is_dir():
        what = "is not a folder" if folder.exists() else "does not exist"
        hint = "convert the checkpoint to a diffusers folder" if folder.exists() else ""
        raise ModelError(f"model {folder} {what}", hint or "check the path of --model")
    if not (folder / "model_index.json").is_file():
        raise ModelError(
            f"model {folder} has no model_index.json",
            "name a folder in diffusers' layout, as StableDiffusionPipeline.save_pretrained writes",
        )
    index = _json(folder / "model_index.json")
    if index.get("_class_name") != "StableDiffusionPipeline":
        raise ModelError(
            f"model {folder} is a {index.get('_class_name')}",
            "only StableDiffusionPipeline folders can be loaded",
        )
    for name in COMPONENTS:
        _check_component(folder, name, index.get(name))


def weight(folder: Path) -> int:
    """Bytes of weights in the folder, as they lie on the disk."""
    return sum(file.stat().st_size for name in WEIGHTS for file in _weights(folder / name))


def variant(folder: Path) -> str | None:
    """`fp16` where the weights are there only in files of that name, as hubs offer them."""
    files = _weights(folder / "unet")
    return "fp16" if files and all(".fp16." in file.name for file in files) else None


def _check_component(folder: Path, name: str, entry: Any) -> None:
    part = folder / name
    library, kind = entry if isinstance(entry, list) and len(entry) == 2 else (None, None)
    if library not in _LIBRARIES or kind not in _CLASSES.get(name, {kind}):
        known = " or ".join(sorted(_CLASSES.get(name, {"a class of diffusers or transformers"})))
        raise ModelError(
            f"model {folder}: {name} is {kind} of {library} in model_index.json",
            f"it must be {known}; code that comes with a model is never run",
        )
    if not part.is_dir():
        raise ModelError(f"model {folder} has no folder {name}", "copy the model again, whole")
    if name in WEIGHTS:
        _check_weights(part)
    for file in sorted(part.glob("*.json")):
        _json(file)


def _check_weights(part: Path) -> None:
    if not (part / "config.json").is_file():
        raise ModelError(f"{part} has no config.json", "copy the model again, whole")
    files = _weights(part)
    if not files:
        if any(file.suffix in _PICKLES for file in part.iterdir()):
            raise ModelError(
                f"{part} has its weights only as pickle, which can run any code",
                "convert them: load the model where you trust it and "
                "save_pretrained(..., safe_serialization=True)",
            )
        raise ModelError(f"{part} has no .safetensors file", "copy the model again, whole")
    for file in files:
        _check_safetensors(file)


def _check_safetensors(file: Path) -> None:
    """The header must be whole and the file as long as it says.

    Format: https://huggingface.co/docs/safetensors/index#format
    """
    size = file.stat().st_size
    with open(file, "rb") as stream:
        head = stream.read(8)
        if (head + stream.read(len(_LFS))).startswith(_LFS):
            raise ModelError(
                f"{file} is a Git LFS pointer, not the weights", "run `git lfs pull` in its folder"
            )
        stream.seek(8)
        length = int.from_bytes(head, "little")
        broken = ModelError(f"{file} is cut short or damaged", "copy or download it again")
        if len(head) < 8 or length > size - 8:
            raise broken
        try:
            header = msgspec.json.decode(stream.read(length), type=dict[str, dict[str, Any]])
            ends = [entry["data_offsets"][1] for key, entry in header.items() if key[:2] != "__"]
        except (msgspec.MsgspecError, LookupError, TypeError) as error:
            raise broken from error
    if size != 8 + length + max(ends, default=0):
        raise broken


def _weights(part: Path) -> list[Path]:
    return sorted(part.glob("*.safetensors"))


def _files(folder: Path) -> Iterator[Path]:
    yield folder / "model_index.json"
    for name in COMPONENTS:
        for file in sorted((folder / name).rglob("*")):
            if file.suffix in (".json", ".txt", ".safetensors") and file.is_file():
                yield file


def _json(file: Path) -> dict[str, Any]:
    try:
        value = json.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        raise ModelError(f"{file} cannot be read: {error}", "copy the model again, whole") from None
    return value if isinstance(value, dict) else {}


class _Hashes:
    """sha256 of files, remembered in a JSON file by path, size and time of change."""

    def __init__(self, cache: Path | None) -> None:
        self._cache = cache
        self._known: dict[str, list[Any]] = {}
        self._fresh = False
        if cache is not None and cache.is_file():
            try:
                self._known = msgspec.json.decode(cache.read_bytes(), type=dict[str, list[Any]])
            except (OSError, msgspec.MsgspecError):
                self._fresh = True

    def of(self, file: Path) -> str:
        now = file.stat()
        # Resolved, since model hubs keep their files elsewhere and link to them.
        key, mark = str(file.resolve()), [now.st_size, now.st_mtime_ns]
        known = self._known.get(key)
        if known is not None and known[:2] == mark and len(known) == 3:
            return str(known[2])
        self._known[key] = [*mark, sha256_of(Path(key))]
        self._fresh = True
        return str(self._known[key][2])

    def save(self) -> None:
        if self._cache is None or not self._fresh:
            return
        part = self._cache.with_name(f".anime-{os.getpid()}-0.part")
        # A cache that cannot be written, as on a full disk, only costs time.
        with suppress(OSError):
            self._cache.parent.mkdir(parents=True, exist_ok=True)
            part.write_bytes(msgspec.json.encode(self._known))
            os.replace(part, self._cache)
        with suppress(OSError):
            part.unlink(missing_ok=True)
