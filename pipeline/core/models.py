"""Which model a job is drawn with: the one that it names, else its project's, else the usual one.

Pure. The names are those of the settings; one that is not among them goes to the list of what is
missing.
"""

from typing import Literal

from msgspec import Struct

from pipeline.core.manifest import Job, Project
from pipeline.core.missing import Missing
from pipeline.core.near import near
from pipeline.core.resolved import Model
from pipeline.core.state import JobState, State


def wanted(project: Project | None, spec: Job) -> str | None:
    """The name by which the job, or else its project, asks for a model; None where neither does."""
    if spec.model is not None:
        return spec.model
    return project.model if project is not None else None


def find_model(
    state: State, project: Project | None, spec: Job, missing: list[Missing]
) -> Model | None:
    """The model, or None where it is missing or cannot be had in this run."""
    name = wanted(project, spec)
    field = ("model",) if spec.model is not None else None
    found = state.model
    if name is not None:
        offered = state.models.get(name)
        if offered is None:
            nearest = near(name, state.models)
            missing.append(Missing(kind="model", name=name, nearest=nearest, field=field))
            return None
        if offered.model is None:
            why = f"the model {name} cannot be used: {offered.error}"
            missing.append(Missing(kind="model", name=name, field=field, why=why))
            return None
        found = offered.model
    if found is None:
        missing.append(Missing(kind="model", name="", why="no model has been loaded yet"))
        return None
    if found.sha256 in state.unusable:
        why = f"the model {called(state, found.sha256)} cannot be used: "
        why += state.unusable[found.sha256]
        missing.append(Missing(kind="model", name=found.name, field=field, why=why))
        return None
    return found


def offers(state: State) -> tuple[object, ...]:
    """All that jobs may be drawn with; equal as long as none of them resolves otherwise by it."""
    return state.model, state.models, state.reference_model, state.unusable


def model_of(state: State, job: JobState) -> str | None:
    """sha256 of the model that a job is drawn with now; None where there is none. Fast, since a
    long queue asks it of every job in it."""
    project = state.projects.get(job.project) if job.project is not None else None
    name = wanted(project.spec if project is not None else None, job.spec)
    if name is None:
        return state.model_sha256
    offered = state.models.get(name)
    return offered.model.sha256 if offered is not None and offered.model is not None else None


def called(state: State, sha256: str) -> str:
    """What a model is called: by the settings, else by itself, else the begin of its sha256."""
    for name, offered in state.models.items():
        if offered.model is not None and offered.model.sha256 == sha256:
            return name
    known = state.model
    return known.name if known is not None and known.sha256 == sha256 else sha256[:12]


class Standby(Struct, frozen=True, kw_only=True):
    """How a model stands in a run: with the workers, to be had, or not to be had, and `why`. `name`
    is what it is called."""

    name: str
    state: Literal["warm", "cold", "unusable"]
    why: str = ""


def standby(state: State) -> tuple[Standby, ...]:
    """How each model stands, the usual one first; none where the settings name none."""
    if not state.models or state.model is None:
        return ()
    found = {called(state, state.model.sha256): _standby(state, state.model.sha256)}
    for name, offered in state.models.items():
        if offered.model is None:
            found[name] = Standby(name=name, state="unusable", why=offered.error)
        else:
            found.setdefault(called(state, offered.model.sha256),
                             _standby(state, offered.model.sha256))  # fmt: skip
    return tuple(found.values())


def name_of(state: State, job: JobState) -> str | None:
    """What the model that a job is drawn with is called, where the settings name several."""
    if not state.models:
        return None
    known = model_of(state, job)
    return called(state, known) if known is not None else None


def _standby(state: State, sha256: str) -> Standby:
    name = called(state, sha256)
    if sha256 in state.unusable:
        return Standby(name=name, state="unusable", why=state.unusable[sha256])
    return Standby(name=name, state="warm" if sha256 in state.warm else "cold")
