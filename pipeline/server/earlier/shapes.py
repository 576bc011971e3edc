"""What the earlier interface is asked and what it answers.

Owns the shapes and their bounds; the description of the interface is made of them. What a field
means to the production is said where it is declared (`pipeline.core.manifest`).
"""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from pipeline.core.manifest import GRAIN, LARGEST, SMALLEST, Name, Text

NO_STYLE = "anime"
"""The style of a project that names none; it stands for no preset."""

Side = Annotated[int, Meta(ge=SMALLEST, le=LARGEST, multiple_of=GRAIN, description="Pixels")]
Key = Annotated[str, Meta(pattern=r"^[0-9a-f]{8}$", description="An id: 8 hex digits")]
Prompt = Annotated[str, Meta(max_length=10_000, description="Tags, comma separated")]
Word = Literal["queued", "running", "completed", "failed"]
Percent = Annotated[int, Meta(ge=0, le=100, description="100 only once all of it is there")]
Metadata = Annotated[dict[str, Any], Meta(description="Anything, for other programs")]


class ProjectAsked(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A project to be made. The style "anime" is no preset."""

    name: Name
    description: Text | None = None
    style: Name | None = None
    metadata: Metadata | None = None


class ProjectChanged(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be different of a project; what is left out stays, and null empties it."""

    name: Name | UnsetType = UNSET
    description: Text | UnsetType | None = UNSET
    style: Name | UnsetType | None = UNSET
    metadata: Metadata | UnsetType | None = UNSET


class Project(Struct, frozen=True, kw_only=True):
    """A project. `file_count` counts its pictures, `characters` has the ids of its characters."""

    id: Key
    name: str
    description: str
    style: str
    metadata: Metadata
    created_at: str
    file_count: int
    characters: tuple[Key, ...]


class Projects(Struct, frozen=True, kw_only=True):
    """All projects."""

    projects: tuple[Project, ...]


class CharacterAsked(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A character to be made; its appearance reaches the prompts, the rest is for people."""

    project_id: str
    name: Name
    appearance: Prompt
    description: Text | None = None
    personality: Text | None = None
    backstory: Text | None = None
    reference_prompts: (
        Annotated[tuple[Annotated[str, Meta(max_length=10_000)], ...], Meta(max_length=100)] | None
    ) = None
    relationships: Annotated[dict[str, str], Meta(max_length=200)] | None = None


class Character(Struct, frozen=True, kw_only=True):
    """A character. `generation_count` counts the pictures it is in; a character that belongs to no
    project has no `project_id`."""

    id: Key
    project_id: Key | None
    name: str
    description: str
    personality: str
    appearance: str
    backstory: str
    reference_prompts: tuple[str, ...]
    relationships: dict[str, str]
    created_at: str
    generation_count: int


class BibleText(Struct, frozen=True, kw_only=True):
    """What is known of a character."""

    name: str
    appearance: str
    personality: str
    backstory: str
    reference_prompts: tuple[str, ...]
    generation_count: int


class Bible(Struct, frozen=True, kw_only=True):
    """A character's bible."""

    character_id: Key
    bible: BibleText


class GenerateAsked(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A picture to be drawn. Without width and height it has the size of its project, or else the
    model's own; with one of the two the model's own is the other."""

    prompt: Prompt
    negative_prompt: Prompt | None = None
    width: Side | None = None
    height: Side | None = None
    project_id: str | None = None
    character_id: str | None = None
    style_preset: Name | None = None


class Generate(Struct, frozen=True, kw_only=True):
    """A job that was taken. `queue_position` is its place among those with pictures to begin, from
    1, and 0 where all of it is begun; `estimated_time` is in seconds, and null as long as no
    picture was drawn by which to tell."""

    job_id: Key
    status: Literal["queued"]
    queue_position: int
    estimated_time: float | None
    websocket_url: str


class JobPicture(Struct, frozen=True, kw_only=True):
    """A finished picture: where to get it, and its file in the inbox."""

    url: str
    file: str
    seed: int


class Job(Struct, frozen=True, kw_only=True):
    """How a job stands. `error` says why it failed, `waiting` for what it waits or that it is
    held."""

    id: Key
    status: Word
    progress: Percent
    queue_position: int
    prompt: str
    project_id: Key | None
    created_at: str
    images: tuple[JobPicture, ...]
    waiting: str | None
    error: str | None


class Progress(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One message of `/ws/{job_id}`; `progress` never falls."""

    job_id: Key
    status: Word
    progress: Percent
    error: str | None = None
