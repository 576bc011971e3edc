"""Models that `anime pull` has fetched: where they are kept, and which of them a name means.

Owns that folder's place, the user's own data folder. Never fetches anything.
"""

import re
from collections.abc import Mapping
from pathlib import Path

_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)


def is_id(text: object) -> bool:
    """Whether a text can be the name of a model on a hub: `ORG/NAME`."""
    return isinstance(text, str) and ".." not in text and _ID.fullmatch(text) is not None


def home(environ: Mapping[str, str]) -> Path | None:
    """Where fetched models are kept, or None if nobody's home is known.

    Source: https://specifications.freedesktop.org/basedir-spec/latest/
    """
    data = Path(environ.get("XDG_DATA_HOME", ""))
    if data.is_absolute():
        return data / "anime" / "models"
    own = environ.get("HOME")
    return Path(own) / ".local" / "share" / "anime" / "models" if own else None


def place(name: str, environ: Mapping[str, str]) -> Path | None:
    """Where the model of that name is kept, there or not; None as for `home`."""
    kept = home(environ)
    return kept.joinpath(*name.split("/")) if kept is not None else None


def pulled(text: object, environ: Mapping[str, str]) -> Path | None:
    """The model that was fetched under that name: its folder, or the one file that it is."""
    found = place(text, environ) if isinstance(text, str) and is_id(text) else None
    if found is None or not found.is_dir():
        return None
    files = sorted(found.glob("*.safetensors"))
    single = len(files) == 1 and not (found / "model_index.json").is_file()
    return files[0] if single else found
