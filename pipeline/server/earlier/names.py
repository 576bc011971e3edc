"""What a request names: projects and characters by id, styles by name.

Owns how each is found, and what is said where it is not there. Pure over the state.
"""

from collections.abc import Iterable

from pipeline.core.digest import id_of
from pipeline.core.lookup import find_styles
from pipeline.core.manifest import Job, Project
from pipeline.core.missing import Missing, Waiting
from pipeline.core.near import near
from pipeline.core.resolve import resolve
from pipeline.core.state import CharacterState, JobState, ProjectState, State
from pipeline.server.earlier.ids import Ids
from pipeline.server.earlier.shapes import NO_STYLE
from pipeline.server.refusal import Refused


def project(state: State, ids: Ids, id_: str, *, status: int) -> ProjectState:
    """The project of that id.

    Raises:
        Refused: with this status and the nearest names, if there is none.
    """
    key = ids.key("project", id_)
    if key is not None:
        return state.projects[key]
    known = {
        id_of("project", one.key, one.spec.id): one.spec.name for one in state.projects.values()
    }
    raise _unknown(status, "project", id_, known)


def character(state: State, ids: Ids, id_: str, *, status: int) -> CharacterState:
    """The character of that id; raises Refused as for a project."""
    key = ids.key("character", id_)
    if key is not None:
        return state.characters[key]
    known = {
        id_of("character", one.key, one.spec.id): one.spec.name for one in state.characters.values()
    }
    raise _unknown(status, "character", id_, known)


def style(state: State, file: str, key: str | None, spec: Project) -> None:
    """Raises Refused (422) if a project's style is none that its jobs could name."""
    probe = _job(file, key, Job(prompt="x"))
    missing: list[Missing] = []
    find_styles(state, probe, probe.spec, spec, missing)
    _whole(missing)


def complete(state: State, file: str, project: str | None, spec: Job) -> None:
    """Raises Refused (422) if a job would wait for anything that is not there."""
    outcome = resolve(state, _job(file, project, spec))
    if isinstance(outcome, Waiting):
        _whole(one for one in outcome.missing if one.kind != "model")


def said(style: str | None) -> str | None:
    """A style as a manifest has it: the word for no preset is left out."""
    return None if style is None or style.casefold() == NO_STYLE else style


def _job(file: str, project: str | None, spec: Job) -> JobState:
    return JobState(key="", file=file, project=project, seed=0, spec=spec, order=0)


def _whole(missing: Iterable[Missing]) -> None:
    lacking = tuple(missing)
    if lacking:
        nearest = tuple(name for one in lacking for name in one.nearest)
        raise Refused(422, "; ".join(map(str, lacking)), nearest)


def _unknown(status: int, kind: str, id_: str, known: dict[str, str]) -> Refused:
    """Names as well as ids may be near: whoever asks by name is told the id."""
    by_name = {name: key for key, name in known.items()}
    found = near(id_[:100], [*known, *by_name])
    nearest = tuple(dict.fromkeys(_both(by_name.get(one, one), known) for one in found))
    shown = id_ if len(id_) <= 100 else f"{id_[:100]}…"
    return Refused(status, f"there is no {kind} with the id {shown!r}", nearest)


def _both(id_: str, known: dict[str, str]) -> str:
    return f"{id_} ({known[id_]})"
