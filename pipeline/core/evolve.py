"""The fold: how each event changes the state.

Owns what an event means. Never decides anything and never looks outside; it changes the one stream
an event speaks of and leaves the rest alone, so that a million events fold in seconds.
"""

from typing import TypeAlias, assert_never

from msgspec.structs import replace

from pipeline.core import events as e
from pipeline.core import streak
from pipeline.core.digest import digest
from pipeline.core.keys import PROJECT_FILES, folder_of
from pipeline.core.models import called
from pipeline.core.state import CharacterState, JobState, ProjectState, State
from pipeline.core.takes import at_rest, change_job, draw, draws_alike, in_last_take, keep

ANSWERED = 1000
"""So many commands are remembered as answered. A command's file goes as soon as its answer is on
the disk, so that a crash can leave one behind; all others here are for files that nobody could
remove."""


def evolve(state: State, seq: int, at: str, event: e.Event) -> None:
    """Fold one recorded event into the state."""
    state.seq, state.at = seq, at
    # What there is most of comes first: each case is tried in turn.
    match event:
        case (
            e.RenderRequested()
            | e.RenderWithdrawn()
            | e.RenderStarted()
            | e.ImageRendered()
            | e.ImageReused()
            | e.ImageShelved()
            | e.ImageRestored()
            | e.TakeRestored()
            | e.SheetComposed()
            | e.SheetShelved()
            | e.SheetRestored()
            | e.ImageDiscarded()
            | e.ImageApproved()
            | e.ImageDismissed()
            | e.ImageUnjudged()
            | e.RenderFailed()
            | e.RenderLessened()
            | e.WorkerLost()
        ):
            draw(state, at, event)
        case (
            e.ProjectDeclared()
            | e.ProjectWithdrawn()
            | e.CharacterDeclared()
            | e.CharacterWithdrawn()
            | e.JobSubmitted()
            | e.JobWithdrawn()
            | e.StylesDeclared()
            | e.StylesWithdrawn()
            | e.WildcardDeclared()
            | e.WildcardWithdrawn()
            | e.AdapterDeclared()
            | e.AdapterWithdrawn()
            | e.PictureDeclared()
            | e.PictureWithdrawn()
            | e.ManifestRejected()
            | e.ManifestMended()
        ):
            _declare(state, event)
        case e.RunnerStarted() | e.ModelSwitched() | e.ModelFailed():
            _run(state, event)
        case e.JobQuarantined():
            change_job(state, event.job, quarantined=event.reason)
            in_last_take(state, event.job, at_rest)
            streak.failed(state, event.job, event.reason)
        case e.JobHeld():
            change_job(state, event.job, held=True)
        case e.JobReleased():
            change_job(state, event.job, held=False)
        case e.JobReprioritised():
            change_job(state, event.job, priority=event.priority)
        case e.JobCancelled():
            change_job(state, event.job, cancelled=True)
            in_last_take(state, event.job, at_rest)
        case e.JobRetried():
            change_job(
                state, event.job, cancelled=False, quarantined=None, blamed=0, unexplained={}
            )
            in_last_take(state, event.job, lambda take: replace(take, failed={}, lean=()))
        case e.QueuePaused():
            state.paused, state.paused_by = event.reason, event.by
            state.unload = event.unload
        case e.QueueResumed():
            state.paused = state.paused_by = None
            state.unload = False
            streak.ended(state)
        case e.CommandAnswered(command=name):
            state.answered[name] = None
            while len(state.answered) > ANSWERED:
                del state.answered[next(iter(state.answered))]
        case _:
            assert_never(event)


def _run(state: State, event: e.RunnerStarted | e.ModelSwitched | e.ModelFailed) -> None:
    """A run, and the models that its workers have."""
    match event:
        case e.RunnerStarted():
            state.model, state.workers = event.model, event.workers
            state.batch_size, state.pause_after = event.batch_size, event.pause_after
            state.models = {offered.name: offered for offered in event.models}
            state.reference_model = event.reference_model
            state.warm, state.switches = (event.warm or event.model.sha256,), 0
            state.unusable = {}
            for key in list(state.owed):
                in_last_take(state, key, at_rest)
        case e.ModelSwitched(model=sha256, left=left):
            names = {one: called(state, one) for one in state.warm}
            kept = [one for one in state.warm if one != sha256 and names[one] not in left]
            state.warm, state.switches = (*kept, sha256), state.switches + 1
        case e.ModelFailed(model=sha256, error=error):
            state.unusable = {**state.unusable, sha256: error}
            state.warm = tuple(one for one in state.warm if one != sha256)
        case _:
            assert_never(event)


_Declaration: TypeAlias = (
    e.ProjectDeclared
    | e.ProjectWithdrawn
    | e.CharacterDeclared
    | e.CharacterWithdrawn
    | e.JobSubmitted
    | e.JobWithdrawn
    | e.Supply
    | e.ManifestRejected
    | e.ManifestMended
)


def _declare(state: State, event: _Declaration) -> None:
    match event:
        case e.ProjectDeclared(key=key, file=file, spec=project):
            known = state.projects.get(key)
            at = known.at if known is not None else state.at
            state.projects[key] = ProjectState(key=key, file=file, spec=project, at=at)
            state.files.setdefault(file, {})[f"project {key}"] = None
            _own_folder(state, file)
        case e.ProjectWithdrawn(key=key, file=file):
            state.projects.pop(key, None)
            _forget(state, file, f"project {key}")
            _own_folder(state, file)
        case e.CharacterDeclared(key=key, file=file, spec=character):
            bible = state.characters.get(key)
            at = bible.at if bible is not None else state.at
            state.characters[key] = CharacterState(key=key, file=file, spec=character, at=at)
            state.files.setdefault(file, {})[f"character {key}"] = None
        case e.CharacterWithdrawn(key=key, file=file):
            state.characters.pop(key, None)
            _forget(state, file, f"character {key}")
        case e.JobSubmitted(key=key, file=file):
            _submit(state, event)
            state.files.setdefault(file, {})[f"job {key}"] = None
            state.folded[key.casefold()] = key
            state.guided.pop(key, None)
            if any((event.spec.from_, event.spec.control, event.spec.reference)):
                state.guided[key] = None
        case e.JobWithdrawn(key=key, file=file):
            change_job(state, key, withdrawn=True)
            in_last_take(state, key, at_rest)
            _forget(state, file, f"job {key}")
            state.folded.pop(key.casefold(), None)
            state.guided.pop(key, None)
        case e.ManifestRejected(file=file):
            state.rejected[file] = event.problems
        case e.ManifestMended(file=file):
            state.rejected.pop(file, None)
        case _:
            _supply(state, event)


def _supply(state: State, event: e.Supply) -> None:
    match event:
        case e.StylesDeclared(file=file):
            state.styles[file] = event.styles
            state.files.setdefault(file, {})[f"styles {file}"] = None
        case e.StylesWithdrawn(file=file):
            state.styles.pop(file, None)
            _forget(state, file, f"styles {file}")
        case e.WildcardDeclared(file=file):
            state.wildcards[file] = event.lines
            state.files.setdefault(file, {})[f"wildcard {file}"] = None
        case e.WildcardWithdrawn(file=file):
            state.wildcards.pop(file, None)
            _forget(state, file, f"wildcard {file}")
        case e.AdapterDeclared(file=file):
            state.adapters[file] = event.adapter
            state.files.setdefault(file, {})[f"adapter {file}"] = None
        case e.AdapterWithdrawn(file=file):
            state.adapters.pop(file, None)
            _forget(state, file, f"adapter {file}")
        case e.PictureDeclared(file=file, picture=picture):
            state.pictures[file] = picture
            state.files.setdefault(file, {})[f"picture {file}"] = None
        case e.PictureWithdrawn(file=file):
            state.pictures.pop(file, None)
            _forget(state, file, f"picture {file}")
        case _:
            assert_never(event)


def _own_folder(state: State, file: str) -> None:
    """Whose the file's folder is: derived from what stands there, not from what came last."""
    folder = folder_of(file)
    for name in PROJECT_FILES:
        declared = state.files.get(f"{folder}/{name}".lstrip("/"), {})
        keys = sorted(k.removeprefix("project ") for k in declared if k.startswith("project "))
        if keys:
            state.folders[folder] = keys[0]
            return
    state.folders.pop(folder, None)


def _submit(state: State, event: e.JobSubmitted) -> None:
    before = state.jobs.get(event.key)
    state.seeds.setdefault(digest(event.spec), event.seed)
    job = JobState(
        key=event.key, file=event.file, project=event.project, seed=event.seed, spec=event.spec,
        order=state.seq, at=state.at,
    )  # fmt: skip
    if before is not None:
        old, new = before.spec, event.spec
        job = replace(
            job,
            order=before.order,
            at=before.at,
            takes=before.takes,
            held=before.held if old.hold == new.hold else None,
            priority=before.priority if old.priority == new.priority else None,
        )
        if draws_alike(before, job):
            job = replace(
                job, cancelled=before.cancelled, quarantined=before.quarantined,
                blamed=before.blamed, unexplained=before.unexplained,
            )  # fmt: skip
    keep(state, job)
    if before is not None and (before.withdrawn or not draws_alike(before, job)):
        # What failed then gets another chance now.
        in_last_take(state, job.key, lambda take: replace(take, failed={}))


def _forget(state: State, file: str, declared: str) -> None:
    keys = state.files.get(file, {})
    keys.pop(declared, None)
    if not keys:
        state.files.pop(file, None)
