"""The models of a run: which they are, which can be had, and where they stand.

Owns looking at all models of the settings at the start, without loading one. A model that only some
manifests name and that is not there stops nobody else.
"""

from pathlib import Path
from typing import Any

from msgspec import Struct

from pipeline import references
from pipeline.adapters import Adapters, attentions, bodies
from pipeline.core.ip_adapters import ReferenceModel
from pipeline.core.resolved import Model, Offered
from pipeline.hashes import Hashes
from pipeline.lora import Unreadable
from pipeline.model import describe
from pipeline.modelfiles import ModelFiles, weights_in
from pipeline.settings import Settings
from pipeline.weights import ModelError


class Stock(Struct, frozen=True, kw_only=True):
    """`usual` draws what names none, and `offered` are those that manifests may name. `files` and
    `weights`, of which there are so many, are by the sha256 of all that can be had."""

    usual: Model
    offered: tuple[Offered, ...]
    files: dict[str, ModelFiles]
    weights: dict[str, int]
    reference_model: ReferenceModel | None = None
    """What shows reference pictures to them."""

    @property
    def adapters(self) -> Adapters:
        """What files of weights are, for these models."""
        paths = {sha256: files.path for sha256, files in self.files.items()}
        return Adapters(bodies(paths), attentions(paths))

    @property
    def others(self) -> tuple[ModelFiles, ...]:
        """All but the usual one."""
        return tuple(f for sha256, f in self.files.items() if sha256 != self.usual.sha256)

    @property
    def started(self) -> dict[str, Any]:
        """The fields of the event of a run that begins."""
        return {
            "model": self.usual,
            "models": self.offered,
            "reference_model": self.reference_model,
        }


def take_stock(settings: Settings, hashes: Path | None = None) -> Stock:
    """The models that the settings name; `hashes` is the cache of `pipeline.model.describe`.

    Raises:
        ModelError: the usual one is not there or not whole.
    """
    usual = describe(settings.model, hashes, settings.told)
    files = {usual.sha256: _known(settings.usual, usual.sha256)}
    offered = []
    for name, each in settings.models.items():
        try:
            model = describe(each.path, hashes, each.told)
            bodies({model.sha256: each.path})
            attentions({model.sha256: each.path})
        except (ModelError, Unreadable, OSError) as error:
            offered.append(Offered(name=name, error=_said(error)))
        else:
            offered.append(Offered(name=name, model=model))
            files.setdefault(model.sha256, _known(each, model.sha256))
    known = Hashes(hashes)
    shown_by = references.describe(
        settings.told, {sha256: each.path for sha256, each in files.items()}, known
    )
    known.save()
    return Stock(
        usual=usual,
        reference_model=shown_by,
        offered=tuple(offered),
        files=files,
        weights={sha256: weights_in(each) for sha256, each in files.items()},
    )


def _known(files: ModelFiles, sha256: str) -> ModelFiles:
    return ModelFiles(path=files.path, told=files.told, sha256=sha256)


def _said(error: Exception) -> str:
    if isinstance(error, ModelError):
        return f"{error.message}; {error.hint}" if error.hint else error.message
    return f"{type(error).__name__}: {error}"
