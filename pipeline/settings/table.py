"""The table `models` of a settings file: which models manifests may name.

Owns its form. Each entry is a path, or a table of its own with what a model does not say itself.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pipeline.core.manifest import LONGEST_MODEL, MODEL_NAME
from pipeline.inbox.nearest import nearest
from pipeline.model import Told
from pipeline.modelfiles import ModelFiles
from pipeline.settings.origins import Fault, Given

MOST = 64
_KNOWN = ("path", "vae", "prediction", "zero_snr")
_WORDS = {"prediction": ("auto", "epsilon", "v_prediction"), "zero_snr": ("auto", "yes", "no")}
_FORM = 'write dream = "models/dream.safetensors", or dream = {path = "…", vae = "…"}'

_Find = Callable[[object], Path | None]
"""From what a file says to a path, or None where that is none."""


def read_models(given: Given, find: _Find) -> dict[str, ModelFiles] | list[Fault]:
    """The models by name, or everything that is wrong with the table."""
    if not isinstance(given.value, Mapping):
        message = "models must be a table of names and paths, in a file"
        return [
            Fault(origin=given.origin, message=message, hint=f"in anime.toml: [models], {_FORM}")
        ]
    faults: list[Fault] = []
    found: dict[str, ModelFiles] = {}
    if len(given.value) > MOST:
        message = f"models has {len(given.value)} entries, and {MOST} are the most"
        faults.append(Fault(origin=given.origin, message=message))
    for name, said in given.value.items():
        wrong, made = _entry(name, said, find)
        place = given.below.get(name, given.origin)
        faults += [Fault(origin=place, message=text, hint=hint) for text, hint in wrong]
        if made is not None:
            found[name] = made
    return faults or found


def _entry(name: str, said: object, find: _Find) -> tuple[list[tuple[str, str]], ModelFiles | None]:
    """One model, or what is wrong with it: message and hint."""
    where = f"models.{name}"
    wrong: list[tuple[str, str]] = []
    if not re.fullmatch(MODEL_NAME, name) or len(name) > LONGEST_MODEL:
        wrong.append((f"{where}: a model cannot have this name", "take letters, digits, . _ and -"))
    table = said if isinstance(said, Mapping) else {"path": said}
    for key in table:
        if key not in _KNOWN:
            near = nearest(str(key), _KNOWN)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(_KNOWN)}"
            wrong.append((f"{where} has no setting {key!r}", hint))
    path = find(table.get("path"))
    if path is None:
        wrong.append((f"{where} must be the path of a folder or a file", _FORM))
    vae = find(table["vae"]) if "vae" in table else None
    if "vae" in table and vae is None:
        wrong.append((f"{where}: vae must be the path of a file", ""))
    words: dict[str, Any] = {}
    for key, known in _WORDS.items():
        words[key] = table.get(key, "auto")
        if words[key] not in known:
            message = f"{where}: {key} must be {', '.join(known)}, not {words[key]!r}"
            wrong.append((message, "auto is what the model says of itself"))
    if wrong or path is None:
        return wrong, None
    return [], ModelFiles(path=path, told=Told(vae=vae, **words))
