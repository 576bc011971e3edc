"""Pictures of the inbox that manifests name: what the journal knows of one, and where it is found.

Pure: reads no file. What is in one is read by `pipeline.picture_files`. Only pictures that some
manifest names are looked at, since an inbox is full of those that were drawn.
"""

import unicodedata
from collections.abc import Iterator

from msgspec import Struct

from pipeline.core.adapters import inside
from pipeline.core.keys import folders_above
from pipeline.core.manifest import Character, Job, Manifest, reference_pictures

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
_FOLDER = "references"


class PictureFile(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A picture that a manifest names; `width` and `height` are in pixels, as they are stored.

    `fault` says why it is none that can be used, or is empty; it has no `sha256` then.
    """

    sha256: str = ""
    width: int = 0
    height: int = 0
    fault: str = ""


def is_picture_file(file: str) -> bool:
    """Whether a file may be a picture, by its name."""
    return file.lower().endswith(SUFFIXES)


def places(folders: list[str], name: str) -> Iterator[str]:
    """Where in the inbox the picture may stand that a manifest calls `name`, first choice first.

    `folders` are that of the manifest and all above it; each may have a folder `references`.
    """
    below = inside(unicodedata.normalize("NFC", name))
    if below is None or not is_picture_file(below):
        return
    for folder in folders:
        yield f"{folder}/{below}".lstrip("/")
        yield f"{folder}/{_FOLDER}/{below}".lstrip("/")


def named(manifest: Manifest) -> tuple[str, ...]:
    """The pictures that a manifest names."""
    if not isinstance(manifest, Character | Job):
        return ()
    return reference_pictures(manifest.reference)


def wanted(file: str, manifest: Manifest) -> Iterator[str]:
    """All places where a picture may stand that the manifest in `file` names."""
    for name in named(manifest):
        yield from places(folders_above(file), name)
