"""Where a manifest that comes over HTTP goes in the inbox.

Owns the folders: `projects/<id>/` for what was made here, a project's own folder for one that a
person made, `characters/<id>/` for pictures of somebody and `general/` for others. Never writes.
"""

from pathlib import PurePosixPath

from msgspec import Struct

from pipeline.core.digest import id_of
from pipeline.core.keys import folder_of, stem_of
from pipeline.core.state import CharacterState, ProjectState, State


class Place(Struct, frozen=True, kw_only=True):
    """A folder with a slash behind it, '' for the inbox itself. `named` is the name of the project
    where the folder alone does not make a manifest the project's."""

    folder: str
    named: str | None = None


def project_file(id_: str) -> str:
    """Where a new project's manifest stands."""
    return f"projects/{id_}/project.yaml"


def home(state: State, project: ProjectState) -> Place:
    """A project's folder."""
    owned = [folder for folder, key in state.folders.items() if key == project.key]
    folder = owned[0] if owned else folder_of(project.file)
    return Place(folder=f"{folder}/" if folder else "", named=None if owned else project.spec.name)


def desk(state: State, home: Place, bible: CharacterState | None) -> str:
    """The folder below a home in which jobs with this character stand, or with nobody."""
    if bible is None:
        return f"{home.folder}general/"
    stem = stem_of(bible.file)
    alone = len(state.files.get(bible.file, {})) == 1
    if alone and folder_of(stem) == f"{home.folder}characters":
        return f"{home.folder}characters/{PurePosixPath(stem).name}/"
    return f"{home.folder}characters/{id_of('character', bible.key, bible.spec.id)}/"
