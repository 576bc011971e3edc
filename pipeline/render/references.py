"""Reference pictures over weights that several processes share: layers beside them, never in them.

Owns a worker's own IP-Adapters: which are loaded, how much memory they and the image encoder may
take, and what is on the UNet while one picture is drawn. Each subject of a picture has a slot of
its own in diffusers' processors, with its words, weight and mask. Never writes to a weight of the
model; afterwards its processors are those that were there before.
"""

from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from diffusers.models.attention_processor import IPAdapterAttnProcessor2_0
from safetensors import safe_open
from torch import nn

from pipeline.adapters import read_header
from pipeline.core.resolved import Likeness
from pipeline.hashes import Hashes
from pipeline.ip_adapter import LAYERS, PROJECTION, attentions_of, layout_of, match
from pipeline.lora import Misfit, Unreadable
from pipeline.model import NOTHING_TOLD, Told
from pipeline.render.beside import AsTheyAre, Beside
from pipeline.render.columns import Columns
from pipeline.render.decoding import CannotUse, decoded, place
from pipeline.render.encoder import Encoder, Looked
from pipeline.render.model import Pipe

MOST_BYTES = 1 << 30
"""Of adapters and an encoder that are kept loaded although no picture needs them now."""
ENCODER = "encoder"


class _Adapter(NamedTuple):
    """What is loaded of a file: what makes words of an encoder's values, and the layers beside
    those of each cross attention, by its processor's name."""

    deep: bool
    projection: nn.Module
    beside: Mapping[str, IPAdapterAttnProcessor2_0]
    size: int


class _Subject(NamedTuple):
    """A likeness with all that showing it needs; `said` is of all its pictures, (pictures, …)."""

    likeness: Likeness
    adapter: _Adapter
    said: Looked


class References:
    """What one pipeline can be shown; of too much, what was needed longest ago goes first."""

    def __init__(self, pipe: Pipe, told: Told = NOTHING_TOLD, *, most: int = MOST_BYTES) -> None:
        self._pipe = pipe
        self._told = told
        self._most = most
        self._hashes = Hashes(None)
        self._adapters: dict[str, _Adapter] = {}
        self._encoder = Encoder(told.image_encoder, pipe.unet, self._hashes)
        self._subjects: list[_Subject] = []
        self.shown: tuple[Likeness, ...] = ()

    @property
    def kept(self) -> dict[str, int]:
        """Bytes of each adapter that is loaded, by its sha256, longest unneeded first; and of the
        encoder, under its own name."""
        adapters = {sha256: adapter.size for sha256, adapter in self._adapters.items()}
        return adapters | ({ENCODER: self._encoder.size} if self._encoder.size else {})

    def show(self, likenesses: Sequence[Likeness], root: Path) -> None:
        """From now on pictures are drawn after these and no others; files are below `root`.

        Raises:
            CannotUse: one of them cannot be had; then none is shown.
        """
        self.shown, self._subjects = (), []
        needed = {likeness.adapter for likeness in likenesses}
        self._subjects = [self._subject(likeness, root, needed) for likeness in likenesses]
        self._make_room(needed)
        self.shown = tuple(likenesses)

    @contextmanager
    def applied(self, width: int, height: int, *, guided: bool) -> Iterator[dict[str, Any]]:
        """While this lasts, the UNet sees what is shown; gives what a pipeline of diffusers is to
        be called with besides. `width` and `height` are the picture's, in pixels."""
        if not self._subjects:
            yield {}
            return
        unet = self._pipe.unet
        config = unet.config
        words = [_words(subject, guided) for subject in self._subjects]
        before = dict(unet.attn_processors), unet.encoder_hid_proj, config.encoder_hid_dim_type
        unet.set_attn_processor({**before[0], **self._processors(words, width, height)})
        # The words are made already, once for all steps.
        unet.encoder_hid_proj, config.encoder_hid_dim_type = AsTheyAre(), "ip_image_proj"
        try:
            yield {"ip_adapter_image_embeds": words}
        finally:
            unet.set_attn_processor(before[0])
            unet.encoder_hid_proj, config.encoder_hid_dim_type = before[1:]

    def _processors(
        self, words: Sequence[torch.Tensor], width: int, height: int
    ) -> dict[str, nn.Module]:
        """A processor for each cross attention, with a slot for each subject."""
        pipe, subjects = self._pipe, self._subjects
        columns = Columns(
            [subject.likeness for subject in subjects], width, height, pipe.vae_scale_factor,
            pipe.unet.device,
        )  # fmt: skip
        weights = [subject.likeness.weight for subject in subjects]
        return {
            name: Beside([subject.adapter.beside[name] for subject in subjects], weights,
                          [each.shape[2] for each in words], columns)
            for name in subjects[0].adapter.beside
        }  # fmt: skip

    def _subject(self, likeness: Likeness, root: Path, needed: Set[str]) -> _Subject:
        if likeness.adapter not in self._adapters:
            self._make_room(needed)
            self._adapters[likeness.adapter] = self._load(likeness, root)
        adapter = self._adapters[likeness.adapter] = self._adapters.pop(likeness.adapter)
        said = self._encoder.say(
            [picture.sha256 for picture in likeness.pictures], likeness.encoder, deep=adapter.deep,
            images=lambda: [decoded(picture, root) for picture in likeness.pictures],
        )  # fmt: skip
        return _Subject(likeness, adapter, said)

    def _make_room(self, needed: Set[str]) -> None:
        """Let go of what is not `needed` now, the encoder last, until the rest fits."""
        for sha256 in [each for each in self._adapters if each not in needed]:
            if sum(self.kept.values()) <= self._most:
                return
            del self._adapters[sha256]
        if sum(self.kept.values()) > self._most:
            self._encoder.forget()

    def _load(self, likeness: Likeness, root: Path) -> _Adapter:
        own = self._told.ip_adapter
        path = place(likeness.file, root, "IP-Adapter") if likeness.file else own
        called = f"the IP-Adapter {likeness.file or (own.name if own else 'of the settings')}"
        if path is None:
            raise CannotUse(
                "a reference needs an IP-Adapter, and none is named", "say ip_adapter in anime.toml"
            )
        try:
            if self._hashes.of(path) != likeness.adapter:
                way = "wait until the new one has been seen" if likeness.file else "start again"
                raise CannotUse(
                    f"{called} is another one than when the job was read",
                    f"put the old one back, or {way}",
                )
            header, _ = read_header(path)
            layout = layout_of(header)
            unet = {n: tuple(p.shape) for n, p in self._pipe.unet.named_parameters()}
            match(layout, attentions_of(unet))
        except OSError as error:
            raise CannotUse(f"{called} cannot be read: {error.strerror or error}") from error
        except (Unreadable, Misfit) as error:
            raise CannotUse(f"{called} cannot be used: {error}") from error
        return self._loaded(path, deep=layout.deep)

    def _loaded(self, path: Path, *, deep: bool) -> _Adapter:
        """As diffusers reads it, but that nothing is put onto the UNet: the two methods are what
        its `load_ip_adapter` comes to."""
        unet = self._pipe.unet
        parts: dict[str, dict[str, torch.Tensor]] = {PROJECTION: {}, LAYERS: {}}
        with safe_open(path, framework="pt", device="cpu") as file:
            for part, tensors in parts.items():
                for name in file.keys():  # noqa: SIM118 - it is no mapping
                    if name.startswith(part):
                        # Copied: a mapped file that somebody writes to changes, or is gone.
                        tensors[name.removeprefix(part)] = file.get_tensor(name).clone()
        states = {"image_proj": parts[PROJECTION], "ip_adapter": parts[LAYERS]}
        try:
            projection = unet._convert_ip_adapter_image_proj_to_diffusers(states["image_proj"])
            every = unet._convert_ip_adapter_attn_to_diffusers([states])
            beside = {
                name: processor.to(unet.device, unet.dtype)
                for name, processor in every.items()
                if isinstance(processor, IPAdapterAttnProcessor2_0)
            }
            projection = projection.to(unet.device, unet.dtype)
        except (LookupError, ValueError, RuntimeError) as error:
            raise CannotUse(
                f"the IP-Adapter {path.name} cannot be used: {error}", "copy or download it again"
            ) from error
        modules = [projection, *beside.values()]
        for module in modules:
            module.eval().requires_grad_(False)
        size = sum(tensor.nbytes for module in modules for tensor in module.parameters())
        return _Adapter(deep=deep, projection=projection, beside=beside, size=size)


def _words(subject: _Subject, guided: bool) -> torch.Tensor:
    """A subject as words, (rows, 1, words, text): of the negative, if there is one, and its own.

    The words of its pictures stand one after another, so that they are attended to together.
    """
    own, against = subject.said
    said = torch.stack([against, own] if guided else [own])
    with torch.inference_mode():
        words = subject.adapter.projection(said.flatten(0, 1))
    rows, text = said.shape[0], words.shape[-1]
    return words.reshape(rows, 1, -1, text)  # type: ignore[no-any-return]
