"""What is wrong with manifests, and what they wait for, without a runner, a journal or a model.

Owns which files belong together and the order they are read in; finding, reading, deciding and
resolving are the runner's own code, so that both always say the same. Never writes.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from pipeline.adapters import Adapters, Attentions, attentions, bodies
from pipeline.complaints import waiting
from pipeline.core.declare import file_seen
from pipeline.core.evolve import evolve
from pipeline.core.ip_adapters import ReferenceModel
from pipeline.core.keys import MANIFEST_SUFFIXES
from pipeline.core.manifest import Project
from pipeline.core.observed import FileSeen
from pipeline.core.problem import Problem
from pipeline.core.resolved import Model, Offered
from pipeline.core.state import State
from pipeline.history import PRIVATE
from pipeline.inbox import files
from pipeline.inbox.load import Loaded, load
from pipeline.lora import Body, Unreadable
from pipeline.references import describe
from pipeline.settings import INBOX_FILE, Settings
from pipeline.telling import counted, lines

ANY_MODEL = Model(name="any", sha256="0" * 64, width=512, height=512)
"""Stands in for the runner's model: what a job refers to does not depend on it."""

NO_TEXTS: Mapping[Path, bytes] = MappingProxyType({})

MOST_PASSES = 10
"""Two are enough, unless files push each other from their keys in turn."""


class Checked(Struct, frozen=True, kw_only=True):
    """`files` are the manifests that were asked about, relative to `root`; `problems` are theirs,
    and `state` is what all manifests under `root` declare."""

    root: Path
    files: tuple[str, ...]
    problems: tuple[Problem, ...]
    state: State


def check(
    paths: Iterable[Path],
    inbox: Path,
    texts: Mapping[Path, bytes] = NO_TEXTS,
    adapters: Adapters | None = None,
    models: Iterable[str] = (),
    reference_model: ReferenceModel | None = None,
) -> list[Checked]:
    """Everything wrong with the manifests at these absolute paths, folders with all in them.

    The rest of their inbox or production is read too, because a job may refer to it. `texts` are
    read instead of what stands at their paths, if anything does. `adapters` knows files of weights,
    `models` are the names that the settings have, and `reference_model` is what these name to show
    reference pictures with.
    """
    asked: dict[Path, list[Path]] = {}
    found = []
    for path in paths:
        root = root_of(path, inbox)
        if root is None:
            found.append(
                check_folder(
                    path.parent,
                    names=[path.name],
                    asked=[path.name],
                    texts=texts,
                    adapters=adapters,
                    models=models,
                    reference_model=reference_model,
                )
            )
        else:
            asked.setdefault(root, []).append(path)
    for root, places in asked.items():
        if any(place == root for place in places):
            found.append(
                check_folder(
                    root, texts=texts, adapters=adapters, models=models,
                    reference_model=reference_model,
                )
            )  # fmt: skip
        else:
            inside = [name for place in places for name in _names(root, place)]
            found.append(
                check_folder(
                    root, asked=inside, texts=texts, adapters=adapters, models=models,
                    reference_model=reference_model,
                )
            )  # fmt: skip
    return found


def check_folder(
    root: Path,
    names: Iterable[str] | None = None,
    *,
    asked: Iterable[str] | None = None,
    texts: Mapping[Path, bytes] = NO_TEXTS,
    adapters: Adapters | None = None,
    models: Iterable[str] = (),
    reference_model: ReferenceModel | None = None,
) -> Checked:
    """Everything wrong with the manifests in `root`, or with those of them that are asked about.

    `names` are all the manifests there are, by default those that an inbox would see. `texts` are
    read instead of what stands at their paths.
    """
    unlisted: list[Loaded] = []

    def fails(folder: str, error: OSError) -> None:
        unlisted.append(_faulty(folder or ".", f"it cannot be listed: {error.strerror or error}"))

    seen = files.walk(root, "", fails) if names is None else names
    wanted = None if asked is None else set(asked)
    raws = sorted({*seen, *(wanted or ())})
    known = adapters or Adapters()
    loaded = [each for raw in raws if (each := _load(root, raw, texts, known)) is not None]
    loaded += unlisted
    offered = {name: Offered(name=name, model=any_of(name)) for name in models}
    state = State(model=ANY_MODEL, models=offered, reference_model=reference_model)
    _declare(state, sorted(loaded, key=_projects_first))
    judged = [
        each for each in loaded
        if (wanted is None and not each.is_binary) or (wanted is not None and each.file in wanted)
    ]  # fmt: skip
    problems = (problem for each in judged for problem in _problems(state, each))
    return Checked(
        root=root,
        files=tuple(each.file for each in judged),
        problems=tuple(problems),
        state=state,
    )


def any_of(name: str) -> Model:
    """Stands in for the model that the settings call so."""
    return replace(ANY_MODEL, name=name, sha256=hashlib.sha256(name.encode()).hexdigest())


def adapters_for(settings: Settings) -> Adapters:
    """What LoRAs, IP-Adapters and the like are, for the models that a run would have, as far as
    they are there."""
    known: dict[str, Body] = {}
    layers: dict[str, Attentions] = {}
    for sha256, path in _models(settings).items():
        with suppress(Unreadable, OSError):
            known |= bodies({sha256: path})
            layers |= attentions({sha256: path})
    return Adapters(known, layers)


def reference_model_for(settings: Settings) -> ReferenceModel | None:
    """What the settings name to show reference pictures with, compared with the models that a run
    would have, as far as they are there."""
    there = {}
    for sha256, path in _models(settings).items():
        with suppress(Unreadable, OSError):
            attentions({sha256: path})
            there[sha256] = path
    return describe(settings.told, there)


def _models(settings: Settings) -> dict[str, Path]:
    models = {any_of(name).sha256: each.path for name, each in settings.models.items()}
    return {ANY_MODEL.sha256: settings.model, **models}


def looks_of(root: Path, adapters: Adapters, raws: Iterable[str]) -> list[FileSeen]:
    """What these files of an inbox say now, in the runner's order."""
    loaded = [each for raw in raws if (each := _load(root, raw, NO_TEXTS, adapters)) is not None]
    return [_seen(each) for each in sorted(loaded, key=_projects_first)]


def _problems(state: State, loaded: Loaded) -> list[Problem]:
    """All there is to say of a file, in the order of its lines."""
    if loaded.adapter is not None:
        if loaded.adapter.prompting is not None:
            kind, asks = "IP-Adapter", loaded.adapter.prompting.why_not
        elif loaded.adapter.control:
            kind, asks = "ControlNet", loaded.adapter.why_no_control
        else:
            kind, asks = "LoRA", loaded.adapter.why_not
        models = (ANY_MODEL, *(each.model for each in state.models.values() if each.model))
        reasons = [asks(model.sha256) for model in models]
        why = reasons[0] if all(reasons) else ""  # It need not go with every model.
        return [_fault_of(loaded.file, f"this {kind} cannot be used: {why}")] if why else []
    if loaded.picture is not None:
        why = loaded.picture.fault
        return [_fault_of(loaded.file, f"this picture cannot be drawn from: {why}")] if why else []
    found = [*state.rejected.get(loaded.file, ()), *waiting(state, loaded)]
    return sorted(found, key=lambda problem: (problem.line, problem.column))


def _declare(state: State, loaded: Iterable[Loaded]) -> None:
    """Fold what the files declare until nothing more follows, since whose project a file is, or
    whose a key, can change with a file that is read later."""
    looks = [_seen(each) for each in loaded]
    for _ in range(MOST_PASSES):
        before = state.seq
        for look in looks:
            for event in file_seen(state, look):
                evolve(state, state.seq + 1, "", event)
        if state.seq == before:
            return


def report(found: Iterable[Checked], cwd: Path, *, as_json: bool) -> Iterator[str]:
    """What was found as lines for a person, or as one JSON object; files as seen from `cwd`."""
    checked = list(found)
    count = sum(len(each.files) for each in checked)
    problems = [shown(problem, each.root, cwd) for each in checked for problem in each.problems]
    if as_json:
        yield msgspec.json.encode({"files": count, "problems": problems}).decode()
        return
    for problem in problems:
        yield from lines(problem)
        yield ""
    files_said, faults_said = counted(count, "manifest"), counted(len(problems), "problem")
    yield f"{files_said}, {faults_said if problems else 'nothing to mend'}"


def root_of(path: Path, inbox: Path) -> Path | None:
    """What a file or folder is to be read together with: the inbox, or else its production.

    Outside the inbox that is the nearest folder above with settings or a journal of its own, else
    the highest one with a project in it, else the folder itself; None for a file that belongs to
    nothing.
    """
    if path.is_relative_to(inbox):
        return inbox
    folders = [path, *path.parents] if path.is_dir() else [*path.parents]
    for folder in folders:
        if (folder / INBOX_FILE).is_file() or (folder / PRIVATE).is_dir():
            return folder
    projects = [f"project{suffix}" for suffix in MANIFEST_SUFFIXES]
    above = [folder for folder in folders if any((folder / name).is_file() for name in projects)]
    return above[-1] if above else path if path.is_dir() else None


def shown(problem: Problem, root: Path, cwd: Path) -> Problem:
    """The problem with its file as seen from where the reader stands."""
    return replace(problem, file=os.path.relpath(root / problem.file, cwd))


def _names(root: Path, place: Path) -> list[str]:
    name = place.relative_to(root).as_posix()
    if not place.is_dir():
        return [name]
    found = files.walk(root, name, lambda *_: None)
    return [raw for raw in found if not files.is_binary(raw)]


def _load(root: Path, raw: str, texts: Mapping[Path, bytes], adapters: Adapters) -> Loaded | None:
    """What a file says, or None if it is none that an inbox would read."""
    if not files.is_read(raw):
        return _faulty(raw, "an inbox does not read a file of this name",
                       "end it in .yaml, and begin no part of its path with a dot")  # fmt: skip
    file, fault = files.public_name(raw)
    if fault:
        return _faulty(file, fault, "rename it")
    if (text := texts.get(root / raw)) is not None and not files.is_binary(raw):
        return load(text, file)
    try:
        if files.signature(root, raw) is None:
            return None
        data = files.text_of(root, raw, adapters)
    except FileNotFoundError:
        return None
    except OSError as error:
        why = f"this cannot be read: {error.strerror or error}"
        return _faulty(file, why, "check its permissions and its owner")
    if data is None:
        return _faulty(file, "it is being written at this moment", "check it again")
    return load(data, file)


def _faulty(file: str, message: str, hint: str = "") -> Loaded:
    return Loaded(file=file, problems=(_fault_of(file, message, hint),))


def _fault_of(file: str, message: str, hint: str = "") -> Problem:
    return Problem(file=file, line=1, column=1, message=message, hint=hint)


def _seen(loaded: Loaded) -> FileSeen:
    return FileSeen(
        file=loaded.file,
        sha256=hashlib.sha256(loaded.file.encode(errors="surrogateescape")).hexdigest(),
        manifests=tuple(document.manifest for document in loaded.documents),
        lines=tuple(document.line for document in loaded.documents),
        problems=loaded.problems,
        several=loaded.several,
        styles=loaded.styles,
        wildcard=loaded.wildcard,
        adapter=loaded.adapter,
        picture=loaded.picture,
    )


def _projects_first(loaded: Loaded) -> tuple[bool, int, str]:
    has = any(isinstance(document.manifest, Project) for document in loaded.documents)
    return not has, loaded.file.count("/"), loaded.file
