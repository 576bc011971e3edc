"""`anime pull`: a model from a hub into the user's own data folder.

Owns which files of a repository are a model, and fetching them. The one place that fetches a
model; a run never does. Nothing that could run code is fetched: safetensors, JSON and text only.
"""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

from msgspec import Struct

from pipeline.errors import AnimeError
from pipeline.model import SUFFIX, TOKENS, WEIGHTS, check
from pipeline.pictures import sha256_of
from pipeline.weights import ModelError

INDEX = "model_index.json"
_PLAIN = re.compile(r"[\w][\w.@ ()+-]*", re.ASCII)
_HALF = ".fp16"
_SHARD = re.compile(r"-\d{5}-of-\d{5}")
_FIRST = ("model", "diffusion_pytorch_model")
"""What the weights of a part are called; others beside them are other kinds of the same."""


class CannotPull(AnimeError):
    """The model cannot be fetched."""

    exit_code: ClassVar[int] = 3


class File(Struct, frozen=True, kw_only=True):
    """A file of a repository, its size in bytes and, of big ones, its sha256."""

    name: str
    size: int
    sha256: str = ""


class Found(Struct, frozen=True, kw_only=True):
    """What is to be fetched: the files, at this commit, and where to."""

    name: str
    commit: str
    files: tuple[File, ...]
    folder: Path

    @property
    def size(self) -> int:
        """Bytes of all of them."""
        return sum(file.size for file in self.files)


def find(name: str, folder: Path, only: str | None = None, endpoint: str | None = None) -> Found:
    """Which files of the model `name` are to lie in `folder`; `only` names one of several files.

    Raises:
        CannotPull: the hub does not answer, has no such model, or it is none that we load.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    try:
        said: Any = HfApi(endpoint=endpoint).model_info(name, files_metadata=True)
    except GatedRepoError as error:
        raise CannotPull(
            f"the hub gives {name} only to those who have agreed to its terms",
            "agree on its page there, then run `hf auth login`, or set HF_TOKEN",
        ) from error
    except RepositoryNotFoundError as error:
        raise CannotPull(
            f"the hub has no model {name}, or keeps it private",
            "check the name; a private one wants HF_TOKEN",
        ) from error
    except _unreachable() as error:
        raise CannotPull(f"the hub does not answer: {_short(error)}", "try again later") from error
    every = [
        File(name=each.rfilename, size=each.size or 0, sha256=(each.lfs or {}).get("sha256", ""))
        for each in said.siblings or ()
    ]
    files = tuple(chosen(name, every, only))
    return Found(name=name, commit=str(said.sha), files=files, folder=folder)


def chosen(name: str, every: list[File], only: str | None) -> Iterator[File]:
    """The files of a repository that are the model: a diffusers folder, else one checkpoint.

    Of weights in several precisions those in fp16 are taken, which is what a GPU draws with, if
    every part has them. `only` takes that file alone.

    Raises:
        CannotPull: there is no such model among them, or several are.
    """
    safe = [file for file in every if all(map(_PLAIN.fullmatch, file.name.split("/")))]
    singles = [file for file in safe if file.name.endswith(SUFFIX)]
    if only is not None:
        found = [file for file in singles if file.name == only]
        if not found:
            raise CannotPull(f"{name} has no file {only!r}", _names(singles))
        yield found[0]
    elif any(file.name == INDEX for file in safe):
        yield from _folder(name, safe)
    else:
        roots = [file for file in singles if "/" not in file.name]
        if not roots:
            raise CannotPull(
                f"{name} is no model that can be loaded: it has neither {INDEX} nor a {SUFFIX} "
                "checkpoint",
                "weights in pickles are not fetched, since they can run any code; look for a "
                f"{SUFFIX} version",
            )
        if len(roots) > 1:
            raise CannotPull(f"{name} has {len(roots)} checkpoints", _names(roots))
        yield roots[0]


def _folder(name: str, files: list[File]) -> Iterator[File]:
    yield from (file for file in files if file.name == INDEX)
    for part in (*TOKENS, "scheduler"):
        yield from (f for f in files if _of(f, part) and f.name.endswith((".json", ".txt")))
    parts = [part for part in WEIGHTS if any(_of(file, part) for file in files)]
    weights = {
        part: [f for f in files if _of(f, part) and f.name.endswith(SUFFIX)] for part in parts
    }
    for part, found in weights.items():
        if not found:
            raise CannotPull(
                f"{name} has the weights of its {part} only as pickle, which can run any code",
                f"look for a version in {SUFFIX}",
            )
    half = all(any(_stem(f).endswith(_HALF) for f in found) for found in weights.values())
    for part in parts:
        ending = _HALF if half else ""
        yield from (f for f in weights[part] if _stem(f) in {f"{each}{ending}" for each in _FIRST})
        yield from (
            f
            for f in files
            if _of(f, part) and (f.name.endswith("/config.json") or _index(f, half))
        )


def fetch(found: Found, note: Callable[[str], None], endpoint: str | None = None) -> Path:
    """Fetch the files, going on where an earlier try ended; returns the model's folder or file.

    Raises:
        CannotPull: it breaks off; what is there by then stays for the next try.
        ModelError: what was fetched is no model that we load.
    """
    for file in found.files:
        note(f"{file.name} ({sized(file.size)})")
        try:
            _fetch(found, file, endpoint)
        except _unreachable() as error:
            raise CannotPull(
                f"{file.name} of {found.name} broke off: {_short(error)}",
                "the same command goes on from there",
            ) from error
    single = len(found.files) == 1
    model = found.folder / found.files[0].name if single else found.folder
    try:
        check(model)
    except ModelError as error:
        # A checkpoint without a VAE is a model too, with one beside it.
        if "holds no VAE" not in error.message:
            raise
        note(f"it holds no VAE: {error.hint}")
    return model


def _fetch(found: Found, file: File, endpoint: str | None) -> None:
    """One file, complete under its name or not there; what there is of it waits beside it."""
    from huggingface_hub import hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils._headers import build_hf_headers

    target = found.folder / file.name
    if _is_whole(target, file):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    part.touch()
    with open(part, "r+b") as stream:
        begun = stream.seek(0, os.SEEK_END)
        if begun > file.size:
            begun = stream.seek(0)
            stream.truncate()
        http_get(
            hf_hub_url(found.name, file.name, revision=found.commit, endpoint=endpoint), stream,
            resume_size=begun, headers=build_hf_headers(), expected_size=file.size,
            displayed_filename=file.name,
        )  # fmt: skip
        stream.flush()
        os.fsync(stream.fileno())
    if not _is_whole(part, file):
        part.unlink()
        raise CannotPull(
            f"{file.name} of {found.name} has not the sha256 that the hub says",
            "it was thrown away; the same command fetches it again",
        )
    os.replace(part, target)


def _is_whole(path: Path, file: File) -> bool:
    if not path.is_file() or path.stat().st_size != file.size:
        return False
    return not file.sha256 or sha256_of(path) == file.sha256


def sized(size: int) -> str:
    """Bytes for people."""
    return f"{size / 1e9:.2f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"


def _of(file: File, part: str) -> bool:
    return file.name.startswith(f"{part}/") and file.name.count("/") == 1


def _stem(file: File) -> str:
    """A weight's name without its folder, its ending, and which shard it is."""
    return _SHARD.sub("", file.name.rpartition("/")[2].removesuffix(SUFFIX))


def _index(file: File, half: bool) -> bool:
    """Whether the file says which shard has what, of the weights that are taken."""
    return file.name.endswith(".safetensors.index.json" if not half else ".index.fp16.json")


def _names(files: list[File]) -> str:
    some = ", ".join(sorted(file.name for file in files)[:8]) or "no .safetensors file at all"
    return f"it has {some}; name one with --file"


def _unreachable() -> tuple[type[Exception], ...]:
    """What the hub's client raises where the network fails: what its own errors are made of, which
    names the HTTP library that this version of it has."""
    from huggingface_hub.errors import HfHubHTTPError

    bases = [base for base in HfHubHTTPError.__bases__ if issubclass(base, Exception)]
    return (RuntimeError, *bases)


def _short(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
