"""What is known, as the earlier interface tells it.

Owns the translation from the state to its answers. Pure; never keeps anything.
"""

from pipeline.core.digest import id_of
from pipeline.core.manifest import Tags
from pipeline.core.observed import WorkerLive
from pipeline.core.state import CharacterState, JobState, ProjectState, State
from pipeline.core.styles import style_names
from pipeline.server.catalogue import NOTHING, Catalogue
from pipeline.server.earlier import shapes
from pipeline.server.view import JobView

_WORDS: dict[str, shapes.Word] = {
    "rendering": "running", "done": "completed", "failed": "failed", "cancelled": "failed",
    "quarantined": "failed", "withdrawn": "failed",
}  # fmt: skip
_NEARLY = 99
"""Progress of a job that has taken its last step and is not there yet."""


def projects(state: State, known: Catalogue) -> shapes.Projects:
    """All projects."""
    tallies, _ = known.tallies()
    cast: dict[str, list[str]] = {}
    for bible in state.characters.values():
        cast.setdefault(owner(bible) or "", []).append(character_id(bible))
    return shapes.Projects(
        projects=tuple(
            _project(one, tallies.get(one.key, NOTHING).files, tuple(cast.get(one.key, ())))
            for one in state.projects.values()
        )
    )


def project(state: State, known: Catalogue, one: ProjectState) -> shapes.Project:
    """A project."""
    files = sum(group.files for group in known.of_project(one.key))
    cast = [bible for bible in state.characters.values() if owner(bible) == one.key]
    return _project(one, files, tuple(map(character_id, cast)))


def _project(one: ProjectState, files: int, cast: tuple[str, ...]) -> shapes.Project:
    spec = one.spec
    return shapes.Project(
        id=id_of("project", one.key, spec.id),
        name=spec.name,
        description=spec.description,
        style=", ".join(style_names(spec.style)) or shapes.NO_STYLE,
        metadata=spec.metadata,
        created_at=one.at,
        file_count=files,
        characters=cast,
    )


def character(state: State, known: Catalogue, one: CharacterState) -> shapes.Character:
    """A character."""
    spec, home = one.spec, state.projects.get(owner(one) or "")
    return shapes.Character(
        id=character_id(one),
        project_id=id_of("project", home.key, home.spec.id) if home is not None else None,
        name=spec.name,
        description=spec.description,
        personality=spec.personality,
        appearance=_tags(spec.appearance),
        backstory=spec.backstory,
        reference_prompts=spec.reference_prompts,
        relationships=spec.relationships,
        created_at=one.at,
        generation_count=generations(known, one),
    )


def bible(known: Catalogue, one: CharacterState) -> shapes.Bible:
    """A character's bible."""
    spec = one.spec
    return shapes.Bible(
        character_id=character_id(one),
        bible=shapes.BibleText(
            name=spec.name,
            appearance=_tags(spec.appearance),
            personality=spec.personality,
            backstory=spec.backstory,
            reference_prompts=spec.reference_prompts,
            generation_count=generations(known, one),
        ),
    )


def job(state: State, one: JobState, view: JobView, standing: shapes.Progress, place: int,
        error: str | None) -> shapes.Job:  # fmt: skip
    """A job; `place` is its place in the queue."""
    home = state.projects.get(one.project or "")
    images = view.takes[-1].images if view.takes else ()
    held = "it is held" if view.status == "held" else None
    return shapes.Job(
        id=view.id,
        status=standing.status,
        progress=standing.progress,
        queue_position=place,
        prompt=view.prompt,
        project_id=id_of("project", home.key, home.spec.id) if home is not None else None,
        created_at=one.at,
        images=tuple(
            shapes.JobPicture(url=f"/pictures/{each.id}", file=each.file, seed=each.seed)
            for each in images
        ),
        waiting=view.waiting or held,
        error=error,
    )


def progress(view: JobView, workers: tuple[WorkerLive, ...]) -> shapes.Progress:
    """How far a job is: its finished pictures, and the steps of those being drawn."""
    take = view.takes[-1] if view.takes else None
    drawn = len(take.images) if take is not None else 0
    whole = take is not None and drawn + len(take.failed) >= take.count
    if view.status == "done" or (view.status == "withdrawn" and whole and not _failed(view)):
        return shapes.Progress(job_id=view.id, status="completed", progress=100)
    word = _WORDS.get(view.status, "queued")
    if take is None or (whole and word == "queued"):
        # What is there is of a take before.
        return shapes.Progress(job_id=view.id, status=word, progress=0, error=_why(view))
    there = {image.index for image in take.images}
    steps = sum(
        min(one.step / one.steps, 1.0)
        for one in workers
        if one.task is not None and one.steps
        and (one.task.job, one.task.take) == (view.key, take.number)
        and one.task.index not in there
    )  # fmt: skip
    if word == "queued" and drawn:
        word = "running"
    done = min(int(100 * (drawn + steps) / take.count), _NEARLY)
    return shapes.Progress(job_id=view.id, status=word, progress=done, error=_why(view))


def _failed(view: JobView) -> dict[int, str]:
    return view.takes[-1].failed if view.takes else {}


def _why(view: JobView) -> str | None:
    """Why a job has failed, if it has."""
    match view.status:
        case "failed":
            return "; ".join(dict.fromkeys(_failed(view).values()))
        case "quarantined":
            return view.quarantined
        case "cancelled":
            return "it was cancelled"
        case "withdrawn":
            return f"its manifest {view.file} is gone"
        case _:
            return None


def owner(one: CharacterState) -> str | None:
    """The key of the project that a character belongs to."""
    return one.key.rpartition("/")[0] or None


def character_id(one: CharacterState) -> str:
    """A character's id."""
    return id_of("character", one.key, one.spec.id)


def generations(known: Catalogue, one: CharacterState) -> int:
    """How many pictures a character is in."""
    return sum(group.files for group in known.of_character(one.key))


def _tags(tags: Tags) -> str:
    return tags if isinstance(tags, str) else ", ".join(tags)
