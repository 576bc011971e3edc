"""Where a node has the weights of the head: models, LoRAs, ControlNets, IP-Adapters.

Owns where is looked, and that what is found there is the very one, by its sha256. Weights never
travel: whoever owns a node copies them there. Never loads one, and writes nothing but the cache of
hashes.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from pipeline import disk
from pipeline.cluster.words import Lack, Weights
from pipeline.errors import AnimeError
from pipeline.hashes import Hashes
from pipeline.model import Told, check, describe
from pipeline.modelfiles import ModelFiles
from pipeline.references import encoder_sha256

FOLDERS: Final = "ANIME_NODE_WEIGHTS"
"""The variable of a node's environment that names folders of weights, with `:` between."""
PACKAGE: Final = Path(__file__).resolve().parents[1]
"""Where this program stands, with the model that comes with it."""


def folders_in(environ: Mapping[str, str]) -> tuple[Path, ...]:
    """The folders that a node's environment names; a relative one counts as none."""
    named = (Path(each) for each in environ.get(FOLDERS, "").split(os.pathsep))
    return tuple(each for each in named if each.is_absolute())


def cache_in(environ: Mapping[str, str]) -> Path | None:
    """Where a node remembers hashes, as XDG has it; None where there is no home."""
    cache = Path(environ.get("XDG_CACHE_HOME", ""))
    if not cache.is_absolute():
        if not environ.get("HOME"):
            return None
        cache = Path(environ["HOME"]) / ".cache"
    return cache / "anime" / "hashes.json"


class Places:
    """Looks on this node; `package` is where the head has this program, `cache` as for
    `pipeline.hashes.Hashes`."""

    def __init__(self, folders: tuple[Path, ...], package: Path, cache: Path | None) -> None:
        self._folders, self._package, self._cache = folders, package, cache
        self._hashes = Hashes(cache)

    def model(self, wanted: ModelFiles) -> ModelFiles | Lack:
        """The model as it stands here, with the files that it was told of."""
        told = self._told(wanted.told)
        why: list[str] = []
        for path in self.of(wanted.path):
            if not path.exists():
                why.append(f"nothing at {path}")
                continue
            try:
                check(path, told)
                found = describe(path, self._cache, told).sha256 if wanted.sha256 else ""
            except (AnimeError, OSError) as error:
                why.append(error.message if isinstance(error, AnimeError) else str(error))
                continue
            if found == wanted.sha256:
                return ModelFiles(path=path, told=told, sha256=wanted.sha256)
            why.append(f"{path} is another one ({found[:12]})")
        return Lack(called=f"model {wanted.path.name}", sha256=wanted.sha256, why="; ".join(why))

    def weights(self, wanted: Weights) -> Path | Lack:
        """Where those weights are here."""
        why: list[str] = []
        for path in self.of(wanted.path, wanted.file):
            try:
                found = (
                    encoder_sha256(path, self._hashes)
                    if wanted.what == "image encoder"
                    else self._hashes.of(path)
                )
            except OSError:
                why.append(f"nothing at {path}")
                continue
            if found == wanted.sha256:
                self._hashes.save()
                return path.resolve()
            why.append(f"{path} is another one ({found[:12]})")
        self._hashes.save()
        return Lack(called=wanted.called, sha256=wanted.sha256, why="; ".join(why))

    def of(self, path: Path, file: str = "") -> list[Path]:
        """Where something may be that the head has at `path`, and at `file` in its inbox, in the
        order in which it is looked for."""
        return list(dict.fromkeys(self._candidates(path, file)))

    def _candidates(self, path: Path, file: str) -> Iterator[Path]:
        if path.is_relative_to(self._package):
            yield PACKAGE / path.relative_to(self._package)
        yield path
        for folder in self._folders:
            if file and (below := disk.below(folder, file)) is not None:
                yield below
            yield folder / path.name

    def _told(self, told: Told) -> Told:
        """The same, of this node: where a file is nowhere it stays at its place on the head."""
        return replace(
            told, vae=self._there(told.vae), ip_adapter=self._there(told.ip_adapter),
            image_encoder=self._there(told.image_encoder),
        )  # fmt: skip

    def _there(self, path: Path | None) -> Path | None:
        if path is None:
            return None
        return next((each for each in self.of(path) if each.exists()), path)
