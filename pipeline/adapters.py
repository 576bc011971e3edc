"""LoRA, ControlNet and IP-Adapter files: what is in one, by its safetensors header alone, and
whether it goes with a model.

Owns reading headers of files in the inbox, and what a manifest is told of them. Never loads a
weight and never imports torch. The layouts are `pipeline.lora`'s, `pipeline.control`'s and
`pipeline.ip_adapter`'s.
"""

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec

from pipeline import control, ip_adapter
from pipeline.core.adapters import AdapterFile
from pipeline.core.ip_adapters import IpAdapter
from pipeline.lora import Body, Misfit, Shape, Unreadable, layers_of, match
from pipeline.pictures import sha256_of

LARGEST_HEADER = 16 * 2**20
"""Bytes; that of a LoRA for a large model has less than one million."""
_LFS = b"version https://git-lfs"
_PARTS = ("unet", "text_encoder", "text_encoder_2")
Header = dict[str, Shape]
Attentions = tuple[Shape, ...]
"""Of a model: the shapes (hidden, text) of its cross attentions, in the order of diffusers."""
NO_BODIES: Mapping[str, Body] = MappingProxyType({})
NO_ATTENTIONS: Mapping[str, Attentions] = MappingProxyType({})


class Adapters:
    """What the files in an inbox are as LoRAs and IP-Adapters of models, given by their sha256.

    A file is read once, as long as its size and time of change stay.
    """

    def __init__(
        self,
        bodies: Mapping[str, Body] = NO_BODIES,
        attentions: Mapping[str, Attentions] = NO_ATTENTIONS,
    ) -> None:
        self._bodies = bodies
        self._attentions = attentions
        self._known: dict[str, tuple[tuple[int, int, int], AdapterFile]] = {}

    def describe(self, path: Path) -> AdapterFile | None:
        """What the file is, or None if it changed meanwhile: try again later.

        Raises OSError if it cannot be read, FileNotFoundError if it is no plain file.
        """
        before = path.stat()
        if not stat.S_ISREG(before.st_mode):
            raise FileNotFoundError(f"{path} is not a plain file")
        mark = (before.st_size, before.st_mtime_ns, before.st_ino)
        known = self._known.get(str(path))
        if known is not None and known[0] == mark:
            return known[1]
        described = self._read(path)
        after = path.stat()
        if mark != (after.st_size, after.st_mtime_ns, after.st_ino):
            return None
        self._known[str(path)] = mark, described
        return described

    def _read(self, path: Path) -> AdapterFile:
        try:
            header, metadata = read_header(path)
            if control.is_controlnet(header):
                return self._control(path, header)
        except Unreadable as unreadable:
            return AdapterFile(fault=str(unreadable))
        try:
            layers = layers_of(header, metadata)
        except Unreadable as unreadable:
            prompting = None
            if ip_adapter.is_one(header):
                prompting = adapter_of(header, sha256_of(path), self._attentions)
            return AdapterFile(fault=str(unreadable), prompting=prompting)
        unfit = {}
        for model, body in self._bodies.items():
            try:
                match(layers, body)
            except Misfit as misfit:
                unfit[model] = str(misfit)
        return AdapterFile(sha256=sha256_of(path), unfit=unfit)

    def _control(self, path: Path, header: Header) -> AdapterFile:
        """A ControlNet, which is told of by whoever asks for a LoRA."""
        whatever = control.why_not(header)
        found = {
            model: whatever or control.misfit(header, body) for model, body in self._bodies.items()
        }
        return AdapterFile(
            sha256=sha256_of(path),
            fault="it is no LoRA but a ControlNet; name it in control, with a picture",
            unfit={model: why for model, why in found.items() if why},
            control=True,
        )


def adapter_of(header: Header, sha256: str, known: Mapping[str, Attentions]) -> IpAdapter:
    """What a file with this header is, for models by the sha256 of each, given by their cross
    attentions."""
    try:
        layout = ip_adapter.layout_of(header)
    except Unreadable as unreadable:
        return IpAdapter(fault=str(unreadable))
    unfit = {}
    for model, theirs in known.items():
        try:
            ip_adapter.match(layout, theirs)
        except Misfit as misfit:
            unfit[model] = str(misfit)
    return IpAdapter(sha256=sha256, unfit=unfit, width=layout.width, deep=layout.deep)


def read_header(path: Path) -> tuple[Header, dict[str, str]]:
    """The shapes of a safetensors file's tensors by name, and its metadata.

    Format: https://huggingface.co/docs/safetensors/index#format

    Raises:
        Unreadable: it is none, or not whole.
        OSError: it cannot be read.
    """
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        start = stream.read(8)
        length = int.from_bytes(start, "little")
        rest = stream.read(min(length, size, LARGEST_HEADER))
    if (start + rest[: len(_LFS)]).startswith(_LFS):
        raise Unreadable("it is a Git LFS pointer and not the file itself; run `git lfs pull`")
    if start[:2] in (b"PK", b"\x80\x02", b"\x80\x04"):
        raise Unreadable("it is a pickle under another name, which can run any code")
    broken = Unreadable("it is cut short or damaged; copy or download it again")
    if len(start) < 8 or len(rest) < length:
        raise broken
    try:
        found = msgspec.json.decode(rest, type=dict[str, dict[str, Any]])
        metadata = {str(k): str(v) for k, v in found.pop("__metadata__", {}).items()}
        header = {name: tuple(map(int, entry["shape"])) for name, entry in found.items()}
        end = max((entry["data_offsets"][1] for entry in found.values()), default=0)
    except (msgspec.MsgspecError, LookupError, TypeError, ValueError):
        raise broken from None
    if size != 8 + length + end:
        raise broken
    return header, metadata


def body_of(model: Path) -> Body:
    """The layers of a model in a diffusers folder, by its files' headers.

    Raises:
        Unreadable, OSError: a file of it cannot be read.
    """
    parts: dict[str, dict[str, tuple[int, ...]]] = {}
    for part in _PARTS:
        for file in sorted((model / part).glob("*.safetensors")):
            header, _ = read_header(file)
            parts.setdefault(part, {}).update(header)
    config = model / "unet/config.json"
    said = msgspec.json.decode(config.read_bytes()) if config.is_file() else {}
    layers = said.get("layers_per_block", 2)
    return Body.of(parts, layers_per_block=layers if isinstance(layers, int) else 2)


def bodies(models: Mapping[str, Path]) -> dict[str, Body]:
    """The bodies of models, by their sha256; one that is in no folder is left out, and its LoRAs
    are compared when they are loaded."""
    return {sha256: body_of(path) for sha256, path in models.items() if path.is_dir()}


def attentions(models: Mapping[str, Path]) -> dict[str, Attentions]:
    """The cross attentions of models, folders or files, by their sha256; one that is not there is
    left out.

    Raises:
        Unreadable, OSError: a file of one cannot be read.
    """
    found: dict[str, Attentions] = {}
    for sha256, model in models.items():
        files = [model] if model.is_file() else sorted((model / "unet").glob("*.safetensors"))
        header: Header = {}
        for file in files:
            header.update(read_header(file)[0])
        if layers := ip_adapter.attentions_of(header):
            found[sha256] = layers
    return found
