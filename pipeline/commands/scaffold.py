"""What `anime init` and `anime new` write: an inbox, and manifests to begin with.

Owns the texts. Never overwrites a file, and every manifest it writes passes `anime check` as it is.
"""

import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from pipeline.commands.placing import Place, home_of, place_of
from pipeline.commands.schema import keep, modeline
from pipeline.core.keys import character_key, slug
from pipeline.core.state import State
from pipeline.core.styles import PRESETS
from pipeline.errors import AnimeError
from pipeline.settings import INBOX_FILE

_STYLES = ", ".join(PRESETS)

README = """\
# An anime inbox

Drop manifests (`.yaml`) anywhere in this folder; pictures appear beside them.

    anime run --inbox .            watch it and draw
    anime check .                  what is wrong with the manifests, without drawing
    anime new job Rooftop          a manifest to begin with

A folder with a `project.yaml` is a project: its style and defaults hold for all below it.
What is wrong with `x.yaml` stands in `x.error.txt` beside it, until you have mended it.
The program never moves, edits or deletes a manifest of yours, and overwrites no picture that it
did not draw. Its own notes are in `.pipeline/`; do not edit them.
"""

GITIGNORE = """\
# What anime writes. Manifests and your own pictures stay tracked.
.pipeline/
.anime-*.part
*.error.txt
# Its pictures: rooftop.01.png, and rooftop.01-2.png where that name was taken.
*.[0-9][0-9].png
*.[0-9][0-9]-[0-9]*.png
*.[0-9][0-9][0-9].png
*.[0-9][0-9][0-9]-[0-9]*.png
*.sheet.png
*.sheet-[0-9]*.png
"""

SETTINGS = """\
# Settings of this inbox. Flags, ANIME_… variables and ~/.config/anime/config.toml come before it.
# Host, port, token, names and cluster cannot be set here: an inbox may come from somebody else.

# model = "models/my-model"     # a diffusers folder or a .safetensors file, relative to this file,
                                # or ORG/NAME, once `anime pull ORG/NAME` has fetched it
# vae = "vae.safetensors"       # in place of the model's own
# prediction = "auto"           # or epsilon, v_prediction: where the model does not say it itself
# zero_snr = "auto"             # or yes, no: the same
# ip_adapter = "ip-adapter_sd15.safetensors"  # shows reference pictures to the model; made for it
# image_encoder = "image_encoder"             # the folder that comes with it
# models_resident = 0           # so many of [models], at the end, are held at once; 0: what fits
# workers = 3
# device = "auto"               # auto, cpu or cuda
# threads = 0                   # CPU threads of each worker; 0 shares the cores out
# batch = 1                     # pictures that a worker draws at once, where they are alike
# denoising = 0                 # so many workers denoise at once, the others decode; 0: all
# start_method = "fork"         # or spawn: each worker imports everything for itself
# on_start = "run"              # or paused
# pause_after = 3               # so many jobs that fail in a row pause the queue; 0 never does
# unload_after = 0              # minutes with nothing to draw until the GPU is given back; 0: never
# previews = 3                  # the page shows what emerges every so many steps; 0 never does
# grace = 60.0                  # seconds that a stop waits for the pictures in work
# polling = false               # true on network folders

# [models]                      # models that a project or a job may name: "model: ink"
# ink = "models/ink.safetensors"
# dream = {path = "models/dream", vae = "vae.safetensors", prediction = "v_prediction"}
"""

HELLO = f"""\
{modeline("hello.yaml")}# A job: one picture. Change something, save, and it is drawn again.
kind: job
prompt: 1girl, pink hair, twintails, green eyes, smile, blue kimono, cherry blossoms
style: fantasy
"""


class CannotWrite(AnimeError):
    """A file of that name, or what it would declare, is there already."""


class DiskRefuses(AnimeError):
    """A file or folder cannot be made."""

    exit_code: ClassVar[int] = 3


def init(folder: Path) -> list[Path]:
    """Make an inbox of a folder, which may exist; returns the files that were made.

    Raises:
        DiskRefuses: the folder or a file in it cannot be made.
    """
    texts = {"README.md": README, ".gitignore": GITIGNORE, INBOX_FILE: SETTINGS}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not any(folder.rglob("*.yaml")):
            texts["hello.yaml"] = HELLO
    except OSError as error:
        raise DiskRefuses(f"{folder} cannot be made: {error.strerror or error}") from error
    missing = [name for name in texts if not os.path.lexists(folder / name)]
    for name in missing:
        write(folder / name, texts[name])
    return [folder / name for name in missing] + add_schema(folder)


def add_schema(inbox: Path) -> list[Path]:
    """See to it that the schema is there that new manifests name; returns it if it was written.

    Raises:
        DiskRefuses: it cannot be made.
    """
    try:
        written = keep(inbox)
    except OSError as error:
        raise DiskRefuses(f"{inbox} cannot be written: {error.strerror or error}") from error
    return [written] if written is not None else []


def write(file: Path, text: str) -> None:
    """Write a new file, with its folders.

    Raises:
        CannotWrite: something of that name is there.
        DiskRefuses: it cannot be made.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with open(file, "x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError:
        raise CannotWrite(f"{file} is there already", "take another name") from None
    except OSError as error:
        raise DiskRefuses(f"{file} cannot be written: {error.strerror or error}") from error


def project(state: State, name: str) -> tuple[str, str]:
    """The file, relative to the inbox, and the text of a new project."""
    key = _slug(name)
    _free("project", key, state.projects.get(key))
    file = f"{key}/project.yaml"
    text = f"""\
{modeline(file)}# A project: what holds for all characters and jobs in this folder.
kind: project
name: {_scalar(name)}
description: What this production is about. For people; it never enters a prompt.

# One of {_STYLES}; a job may name another.
style: cyberpunk

# A job's own word comes before these. Left out, they are what you see.
defaults:
  steps: 15
  sampler: dpmpp_2m
  schedule: karras
  guidance: 4
  # count: 1
  # negative: low quality, blurry
"""
    return file, text


def character(state: State, name: str, project: str | None) -> tuple[str, str]:
    """The file, relative to the inbox, and the text of a new character's bible."""
    key, place = _slug(name), place_of(state, project)
    full = character_key(place.project, name)
    _free("character", full, state.characters.get(full))
    file = f"{place.folder}characters/{key}.yaml"
    text = f"""\
{modeline(file)}# A character's bible. It enters the prompt of every job that names it.
kind: character
name: {_scalar(name)}
{_project(place)}
appearance: 1girl, pink hair, twintails, green eyes
outfit: blue kimono
expression: smile
# negative: short hair
# seed: 7                # gives all its pictures the same start

# For people only; never in a prompt.
personality: Who they are.
backstory: Where they come from.
# relationships:
#   somebody: what they are to each other
"""
    return file, text


def job(state: State, name: str, project: str | None, cast: Iterable[str]) -> tuple[str, str]:
    """The file, relative to the inbox, and the text of a new job with these characters."""
    names = tuple(cast)
    place = home_of(state, names) if project is None else place_of(state, project, names)
    below = "general/" if place.project else ""
    if len(names) == 1:
        below = f"characters/{_slug(names[0].rpartition('/')[2])}/"
    scene = "city at night" if names else "1girl, pink hair, twintails, smile, city at night"
    called = ", ".join(map(_scalar, names)) or "akira"
    file = f"{place.folder}{below}{_slug(name)}.yaml"
    text = f"""\
{modeline(file)}# A job: one picture, or several.
kind: job
{_project(place)}prompt: {scene}
{"" if names else "# "}characters: [{called}]

# Left out, these come from the project, or are what you see.
# style: manga           # {_STYLES}
# negative: low quality, blurry
# count: 2               # how many pictures
# seed: 7                # picture n has this plus n - 1
# size: 256x256
# steps: 15
# guidance: 4
# priority: 0            # higher is drawn earlier
# hold: true             # keeps it from being drawn
"""
    return file, text


def _project(place: Place) -> str:
    """The line that names the project, where the folder does not."""
    return "" if place.named is None else f"project: {_scalar(place.named)}\n"


def _free(kind: str, key: str, there: object) -> None:
    file = getattr(there, "file", None)
    if file is not None:
        raise CannotWrite(f"the {kind} {key!r} is already declared by {file}", "take another name")


def _slug(name: str) -> str:
    key = slug(name)
    if not key:
        raise CannotWrite(
            f"the name {name!r} has no letter or digit in it", "take a name such as akira"
        )
    return key


def _scalar(name: str) -> str:
    """A name as YAML that reads back as this very text."""
    plain = re.fullmatch(r"[^\W\d_][\w-]*( [^\W\d_][\w-]*)*", name)
    reserved = name.casefold() in {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}
    return name if plain and not reserved else json.dumps(name, ensure_ascii=False)
