"""What a person means by a name: one job, the jobs of a file, of a project, of a character, or all.

Pure. Names nothing that could be two things; says what is near where nothing has the name.
"""

from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from msgspec import Struct

from pipeline.core.keys import character_key, slug, stem_of
from pipeline.core.state import JobState, State

MOST_COMPARED = 2000
"""Names that are compared with one that nothing has: comparing costs time that others wait for."""


class Target(Struct, frozen=True, kw_only=True):
    """The jobs that are meant, none of them withdrawn; `name` is how they are called together."""

    name: str
    jobs: tuple[str, ...]


class Refusal(Struct, frozen=True, kw_only=True):
    """Why a command cannot be obeyed, and the way out."""

    message: str
    hint: str = ""


def find(state: State, name: str | None) -> Target | Refusal:
    """The jobs that a name means; all there are for None.

    A name is the key of a job, of a project or of a character, or the file of a manifest; one that
    several of them have needs `job:`, `project:` or `character:` before it.
    """
    if name is None:
        return Target(name="the inbox", jobs=tuple(job.key for job in _there(state)))
    found = {kind: keys for kind, keys in _by_kind(state, name) if keys}
    if not found:
        return _gone(state, name) or _nobody(state, name, "job, project or character")
    if len(found) > 1:
        ways = " or ".join(f"{kind}:{name}" for kind in found)
        return Refusal(message=f"{name} is {_listed(found)}", hint=f"say which is meant: {ways}")
    ((kind, keys),) = found.items()
    match kind:
        case "job":
            jobs = keys
        case "project":
            jobs = tuple(job.key for job in _there(state) if job.project == keys[0])
        case _ if len(keys) > 1:
            return Refusal(
                message=f"there are {len(keys)} characters {name}",
                hint=f"say which is meant: {' or '.join(keys)}",
            )
        case _:
            jobs = tuple(job.key for job in _there(state) if keys[0] in cast(state, job))
    return Target(name=keys[0] if len(keys) == 1 else name, jobs=jobs)


def find_job(state: State, name: str) -> JobState | Refusal:
    """The one job that a name means."""
    keys = _jobs(state, name.removeprefix("job:"))
    if not keys:
        return _gone(state, name) or _nobody(state, name, "job")
    if len(keys) > 1:
        return Refusal(
            message=f"{name} holds {len(keys)} jobs",
            hint=f"name one of them, such as {keys[0]}",
        )
    return state.jobs[keys[0]]


def cast(state: State, job: JobState) -> tuple[str, ...]:
    """The keys of the characters in the job's pictures, as far as they are in force."""
    return meant(state, job.project, job.spec.everybody)


def meant(state: State, project: str | None, names: Iterable[str]) -> tuple[str, ...]:
    """The keys of the characters that jobs of a project mean by these names, if in force."""
    found: dict[str, None] = {}
    for name in names:
        if "/" in name:
            keys = ["/".join(map(slug, name.split("/")))]
        else:
            keys = [character_key(project, name), slug(name)]
        if key := next((key for key in keys if key in state.characters), None):
            found[key] = None
    return tuple(found)


def _there(state: State) -> Iterator[JobState]:
    return (job for job in state.jobs.values() if not job.withdrawn)


def _by_kind(state: State, name: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The keys that the name may mean, by kind; `job:x` asks for jobs only."""
    said, colon, rest = name.partition(":")
    kinds = {"job": _jobs, "project": _projects, "character": _characters}
    if colon and rest and said in kinds and not _jobs(state, name):
        yield said, kinds[said](state, rest)
        return
    for kind, among in kinds.items():
        yield kind, among(state, name)


def _jobs(state: State, name: str) -> tuple[str, ...]:
    """The job of that key, or those of the file of that name."""
    stem = stem_of(name)
    key = state.folded.get(stem.casefold())
    if key is not None:
        return (key,)
    inside = f"{stem}#".casefold()
    return tuple(key for folded, key in state.folded.items() if folded.startswith(inside))


def _projects(state: State, name: str) -> tuple[str, ...]:
    return (slug(name),) if "/" not in name and slug(name) in state.projects else ()


def _characters(state: State, name: str) -> tuple[str, ...]:
    if "/" in name:
        key = "/".join(map(slug, name.split("/")))
        return (key,) if key in state.characters else ()
    last = slug(name)
    return tuple(key for key in state.characters if key.rpartition("/")[2] == last)


def _gone(state: State, name: str) -> Refusal | None:
    job = state.jobs.get(stem_of(name.removeprefix("job:")))
    if job is None:
        return None
    return Refusal(
        message=f"the job {job.key} is withdrawn: its manifest {job.file} is gone",
        hint="bring the manifest back",
    )


def _nobody(state: State, name: str, what: str) -> Refusal:
    jobs = [job.key for job in _there(state)]
    known = jobs if what == "job" else [*jobs, *state.projects, *state.characters]
    near = _nearest(stem_of(name), known)
    hint = f"did you mean {' or '.join(near)}?" if near else "anime status names what there is"
    return Refusal(message=f"there is no {what} {name!r}", hint=hint)


def _nearest(name: str, known: list[str]) -> list[str]:
    """At most three: those that end so, else those that look so."""
    ends = sorted(key for key in known if key.casefold().endswith(f"/{name.casefold()}"))
    if ends:
        return ends[:3]
    by_word = {key.rpartition("/")[2].casefold(): key for key in known[:MOST_COMPARED]}
    by_word |= {key.casefold(): key for key in known[:MOST_COMPARED]}
    close = get_close_matches(name.casefold(), by_word, n=3, cutoff=0.7)
    return list(dict.fromkeys(by_word[word] for word in close))


def _listed(kinds: Iterable[str]) -> str:
    return " and ".join(f"a {kind}" for kind in kinds)
