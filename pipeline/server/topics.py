"""Which project and job a fact is about, and who wants to hear of which.

Owns the filters of `/events`. Never reads the journal, and changes no state.
"""

from collections.abc import Callable

from msgspec import Struct

from pipeline.core import events as e
from pipeline.core.digest import id_of
from pipeline.core.keys import folders_above
from pipeline.core.state import State


class Topic(Struct, frozen=True, kw_only=True):
    """What a fact is about: keys of a job and of a project. Neither is what concerns everybody,
    such as a pause of the queue, unless `nobody` says that it is about a file of no project."""

    job: str | None = None
    project: str | None = None
    nobody: bool = False


EVERYBODY = Topic()


class Wants(Struct, frozen=True, kw_only=True):
    """What one who listens asked for: facts of one project, of one job, or of both; else all."""

    project: str | None = None
    job: str | None = None

    def takes(self, topic: Topic) -> bool:
        """Whether a fact on this is for whoever wants this."""
        if topic == EVERYBODY:
            return True
        if self.job is not None and topic.job != self.job:
            return False
        return self.project is None or topic.project == self.project

    @property
    def all(self) -> bool:
        """Whether nothing is filtered."""
        return self.project is None and self.job is None


ALL = Wants()


def wants(
    state: State, project: str | None, job: str | None, key: Callable[[str], str | None]
) -> Wants:
    """What is asked for by keys or by the ids of the HTTP interface; one that nothing has yet is
    taken for a key, since it may come. `key` has a job's key by its id."""
    return Wants(
        project=None if project is None else _project(state, project),
        job=None if job is None else job if job in state.jobs else key(job) or job,
    )


def topic(state: State, event: e.Event) -> Topic:
    """What a fact is about, by the state that it was folded into."""
    match event:
        case e.ProjectDeclared() | e.ProjectWithdrawn():
            return Topic(project=event.key)
        case e.CharacterDeclared() | e.CharacterWithdrawn():
            project = event.key.rpartition("/")[0] or None
            return Topic(project=project, nobody=project is None)
        case e.JobSubmitted() | e.JobWithdrawn():
            return of_job(state, event.key)
        case _:
            pass
    # Every other fact that has a job or a file is about it.
    job, file = getattr(event, "job", None), getattr(event, "file", None)
    if job is not None:
        return of_job(state, job)
    return EVERYBODY if file is None else of_file(state, file)


def of_job(state: State, key: str) -> Topic:
    """What is about a job."""
    known = state.jobs.get(key)
    return Topic(job=key, project=None if known is None else known.project)


def of_file(state: State, file: str) -> Topic:
    """What is about a file that is no job's: it is of the project whose folder it stands in."""
    owners = (state.folders.get(folder) for folder in folders_above(file))
    project = next((owner for owner in owners if owner is not None), None)
    return Topic(project=project, nobody=project is None)


def _project(state: State, said: str) -> str:
    if said in state.projects:
        return said
    known = state.projects.values()
    found = (one.key for one in known if id_of("project", one.key, one.spec.id) == said)
    return next(found, said)
