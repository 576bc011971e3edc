"""How far an event reaches: which jobs and which manifest files must be decided again.

Pure. What is decided again and comes out as before makes no event, so reaching too far costs time
only; reaching too short would make the state depend on the order of arrival.
"""

from collections.abc import Iterable, Iterator, Set
from unicodedata import normalize

from msgspec import Struct

from pipeline.core import events as e
from pipeline.core.evolve import evolve
from pipeline.core.keys import PROJECT_FILES, folder_of, scope_of, slug
from pipeline.core.manifest import Job, pictures_of, reference_pictures
from pipeline.core.models import model_of, offers
from pipeline.core.state import State


class Ripple(Struct, frozen=True, kw_only=True):
    """Keys of jobs, and manifest files that were seen before."""

    jobs: frozenset[str] = frozenset()
    files: frozenset[str] = frozenset()


def spread(state: State, seq: int, at: str, event: e.Event) -> Ripple:
    """Fold a recorded event into the state; what to decide again after it.

    A run that offers the models that were offered before changes nothing by its start.
    """
    before = offers(state)
    evolve(state, seq, at, event)
    if isinstance(event, e.RunnerStarted) and offers(state) == before:
        return Ripple()
    return ripple(state, event)


def ripple(state: State, event: e.Event) -> Ripple:
    """What to decide again after this event was folded into the state."""
    match event:
        case e.JobSubmitted(key=key) | e.JobRetried(job=key):
            return Ripple(jobs=_all_drawn_from(state, key) | {key})
        case e.RunnerStarted():
            return Ripple(jobs=frozenset(state.jobs), files=_bibles(state))
        case e.ModelFailed(model=model):
            jobs = (key for key, job in state.jobs.items() if model_of(state, job) == model)
            return Ripple(jobs=frozenset(jobs), files=_bibles(state))
        case e.ProjectDeclared(key=key):
            # Whose project a manifest is may be different now, unless it was declared before.
            new = state.projects[key].at == state.at
            files = frozenset(_all_files(state)) if new else _bibles(state)
            return Ripple(jobs=_of_project(state, key), files=files)
        case e.ProjectWithdrawn(key=key, file=file):
            return Ripple(jobs=_of_project(state, key), files=frozenset({file, *_all_files(state)}))
        case e.CharacterDeclared(key=key):
            return Ripple(jobs=_with_character(state, key))
        case e.CharacterWithdrawn(key=key, file=file):
            # A key is free: whoever was refused it may have it now.
            files = frozenset({file, *state.rejected})
            return Ripple(jobs=_with_character(state, key), files=files)
        case e.ManifestRejected(file=file) | e.ManifestMended(file=file):
            if file.rpartition("/")[2] not in PROJECT_FILES:
                return Ripple()
            inside = f"{folder_of(file)}/".lstrip("/")
            return Ripple(jobs=frozenset(key for key in state.jobs if key.startswith(inside)))
        case (
            e.StylesDeclared(file=file)
            | e.StylesWithdrawn(file=file)
            | e.WildcardDeclared(file=file)
            | e.WildcardWithdrawn(file=file)
        ):
            return Ripple(jobs=_in_scope(state, scope_of(file)), files=_bibles(state))
        case e.AdapterDeclared() | e.AdapterWithdrawn():
            dressed = _with_loras(state) | _with_references(state)
            return Ripple(jobs=dressed, files=_bibles(state))
        case e.PictureDeclared(file=file) | e.PictureWithdrawn(file=file):
            drawn = _drawn_from(state, file.rpartition("/")[2])
            return Ripple(jobs=drawn, files=_bibles(state))
        case (
            e.ImageRendered(job=key)
            | e.ImageReused(job=key)
            | e.ImageShelved(job=key)
            | e.ImageRestored(job=key)
            | e.ImageDiscarded(job=key)
            | e.TakeRestored(job=key)
            | e.RenderRequested(job=key)
            | e.RenderWithdrawn(job=key)
        ):
            return Ripple(jobs=_drawn_from(state, _beginning(key)))
        case e.JobWithdrawn(key=key, file=file):
            files = frozenset({file, *state.rejected})
            return Ripple(jobs=_all_drawn_from(state, key), files=files)
        case _:
            return Ripple()


def _all_files(state: State) -> set[str]:
    return state.files.keys() | state.rejected.keys()


def _bibles(state: State) -> frozenset[str]:
    """The files of projects and characters, which are told what they wait for."""
    projects = frozenset(each.file for each in state.projects.values())
    return projects | {each.file for each in state.characters.values()}


def _of_project(state: State, key: str) -> frozenset[str]:
    return frozenset(job.key for job in state.jobs.values() if job.project == key)


def _in_scope(state: State, scope: str) -> frozenset[str]:
    """The jobs in a folder, and those of the projects in it."""
    inside = f"{scope}/".lstrip("/")
    projects = {key for key, one in state.projects.items() if one.file.startswith(inside)}
    return frozenset(
        job.key
        for job in state.jobs.values()
        if job.file.startswith(inside) or job.project in projects
    )


def _with_loras(state: State) -> frozenset[str]:
    """The jobs that name a LoRA or a ControlNet, or somebody who has one."""
    worn = {key.rpartition("/")[2] for key, bible in state.characters.items() if bible.spec.lora}
    named = {job.key for job in state.jobs.values() if job.spec.lora or job.spec.control}
    return _naming(state, worn) | named


def _with_references(state: State) -> frozenset[str]:
    """The jobs that have a reference, or somebody who has one."""
    seen = {key.rpartition("/")[2] for key, one in state.characters.items() if one.spec.reference}
    return _naming(state, seen) | {job.key for job in state.jobs.values() if job.spec.reference}


def _naming(state: State, characters: Set[str]) -> frozenset[str]:
    """The jobs with one of these characters, whose ever they are."""
    return frozenset(
        job.key
        for job in state.jobs.values()
        if any(slug(name.rpartition("/")[2]) in characters for name in job.spec.everybody)
    )


def _drawn_from(state: State, beginning: str) -> frozenset[str]:
    """The jobs that name a picture whose file's name begins so, wherever it stands, or somebody
    whose bible does."""

    def begins(names: Iterable[str]) -> bool:
        lasts = (normalize("NFC", name.rpartition("/")[2]) for name in names)
        return any(last.startswith(beginning) for last in lasts)

    seen = {
        key.rpartition("/")[2]
        for key, one in state.characters.items()
        if one.spec.reference and begins(reference_pictures(one.spec.reference))
    }
    own = frozenset(key for key in state.guided if begins(_pictures(state.jobs[key].spec)))
    return own | _naming(state, seen) if seen else own


def _all_drawn_from(state: State, key: str) -> frozenset[str]:
    """The jobs that name a picture of a job, those that name a picture of these, and so on: of
    what is drawn from what there must be no circle."""
    found, fresh = frozenset[str](), frozenset({key})
    while fresh:
        drawn = frozenset[str]().union(*(_drawn_from(state, _beginning(one)) for one in fresh))
        fresh = drawn - found
        found |= fresh
    return found


def _beginning(job: str) -> str:
    """How the names of a job's pictures begin."""
    return f"{job.replace('#', '.').rpartition('/')[2]}."


def _pictures(job: Job) -> Iterator[str]:
    yield from (name for _, name in pictures_of(job))
    yield from reference_pictures(job.reference)


def _with_character(state: State, key: str) -> frozenset[str]:
    last = key.rpartition("/")[2]
    return frozenset(
        job.key
        for job in state.jobs.values()
        if any(slug(name.rpartition("/")[2]) == last for name in job.spec.everybody)
    )
