"""The files that a picture was drawn with, found again in an inbox by what is in them.

Owns finding and copying them: LoRAs, ControlNets, IP-Adapters and pictures. Nothing that a picture
says of itself names a file that is read; only its sha256 does.
"""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from pipeline import rasters
from pipeline.adapters import Adapters
from pipeline.core.adapters import inside, is_adapter_file
from pipeline.core.pictures import SUFFIXES, drawn_stem, is_picture_file
from pipeline.core.resolved import Likeness, Picture, Resolved
from pipeline.errors import AnimeError
from pipeline.inbox import files
from pipeline.pictures import sha256_of
from pipeline.telling import clean


class NotDrawn(AnimeError):
    """A picture could not be drawn again."""


class _Wanted(Struct, frozen=True, kw_only=True):
    """`file` is where it stood; `kind` is what it is, for people."""

    kind: str
    file: str
    sha256: str


def borrow(resolved: Resolved, inbox: Path | None, folder: Path) -> Resolved:
    """The same inputs, whose files are copies in `folder`, each where it stood in the inbox.

    Raises NotDrawn if one is not in the inbox.
    """
    wanted = list(_wanted(resolved))
    if not wanted:
        return resolved
    found = _found(wanted, inbox)
    stand: dict[tuple[str, str], str] = {}
    for number, each in enumerate(wanted):
        if each.sha256 not in found:
            where = f"the inbox {inbox}" if inbox is not None else "any inbox"
            raise NotDrawn(
                f"it was drawn with the {each.kind} {clean(each.file)} ({each.sha256[:12]}), which "
                f"is not in {where}", "put that file into it"
            )  # fmt: skip
        place = _place(each, number)
        stand[each.file, each.sha256] = place
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(found[each.sha256], folder / place)
    return _moved(resolved, lambda file, sha256: stand[file, sha256])


def _wanted(resolved: Resolved) -> Iterator[_Wanted]:
    for adapter in resolved.adapters:
        yield _Wanted(kind="LoRA", file=adapter.file, sha256=adapter.sha256)
    for control in resolved.controls:
        yield _Wanted(kind="ControlNet", file=control.file, sha256=control.sha256)
    for likeness in resolved.likenesses:
        if likeness.file:  # That of the settings is where they say.
            yield _Wanted(kind="IP-Adapter", file=likeness.file, sha256=likeness.adapter)
    for picture in resolved.pictures:
        yield _Wanted(kind="picture", file=picture.file, sha256=picture.sha256)


def _found(wanted: list[_Wanted], inbox: Path | None) -> dict[str, Path]:
    """By sha256 where such a file is."""
    if inbox is None:
        return {}
    found: dict[str, Path] = {}
    known, sought = Adapters(), {each.sha256 for each in wanted}
    weights = any(each.kind != "picture" for each in wanted)
    pictures = any(each.kind == "picture" for each in wanted)
    for raw in files.walk(inbox, "", lambda *_: None):
        wants = (weights and is_adapter_file(raw)) or (pictures and is_picture_file(raw))
        if not wants or files.signature(inbox, raw) is None:
            continue
        path = inbox / raw
        sha256 = _sha256(path, known)
        if sha256 in sought:
            found.setdefault(sha256, path)
    for each in wanted:
        # One that was drawn here is not looked for, but may stand where it stood.
        below = inside(each.file) if drawn_stem(each.file) is not None else None
        if below is not None and files.signature(inbox, below) is not None:
            path = inbox / below
            if path.is_file() and not path.is_symlink() and sha256_of(path) == each.sha256:
                found.setdefault(each.sha256, path)
    return found


def _sha256(path: Path, known: Adapters) -> str:
    """That of a file of weights or a picture which can be drawn with; of others ''."""
    if not is_adapter_file(path.name):
        picture = rasters.describe(path)
        return picture.sha256 if picture is not None else ""
    described = known.describe(path)
    if described is None:
        return ""
    return described.sha256 or (described.prompting.sha256 if described.prompting else "")


def _place(wanted: _Wanted, number: int) -> str:
    """Where the file stands there: as in the inbox, so that the new picture says the same."""
    place = inside(wanted.file)
    suffixes = SUFFIXES if wanted.kind == "picture" else (".safetensors",)
    if place is not None and place.lower().endswith(suffixes):
        return place
    return f"{number}{suffixes[0]}"


def _moved(resolved: Resolved, stand: Callable[[str, str], str]) -> Resolved:
    def picture(of: Picture) -> Picture:
        return replace(of, file=stand(of.file, of.sha256))

    def likeness(of: Likeness) -> Likeness:
        file = of.file and stand(of.file, of.adapter)
        return replace(of, file=file, pictures=tuple(map(picture, of.pictures)))

    source = resolved.source
    if source is not None:
        mask = picture(source.mask) if source.mask is not None else None
        source = replace(source, picture=picture(source.picture), mask=mask)
    return replace(
        resolved,
        adapters=tuple(replace(a, file=stand(a.file, a.sha256)) for a in resolved.adapters),
        source=source,
        controls=tuple(
            replace(c, file=stand(c.file, c.sha256), picture=picture(c.picture))
            for c in resolved.controls
        ),
        likenesses=tuple(map(likeness, resolved.likenesses)),
    )
