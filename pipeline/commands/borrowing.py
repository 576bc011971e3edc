"""The files that a picture was drawn with, brought to where it is drawn again.

Owns finding them in an inbox: by what is in them, since nothing that a picture says names a file.
Copies, and changes nothing there.
"""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from msgspec.structs import replace

from pipeline import picture_files
from pipeline.adapters import Adapters
from pipeline.core.adapters import SUFFIX, inside, is_adapter_file
from pipeline.core.pictured import is_picture_file
from pipeline.core.resolved import Likeness, Resolved
from pipeline.errors import AnimeError
from pipeline.inbox import files
from pipeline.telling import clean


class NotDrawn(AnimeError):
    """The picture could not be drawn."""


def borrow(asked: Resolved, inbox: Path | None, folder: Path) -> Resolved:
    """The inputs with their LoRAs, reference pictures and IP-Adapters below `folder`, copied there
    from an inbox: where they stood, so that the new picture says the same.

    Raises NotDrawn if one is not in the inbox.
    """
    found = _Found(inbox, folder)
    adapters = tuple(
        replace(adapter, file=found.copied("LoRA", adapter.file, adapter.sha256))
        for adapter in asked.adapters
    )
    likenesses = tuple(_likeness(each, found) for each in asked.likenesses)
    return replace(asked, adapters=adapters, likenesses=likenesses)


def _likeness(likeness: Likeness, found: "_Found") -> Likeness:
    pictures = tuple(
        replace(picture, file=found.copied("picture", picture.file, picture.sha256))
        for picture in likeness.pictures
    )
    # That of the settings is where they say.
    own = likeness.file and found.copied("IP-Adapter", likeness.file, likeness.adapter)
    return replace(likeness, pictures=pictures, file=own)


class _Found:
    """Looks through the inbox once for weights and once for pictures, if it is asked for any."""

    def __init__(self, inbox: Path | None, folder: Path) -> None:
        self._inbox, self._folder = inbox, folder
        self._known: dict[str, dict[str, Path]] = {}
        self._copied = 0

    def copied(self, kind: str, file: str, sha256: str) -> str:
        """Where the copy stands, relative to the folder."""
        is_picture = kind == "picture"
        look = self._pictures if is_picture else self._weights
        known = self._known.setdefault("pictures" if is_picture else "weights", {})
        if not known:
            known.update((content, path) for content, path in look())
        if sha256 not in known:
            raise NotDrawn(
                f"it was drawn with the {kind} {clean(file)} ({sha256[:12]}), which is not in the "
                f"inbox {self._inbox}", "put that file into it"
            )  # fmt: skip
        self._copied += 1
        place = inside(file)
        fits = is_picture_file if is_picture else is_adapter_file
        if place is None or not fits(place):
            place = f"{self._copied}{known[sha256].suffix if is_picture else SUFFIX}"
        (self._folder / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(known[sha256], self._folder / place)
        return place

    def _weights(self) -> Iterator[tuple[str, Path]]:
        adapters = Adapters()
        for path in self._walk(is_adapter_file):
            described = adapters.describe(path)
            if described is not None and described.sha256:
                yield described.sha256, path
            elif described is not None and described.prompting is not None:
                yield described.prompting.sha256, path

    def _pictures(self) -> Iterator[tuple[str, Path]]:
        for path in self._walk(is_picture_file):
            described = picture_files.describe(path)
            if described is not None and described.sha256:
                yield described.sha256, path

    def _walk(self, fits: Callable[[str], bool]) -> Iterator[Path]:
        if self._inbox is None:
            return
        for raw in files.walk(self._inbox, "", lambda *_: None, fits):
            if fits(raw) and files.signature(self._inbox, raw) is not None:
                yield self._inbox / raw
