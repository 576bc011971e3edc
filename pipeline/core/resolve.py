"""Resolution: a job, its project, its characters and its style become the model's exact inputs.

Pure. A reference to something that is not there makes the job wait and says for what, with the
nearest names; it is never dropped and never guessed.
"""

from typing import Any, Literal

from msgspec import Struct

from pipeline.core.keys import PROJECT_FILES, character_key, folder_of, slug
from pipeline.core.manifest import (
    GUIDANCE,
    SAMPLER,
    STEPS,
    Character,
    Job,
    Project,
    parse_size,
)
from pipeline.core.near import near as _nearest
from pipeline.core.prompt import compile_negative, compile_prompt
from pipeline.core.resolved import Resolved
from pipeline.core.samplers import SCHEDULES, Sampler
from pipeline.core.state import JobState, State
from pipeline.core.styles import PRESETS, Style


class Missing(Struct, frozen=True, kw_only=True):
    """A reference without a thing; `field` is where in the job it stands, or None where its project
    makes it."""

    kind: Literal["project", "character", "style", "schedule", "model"]
    name: str
    nearest: tuple[str, ...] = ()
    field: tuple[str | int, ...] | None = None

    def __str__(self) -> str:
        if self.kind == "schedule":
            return f"there is no schedule {self.name}"
        if self.kind == "project" and self.field is None:
            return f"it is not known yet whose this is: {self.name}"
        text = f"there is no {self.kind} {self.name!r} yet"
        if self.kind == "style" and self.field is None:
            text += ", which its project names"
        return f"{text} (nearest: {', '.join(self.nearest)})" if self.nearest else text


class Waiting(Struct, frozen=True, kw_only=True):
    """A job that refers to what is not there; it is decided again when anything arrives."""

    missing: tuple[Missing, ...]

    def __str__(self) -> str:
        return "; ".join(map(str, self.missing))


class Compiled(Struct, frozen=True, kw_only=True):
    """A job that can be drawn: `seeds` has one a picture."""

    resolved: Resolved
    seeds: tuple[int, ...]


def resolve(state: State, job: JobState) -> Compiled | Waiting:
    """Compile a job against everything that is declared now."""
    missing: list[Missing] = []
    project = _project(state, job, missing)
    cast = _cast(state, job, missing)
    style = _style(job.spec, project, missing)
    sampler, schedule = _sampling(job.spec, project, missing)
    if state.model is None:
        missing.append(Missing(kind="model", name="(none has been loaded)"))
    if missing or state.model is None:
        return Waiting(missing=tuple(missing))
    size = _first(project, job.spec, "size", None)
    width, height = parse_size(size) if size else (state.model.width, state.model.height)
    seed = job.spec.seed
    if seed is None:
        seed = next((one.seed for one in cast if one.seed is not None), job.seed)
    resolved = Resolved(
        prompt=compile_prompt(project, cast, style, job.spec),
        negative=compile_negative(project, cast, style, job.spec),
        width=width,
        height=height,
        steps=_first(project, job.spec, "steps", STEPS),
        guidance=float(_first(project, job.spec, "guidance", GUIDANCE)),
        sampler=sampler,
        schedule=schedule,
        model=state.model.sha256,
    )
    count = _first(project, job.spec, "count", 1)
    return Compiled(resolved=resolved, seeds=tuple(range(seed, seed + count)))


def _first(project: Project | None, spec: Job, field: str, otherwise: Any) -> Any:
    """The job's own word, else the project's, else the built-in one."""
    own = getattr(spec, field)
    if own is not None:
        return own
    shared = getattr(project.defaults, field) if project is not None else None
    return otherwise if shared is None else shared


def _project(state: State, job: JobState, missing: list[Missing]) -> Project | None:
    broken = _broken_project(state, job)
    if broken is not None:
        missing.append(Missing(kind="project", name=f"{broken} has errors of its own"))
        return None
    if job.project is None:
        return None
    found = state.projects.get(job.project)
    if found is None:
        name = job.spec.project or job.project
        missing.append(
            Missing(
                kind="project", name=name, nearest=_nearest(slug(name), state.projects),
                field=("project",) if job.spec.project else None,
            )
        )  # fmt: skip
        return None
    return found.spec


def _broken_project(state: State, job: JobState) -> str | None:
    """The project file nearest above a job, if it declares nothing because of its errors: which
    project the job belongs to is not known then."""
    if job.spec.project is not None:
        return None
    folder, last = folder_of(job.file), ""
    while folder != last:
        for name in PROJECT_FILES:
            file = f"{folder}/{name}".lstrip("/")
            if file in state.rejected and not state.files.get(file):
                return file
        if folder in state.folders:
            return None
        folder, last = folder_of(folder), folder
    return None


def _cast(state: State, job: JobState, missing: list[Missing]) -> tuple[Character, ...]:
    cast = []
    for place, name in enumerate(job.spec.characters):
        own = character_key(job.project, name)
        keys = ["/".join(map(slug, name.split("/")))] if "/" in name else [own, slug(name)]
        found = next((state.characters[key] for key in keys if key in state.characters), None)
        if found is not None:
            cast.append(found.spec)
            continue
        visible = {
            key.rpartition("/")[2]
            for key in state.characters
            if "/" not in key or key.startswith(f"{job.project}/")
        }
        missing.append(
            Missing(
                kind="character", name=name, nearest=_nearest(slug(name), visible),
                field=("characters", place),
            )
        )  # fmt: skip
    return tuple(cast)


def _style(spec: Job, project: Project | None, missing: list[Missing]) -> Style | None:
    name = spec.style if spec.style is not None else project.style if project else None
    if name is None or name.casefold() == "none":
        return None
    key = slug(name).replace("-", "_")
    if key not in PRESETS:
        field = ("style",) if spec.style is not None else None
        missing.append(
            Missing(kind="style", name=name, nearest=_nearest(key, PRESETS), field=field)
        )
        return None
    return PRESETS[key]


def _sampling(spec: Job, project: Project | None, missing: list[Missing]) -> tuple[Any, Any]:
    """The sampler and its schedule; one that was said for another sampler only is not an error
    but gives way to the sampler's own default."""
    sampler: Sampler = _first(project, spec, "sampler", SAMPLER)
    able = SCHEDULES[sampler]
    wanted = _first(project, spec, "schedule", None)
    if wanted is None or (wanted not in able and spec.schedule is None):
        return sampler, able[0]
    if wanted not in able:
        missing.append(
            Missing(
                kind="schedule", name=f"{wanted} for the sampler {sampler}", nearest=able,
                field=("schedule",),
            )
        )  # fmt: skip
    return sampler, wanted
