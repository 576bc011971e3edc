"""LoRAs over weights that several processes share: as layers beside them, never merged into them.

Owns a worker's own adapters: which are loaded, which of them a picture is drawn with, and how much
memory they may take. How one becomes layers is `pipeline.render.layers`', which brings PEFT along:
it is imported with the first LoRA, since it takes as long as all of torch. Never writes to a weight
of the model, and loads on the thread that draws.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from safetensors import safe_open
from torch import nn

from pipeline import disk
from pipeline.adapters import read_header
from pipeline.core.resolved import Adapter
from pipeline.errors import AnimeError
from pipeline.lora import Body, Misfit, Unreadable, layers_of, match
from pipeline.pictures import sha256_of
from pipeline.render.model import Pipe

PARTS = ("unet", "text_encoder", "text_encoder_2")
MOST_BYTES = 1 << 30
"""Of adapters that are kept loaded although no picture needs them now."""


class CannotWear(AnimeError):
    """A LoRA is not there any more, is another one by now, or does not go with the model."""

    exit_code: ClassVar[int] = 1


class Wardrobe:
    """The adapters of one pipeline; of too many, those worn longest ago go first."""

    def __init__(self, pipe: Pipe, *, most: int = MOST_BYTES) -> None:
        self._parts: dict[str, nn.Module] = {
            name: part for name in PARTS if (part := getattr(pipe, name, None)) is not None
        }
        self._layers_per_block = _layers_per_block(pipe)
        self._most = most
        self._sizes: dict[str, int] = {}
        self.worn: tuple[Adapter, ...] = ()

    @property
    def kept(self) -> dict[str, int]:
        """Bytes of each adapter that is loaded, by its file's sha256, longest unworn first."""
        return dict(self._sizes)

    def wear(self, adapters: Sequence[Adapter], root: Path) -> None:
        """From now on pictures are drawn with these and no others; their files are below `root`.

        Raises:
            CannotWear: one of them cannot be had; then none is worn.
        """
        self._activate(())
        for adapter in adapters:
            if adapter.sha256 not in self._sizes:
                self._make_room(adapters)
                self._sizes[adapter.sha256] = self._load(adapter, root)
            self._sizes[adapter.sha256] = self._sizes.pop(adapter.sha256)
        self._make_room(adapters)
        self._activate(adapters)

    def _make_room(self, wanted: Sequence[Adapter]) -> None:
        needed = {adapter.sha256 for adapter in wanted}
        for name in [name for name in self._sizes if name not in needed]:
            if sum(self._sizes.values()) <= self._most:
                return
            self._forget(name)

    def _forget(self, name: str) -> None:
        self._sizes.pop(name, None)
        from pipeline.render import layers

        for part in self._parts.values():
            layers.forget(part, name)

    def _activate(self, adapters: Sequence[Adapter]) -> None:
        layers = sys.modules.get("pipeline.render.layers")
        if layers is not None:  # Else no LoRA was ever loaded, and there is nothing to switch.
            for part in self._parts.values():
                layers.activate(part, adapters)
        self.worn = tuple(adapters)

    def _load(self, adapter: Adapter, root: Path) -> int:
        from pipeline.render import layers

        path = _place(adapter, root)
        try:
            if sha256_of(path) != adapter.sha256:
                raise CannotWear(
                    f"the LoRA {adapter.file} is another one than when the job was read",
                    "put the old one back, or wait until the new one has been seen",
                )
            header, metadata = read_header(path)
            fitted = match(layers_of(header, metadata), self._body())
        except OSError as error:
            raise CannotWear(
                f"the LoRA {adapter.file} cannot be read: {error.strerror or error}"
            ) from error
        except (Unreadable, Misfit) as error:
            raise CannotWear(f"the LoRA {adapter.file} cannot be used: {error}") from error
        try:
            with safe_open(path, framework="pt", device="cpu") as file:
                return sum(
                    layers.inject(part, adapter.sha256, of_part, file)
                    for name, part in self._parts.items()
                    if (of_part := [each for each in fitted if each.layer.part == name])
                )
        except BaseException as error:
            self._forget(adapter.sha256)  # Half an adapter is none.
            if isinstance(error, Misfit):
                raise CannotWear(f"the LoRA {adapter.file} cannot be used: {error}") from error
            raise

    def _body(self) -> Body:
        shapes = {
            name: {tensor: tuple(value.shape) for tensor, value in part.named_parameters()
                   if ".lora_" not in tensor}
            for name, part in self._parts.items()
        }  # fmt: skip
        return Body.of(shapes, layers_per_block=self._layers_per_block)


def _place(adapter: Adapter, root: Path) -> Path:
    """Where its file is; a link that leads out of the inbox is not followed."""
    path = disk.below(root, adapter.file)
    if path is None:
        raise CannotWear(
            f"the LoRA {adapter.file!r} is outside the inbox", "copy it into the inbox"
        )
    return path


def _layers_per_block(pipe: Pipe) -> int:
    layers = pipe.unet.config.layers_per_block
    return layers if isinstance(layers, int) else 2
