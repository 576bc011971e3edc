"""Keys: by what name a project, a character, a job and its pictures are known for ever.

A job's key is its manifest's path in the inbox without suffix, plus `#name` where the file holds
several documents. A project's key is the slug of its name, a character's is `project/slug`.
"""

import re
import unicodedata
from functools import lru_cache
from pathlib import PurePosixPath

MANIFEST_SUFFIXES = (".yaml", ".yml")
PROJECT_FILES = ("project.yaml", "project.yml")
"""A project declared by one of these owns the folder, and all below it."""
LONGEST_STEM = 224
"""Bytes of a picture's name before its number: a name may have 255, and `.take12.100.png`,
`.100-99.png` and `.error.txt` have to fit as well."""
_SHELF = ".pipeline/takes"


@lru_cache(maxsize=4096)
def slug(name: str) -> str:
    """A name as part of a path: NFC, lower case, letters and digits of any script, `-` between."""
    text = unicodedata.normalize("NFC", name).casefold()
    return unicodedata.normalize("NFC", re.sub(r"[\W_]+", "-", text).strip("-"))


def folder_of(file: str) -> str:
    """The folder a file stands in, relative to the inbox; the inbox itself is ''."""
    parent = str(PurePosixPath(file).parent)
    return "" if parent == "." else parent


def stem_of(file: str) -> str:
    """The path without the manifest's suffix."""
    path = PurePosixPath(unicodedata.normalize("NFC", file))
    return str(path.with_suffix("")) if path.suffix.lower() in MANIFEST_SUFFIXES else str(path)


def job_key(file: str, name: str | None, *, several: bool) -> str:
    """`show/rooftop`, or `show/rooftop#dawn` in a file of several documents."""
    return f"{stem_of(file)}#{slug(name)}" if several and name else stem_of(file)


def character_key(project: str | None, name: str) -> str:
    """`project/slug`, or the bare slug for one that belongs to no project."""
    return f"{project}/{slug(name)}" if project else slug(name)


def picture_file(job: str, index: int, attempt: int = 1) -> str:
    """Where picture `index` (from 1) of a job stands: `stem[.name].NN.png`.

    `attempt` counts on where that name is taken by a file the journal does not own. Number 0 is the
    sheet of them all, `stem[.name].sheet.png`.
    """
    stem = job.replace("#", ".")
    return f"{stem}.{_numbered(index)}{f'-{attempt}' if attempt > 1 else ''}.png"


def _numbered(index: int) -> str:
    return f"{index:02d}" if index else "sheet"


def stem_bytes(job: str) -> int:
    """How long the names of a job's pictures are in bytes, without their number."""
    return len(job.rpartition("/")[2].encode("utf-8", "surrogateescape"))


def shelf_file(job: str, take: int, index: int) -> str:
    """Where a picture of an older take is kept once a newer one stands in its place."""
    return f"{_SHELF}/{job}.take{take}.{_numbered(index)}.png"


def on_shelf(file: str) -> bool:
    """Whether a picture stands on the shelf rather than beside its manifest."""
    return file.startswith(f"{_SHELF}/")


_STYLES, _WILDCARDS = "styles", "wildcards"
STYLE_SUFFIXES = (".csv", ".json")
WILDCARD_SUFFIX = ".txt"
REPORT_SUFFIX = ".error.txt"
"""How the names end of files that say what is wrong with another."""


def is_styles_file(file: str) -> bool:
    """Whether a file holds styles: `styles.csv`, `styles.json`, or one in a folder `styles`."""
    path = PurePosixPath(file)
    named = _STYLES in {path.stem, path.parent.name}
    return named and path.suffix in STYLE_SUFFIXES


def is_wildcard_file(file: str) -> bool:
    """Whether a file holds a wildcard's lines: `wildcards/name.txt`, or in a folder there; what
    is wrong with one is told beside it, and that is none."""
    path = PurePosixPath(file)
    named = path.suffix == WILDCARD_SUFFIX and not path.name.endswith(REPORT_SUFFIX)
    return named and _WILDCARDS in path.parent.parts


def scope_of(file: str) -> str:
    """The folder for whose jobs a file of styles or a wildcard holds, and for those below."""
    if is_wildcard_file(file):
        return f"/{file}".rpartition(f"/{_WILDCARDS}/")[0].lstrip("/")
    folder = folder_of(file)
    return folder_of(folder) if PurePosixPath(folder).name == _STYLES else folder


def wildcard_file(scope: str, name: str) -> str:
    """Where the lines of the wildcard `__name__` stand."""
    return f"{scope}/{_WILDCARDS}/{name}{WILDCARD_SUFFIX}".lstrip("/")


def wildcard_name(file: str) -> str:
    """By what name the lines of a wildcard's file are chosen: `hair`, `places/night`."""
    return f"/{file}".rpartition(f"/{_WILDCARDS}/")[2].removesuffix(WILDCARD_SUFFIX)


def folders_above(file: str) -> list[str]:
    """The folder of a file and all above it, nearest first, the inbox itself ('') last."""
    found = [folder_of(file)]
    while found[-1]:
        found.append(folder_of(found[-1]))
    return found
