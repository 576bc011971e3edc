"""What a manifest file declares: the difference between what it says now and what is in force.

Pure. A file with problems withdraws nothing: the last good version of each document stays in force.
Of two files that declare the same key, the one whose path sorts first has it, whichever came first,
and the other is told so.
"""

import msgspec

from pipeline.core import events as e
from pipeline.core.digest import digest, seed_of
from pipeline.core.keys import character_key, folder_of, job_key, slug
from pipeline.core.manifest import Character, Job, Project
from pipeline.core.observed import FileSeen
from pipeline.core.problem import Problem
from pipeline.core.state import CharacterState, JobState, ProjectState, State


def file_seen(state: State, seen: FileSeen) -> list[e.Event]:
    """The events by which the state comes to say what the file says."""
    if seen.styles is not None or seen.wildcard is not None:
        return [*_texts(state, seen), *_judged(state, seen, seen.problems)]
    if seen.adapter is not None:
        if state.adapters.get(seen.file) == seen.adapter:
            return []
        return [e.AdapterDeclared(file=seen.file, adapter=seen.adapter)]
    if seen.picture is not None:
        if state.pictures.get(seen.file) == seen.picture:
            return []
        return [e.PictureDeclared(file=seen.file, picture=seen.picture)]
    declared: list[e.Event] = []
    problems = list(seen.problems)
    lines: dict[str, int] = {}
    own = next((slug(m.name) for m in seen.manifests if isinstance(m, Project)), None)
    for manifest, line in zip(seen.manifests, seen.lines, strict=True):
        event = _declaration(state, seen, manifest, own)
        name = f"{type(manifest).__name__.casefold()} {event.key}"
        holder = _holder(state, name)
        if holder is not None and holder[1] != seen.file and holder[1] > seen.file:
            declared += _withdraw(state, holder[1], [holder[0]])
        elif name in lines or (holder is not None and holder != (name, seen.file)):
            problems.append(_clash(seen.file, line, name, lines.get(name), holder))
            continue
        lines[name] = line
        if not _in_force(state, event):
            declared.append(event)
    gone = [] if problems else [k for k in state.files.get(seen.file, {}) if k not in lines]
    found = tuple(sorted(problems, key=lambda problem: (problem.line, problem.column)))
    return [*_withdraw(state, seen.file, gone), *declared, *_judged(state, seen, found)]


def _texts(state: State, seen: FileSeen) -> list[e.Event]:
    """A file of styles or of a wildcard; one that cannot be read says what it said before."""
    if seen.problems and not seen.styles:
        return []
    if seen.styles is not None and state.styles.get(seen.file) != seen.styles:
        return [e.StylesDeclared(file=seen.file, styles=seen.styles)]
    if seen.wildcard is not None and state.wildcards.get(seen.file) != seen.wildcard:
        return [e.WildcardDeclared(file=seen.file, lines=seen.wildcard)]
    return []


def file_gone(state: State, file: str) -> list[e.Event]:
    """Everything the file declared is withdrawn."""
    events = _withdraw(state, file, list(state.files.get(file, {})))
    if file in state.rejected:
        events.append(e.ManifestMended(file=file))
    return events


_Declared = e.ProjectDeclared | e.CharacterDeclared | e.JobSubmitted


def _declaration(
    state: State, seen: FileSeen, manifest: Project | Character | Job, own: str | None
) -> _Declared:
    match manifest:
        case Project():
            return e.ProjectDeclared(key=slug(manifest.name), file=seen.file, spec=manifest)
        case Character():
            key = character_key(_project_of(state, seen.file, manifest, own), manifest.name)
            return e.CharacterDeclared(key=key, file=seen.file, spec=manifest)
        case Job():
            key = job_key(seen.file, manifest.name, several=seen.several)
            before = state.jobs.get(key)
            content = digest(manifest)
            seed = state.seeds.get(content, seed_of(content)) if before is None else before.seed
            project = _project_of(state, seen.file, manifest, own)
            return e.JobSubmitted(
                key=key, file=seen.file, project=project, seed=seed, spec=manifest
            )


def _project_of(state: State, file: str, manifest: Character | Job, own: str | None) -> str | None:
    """The project a manifest names, else the one its file declares, else the nearest above it."""
    if manifest.project is not None:
        return slug(manifest.project)
    if own is not None:
        return own
    folder = folder_of(file)
    while folder:
        if folder in state.folders:
            return state.folders[folder]
        folder = folder_of(folder)
    return state.folders.get("")


def _in_force(state: State, event: _Declared) -> bool:
    match event:
        case e.ProjectDeclared():
            project = state.projects.get(event.key)
            return project is not None and _same(project, event)
        case e.CharacterDeclared():
            bible = state.characters.get(event.key)
            return bible is not None and _same(bible, event)
        case e.JobSubmitted():
            job = state.jobs.get(event.key)
            return (
                job is not None
                and not job.withdrawn
                and job.project == event.project
                and _same(job, event)
            )


def _same(known: ProjectState | CharacterState | JobState, event: _Declared) -> bool:
    """Whether a file says what it said; the order of what it lists counts."""
    return known.file == event.file and (
        msgspec.json.encode(known.spec) == msgspec.json.encode(event.spec)
    )


def _holder(state: State, name: str) -> tuple[str, str] | None:
    """Who has the key of `name` now, as `(name, file)`; letters' case does not tell jobs apart."""
    kind, _, key = name.partition(" ")
    match kind:
        case "project":
            project = state.projects.get(key)
            return (name, project.file) if project is not None else None
        case "character":
            bible = state.characters.get(key)
            return (name, bible.file) if bible is not None else None
        case _:
            taken = state.folded.get(key.casefold())
            return (f"job {taken}", state.jobs[taken].file) if taken is not None else None


def _clash(
    file: str, line: int, name: str, above: int | None, holder: tuple[str, str] | None
) -> Problem:
    """What is wrong, and the way out, where a key is taken."""
    kind, _, key = name.partition(" ")
    if above is not None or holder is None:
        message = f"the {kind} {key!r} is already declared in line {above} of this file"
        hint = "give one of the two another name"
    elif holder[0] != name:
        taken = holder[0].partition(" ")[2]
        message = f"the job {key!r} differs only in letters' case from {taken!r} of {holder[1]}"
        hint = "rename one of the two files"
    else:
        message = f"the {kind} {key!r} is already declared by {holder[1]}"
        hint = f"rename it here, or remove it from {holder[1]}"
    return Problem(file=file, line=line, column=1, message=message, hint=hint)


def _withdraw(state: State, file: str, names: list[str]) -> list[e.Event]:
    events: list[e.Event] = []
    for name in names:
        kind, _, key = name.partition(" ")
        match kind:
            case "project":
                events.append(e.ProjectWithdrawn(key=key, file=file))
            case "character":
                events.append(e.CharacterWithdrawn(key=key, file=file))
            case "styles":
                events.append(e.StylesWithdrawn(file=file))
            case "wildcard":
                events.append(e.WildcardWithdrawn(file=file))
            case "adapter":
                events.append(e.AdapterWithdrawn(file=file))
            case "picture":
                events.append(e.PictureWithdrawn(file=file))
            case _:
                events.append(e.JobWithdrawn(key=key, file=file))
    return events


def _judged(state: State, seen: FileSeen, problems: tuple[Problem, ...]) -> list[e.Event]:
    if problems:
        if state.rejected.get(seen.file) == problems:
            return []
        return [e.ManifestRejected(file=seen.file, sha256=seen.sha256, problems=problems)]
    return [e.ManifestMended(file=seen.file)] if seen.file in state.rejected else []
