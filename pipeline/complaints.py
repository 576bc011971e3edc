"""The `<name>.error.txt` beside a manifest: what is wrong with it, or what it waits for.

Owns keeping those files true to the state. Never decides; `anime check` asks the same `waiting`.
"""

import logging
import os
import shlex
from collections.abc import Iterable
from pathlib import Path

from msgspec.structs import replace

from pipeline.core import references
from pipeline.core.keys import folders_above, job_key, slug
from pipeline.core.loras import of_manifest
from pipeline.core.manifest import Character, Job, Manifest, Project
from pipeline.core.missing import Missing
from pipeline.core.models import model_of
from pipeline.core.pictures import PICTURES, REFERENCES, jobs_of
from pipeline.core.problem import Problem
from pipeline.core.state import JobState, State
from pipeline.core.status import waits_for
from pipeline.inbox.load import Loaded, load
from pipeline.inbox.nearest import nearest
from pipeline.inbox.report import clear_report, report_file, write_report
from pipeline.inbox.say import either

log = logging.getLogger(__name__)


def waiting(state: State, loaded: Loaded) -> list[Problem]:
    """What the manifests of a file refer to that is not there, each at its place in the file; but
    not pictures that a job here is still to draw."""
    return [
        loaded.problem(
            document,
            missing.field or (),
            str(missing),
            hint=_way_out(state, missing) + _meanwhile(document.manifest),
        )
        for document in loaded.documents
        for missing in _missing(state, loaded, document.manifest)
        if missing.kind != "drawing"
    ]


def _missing(state: State, loaded: Loaded, manifest: Manifest) -> Iterable[Missing]:
    match manifest:
        case Job():
            job = state.jobs.get(job_key(loaded.file, manifest.name, several=loaded.several))
            waits = waits_for(state, job) if job is not None and not job.withdrawn else None
            return waits.missing if waits else ()
        case Project():
            return of_project(state, loaded.file, manifest)
        case Character():
            return of_character(state, loaded.file, manifest)


def of_project(state: State, file: str, manifest: Project) -> list[Missing]:
    """What every job of a project would wait for that says nothing itself, at the project's own
    fields: its style and its model."""
    waits = _probe(state, file, slug(manifest.name))
    own = [each for each in waits if each.kind == "style"]
    own += [each for each in waits if each.kind == "model" and manifest.model is not None]
    return [replace(each, field=(each.kind,)) for each in own]


def of_character(state: State, file: str, manifest: Character) -> list[Missing]:
    """The project, the LoRAs and the reference that a character names and that are not there, or
    do not fit."""
    missing: list[Missing] = []
    model = _model_of(state, file, manifest)
    list(of_manifest(state, file, manifest.lora, missing, model))
    list(references.of_manifest(state, file, manifest.reference, missing, model))
    if manifest.project is None:
        return missing
    waits = _probe(state, file, slug(manifest.project), named=manifest.project)
    return [*(each for each in waits if each.kind == "project"), *missing]


def _model_of(state: State, file: str, manifest: Character) -> str | None:
    """sha256 of the model that draws a character in their own project."""
    named = slug(manifest.project) if manifest.project is not None else None
    above = (state.folders[each] for each in folders_above(file) if each in state.folders)
    return model_of(state, _plain(file, named or next(above, None), None))


def _plain(file: str, project: str | None, named: str | None) -> JobState:
    """The plainest job of a project."""
    spec = Job(prompt="1girl", project=named)
    return JobState(key="", file=file, project=project, seed=0, spec=spec, order=0)


def _probe(state: State, file: str, project: str, named: str | None = None) -> tuple[Missing, ...]:
    """What the plainest job of a project waits for."""
    waits = waits_for(state, _plain(file, project, named))
    return waits.missing if waits else ()


def _way_out(state: State, missing: Missing) -> str:
    """What to do about something that is not there."""
    if missing.kind == "schedule":
        return f"write {either(missing.nearest)}"
    if missing.kind == "project" and missing.field is None:
        return "mend that file"
    if missing.kind == "character":
        tail = f"/{slug(missing.name)}"
        if home := next((key for key in state.characters if key.endswith(tail)), None):
            return f"another project has that name: write {home}"
    if missing.kind == "model":
        return _to_a_model(state, missing)
    if missing.kind == "picture" and missing.why and not missing.name:
        return "change the number"
    if missing.kind == "picture" and missing.why:
        return "put another one there, or take the line away"
    if missing.kind == "picture" and jobs_of(missing.name):
        return (
            "it is called as those that are drawn here, and no job draws it: give a picture of "
            "your own another name"
        )
    if missing.kind == "IP-Adapter" and missing.why:
        return "name one that is made for it in the settings, or take the reference away"
    if missing.kind in ("LoRA", "ControlNet") and missing.why:
        return "take one that is made for it, or take the line away"
    if near := nearest(missing.name, missing.nearest):
        return f"did you mean {near[0]}?"
    if missing.kind == "picture" and not missing.nearest:
        own = missing.field is not None and missing.field[0] != "reference"
        also = PICTURES if own else REFERENCES
        return f"put it beside the manifest, in a folder above it, or in a folder {also} there"
    if missing.kind in ("character", "project"):
        return f"make it: anime new {missing.kind} {shlex.quote(missing.name)}"
    return f"write {either(missing.nearest)}" if missing.nearest else "mend the name"


def _to_a_model(state: State, missing: Missing) -> str:
    if missing.why:
        return "mend it and start again, or take another model"
    if near := nearest(missing.name, missing.nearest):
        return f"did you mean {near[0]}?"
    if state.models:
        return f"there are {', '.join(state.models)}; write one of these"
    return f'name it in anime.toml, in the table [models]: {missing.name} = "PATH"'


def _meanwhile(manifest: Manifest) -> str:
    return " (the job waits)" if isinstance(manifest, Job) else ""


class Complaints:
    """Writes and clears the error files of one inbox."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.told: set[str] = set()
        """The manifests that have one now, or may have."""

    def refresh(self, state: State, files: Iterable[str]) -> None:
        """Make the error files of these manifests say what is true now."""
        for file in sorted(files):
            problems = state.rejected.get(file, ())
            waits = self._waiting(state, file)
            self.told.add(file)
            try:
                if problems or waits:
                    write_report(self._root, file, problems, waits)
                else:
                    clear_report(self._root, file)
                    if not os.path.lexists(self._root / report_file(file)):
                        self.told.discard(file)
            except OSError as error:
                log.warning("%s: its error file cannot be kept: %s", file, error.strerror)

    def _waiting(self, state: State, file: str) -> list[Problem]:
        if not any(_waits(state, file, *name.split(" ", 1)) for name in state.files.get(file, ())):
            return []
        try:
            text = (self._root / file).read_bytes()
        except OSError:
            return []
        return waiting(state, load(text, file))


def _waits(state: State, file: str, kind: str, key: str) -> bool:
    """Whether something that a file declares refers to what is not there."""
    match kind:
        case "job":
            return waits_for(state, state.jobs[key]) is not None
        case "project":
            return bool(of_project(state, file, state.projects[key].spec))
        case "character":
            return bool(of_character(state, file, state.characters[key].spec))
        case _:
            return False
