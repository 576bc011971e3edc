"""What a job refers to: its project, characters, styles, outfits and wildcards, found by name.

Pure. What is not there goes to the list of what is missing; it is never dropped and never guessed.
Styles and wildcards of the job's own folder come before those of the folders above, and these
before those of its project; the project's own styles come first, the five presets last.
"""

from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Literal

from pipeline.core.keys import (
    PROJECT_FILES,
    character_key,
    folders_above,
    scope_of,
    slug,
    wildcard_file,
    wildcard_name,
)
from pipeline.core.manifest import Job, Preset, Project, Role, Tags, split_tags
from pipeline.core.missing import Missing
from pipeline.core.near import near
from pipeline.core.prompt import Figure
from pipeline.core.state import CharacterState, JobState, State
from pipeline.core.styles import PRESETS, Style, style_key, style_names, written

LIKE_A_NAME = 0.8
"""So like the name of an outfit, a single tag is taken for a misspelt one."""


def find_project(state: State, job: JobState, missing: list[Missing]) -> Project | None:
    """The job's project, or None where it has none or it is missing."""
    broken = _broken_project(state, job)
    if broken is not None:
        missing.append(Missing(kind="project", name=f"{broken} has errors of its own"))
        return None
    if job.project is None:
        return None
    found = state.projects.get(job.project)
    if found is None:
        name = job.spec.project or job.project
        missing.append(
            Missing(
                kind="project", name=name, nearest=near(slug(name), state.projects),
                field=("project",) if job.spec.project else None,
            )
        )  # fmt: skip
        return None
    return found.spec


def _broken_project(state: State, job: JobState) -> str | None:
    """The project file nearest above a job, if it declares nothing because of its errors: which
    project the job belongs to is not known then."""
    if job.spec.project is not None:
        return None
    for folder in folders_above(job.file):
        for name in PROJECT_FILES:
            file = f"{folder}/{name}".lstrip("/")
            declared = state.files.get(file, {})
            if file in state.rejected and not any(key.startswith("project ") for key in declared):
                return file
        if folder in state.folders:
            return None
    return None


def find_figures(state: State, job: JobState, spec: Job, missing: list[Missing]) -> list[Figure]:
    """The characters of the picture, with what they wear and feel in it."""
    roles = spec.cast or tuple(Role(who=name) for name in spec.characters)
    figures = []
    for number, role in enumerate(roles):
        place = ("cast", number, "who") if spec.cast else ("characters", number)
        found = _character(state, job, role.who, place, missing)
        if found is not None:
            figures.append(_dressed(found, role, number, spec, missing))
    return figures


def _character(
    state: State, job: JobState, name: str, place: tuple[str | int, ...], missing: list[Missing]
) -> CharacterState | None:
    own = character_key(job.project, name)
    keys = ["/".join(map(slug, name.split("/")))] if "/" in name else [own, slug(name)]
    for key in keys:
        if key in state.characters:
            return state.characters[key]
    visible = {
        key.rpartition("/")[2]
        for key in state.characters
        if "/" not in key or key.startswith(f"{job.project}/")
    }
    missing.append(
        Missing(kind="character", name=name, nearest=near(slug(name), visible), field=place)
    )
    return None


def _dressed(
    found: CharacterState, role: Role, number: int, spec: Job, missing: list[Missing]
) -> Figure:
    """A character with what the role says, else the job, else the bible itself."""
    key, bible = found.key.rpartition("/")[2], found.spec

    def chosen(field: str, named: Mapping[str, Tags], usual: Tags) -> Tags:
        own, shared = getattr(role, field), getattr(spec, field)
        if own is None and shared is None:
            return usual
        place: tuple[str | int, ...] = (field,) if own is None else ("cast", number, field)
        return _of_the_bible(shared if own is None else own, field, key, named, place, missing)

    return Figure(
        key=key,
        bible=bible,
        file=found.file,
        outfit=chosen("outfit", bible.outfits, bible.outfit),
        expression=chosen("expression", bible.expressions, bible.expression),
        at=role.at,
    )


def _of_the_bible(
    wish: Tags, field: str, key: str, named: Mapping[str, Tags], place: tuple[str | int, ...],
    missing: list[Missing],
) -> Tags:  # fmt: skip
    """The tags that a bible has under that name, or else the wish as tags."""
    if not isinstance(wish, str) and len(wish) == 1:
        (wish,) = wish
    if not isinstance(wish, str):
        return wish
    if wish in named:
        return named[wish]
    known = {slug(name): tags for name, tags in named.items() if slug(name)}
    if slug(wish) in known:
        return known[slug(wish)]
    close = near(slug(wish), known) if known and len(split_tags(wish)) == 1 else ()
    if close and _alike(slug(wish), close[0]):
        kind: Literal["outfit", "expression"] = "outfit" if field == "outfit" else "expression"
        missing.append(Missing(kind=kind, name=wish, nearest=close, field=place, of=f" of {key}"))
    return wish


def _alike(one: str, other: str) -> bool:
    return SequenceMatcher(None, one, other).ratio() >= LIKE_A_NAME


def find_styles(
    state: State, job: JobState, spec: Job, project: Project | None, missing: list[Missing]
) -> list[Style]:
    """The styles of a picture in their order; none where the job or its project says `none`."""
    wanted = spec.style if spec.style is not None else project.style if project else None
    names = style_names(wanted)
    found = []
    for number, name in enumerate(names):
        if name.casefold() == "none":
            continue
        style = _style(state, job, project, style_key(name))
        if style is not None:
            found.append(style)
            continue
        place: tuple[str | int, ...] | None = None
        if spec.style is not None:
            place = ("style",) if isinstance(wanted, str) else ("style", number)
        known = {one.name for one in visible_styles(state, job, project)}
        missing.append(
            Missing(kind="style", name=name, nearest=near(style_key(name), known), field=place)
        )
    return found


def _style(state: State, job: JobState, project: Project | None, key: str) -> Style | None:
    return next((style for style in visible_styles(state, job, project) if style.name == key), None)


def visible_styles(state: State, job: JobState, project: Project | None) -> Iterator[Style]:
    """Every style that the job may name; of two of one name the first is meant."""
    if project is not None:
        for name, own in project.styles.items():
            yield preset(name, own)
    for scope in scopes(state, job):
        for file in sorted(state.styles):
            if scope_of(file) == scope:
                yield from state.styles[file]
    yield from PRESETS.values()


def preset(name: str, own: Preset) -> Style:
    """A style that a project's manifest has."""
    texts = [text if isinstance(text, str) else ", ".join(text)
             for text in (own.prompt, own.negative)]  # fmt: skip
    return written(name, *texts)


def find_lines(state: State, job: JobState, name: str) -> Sequence[str] | None:
    """The lines of the wildcard that the job means by `__name__`, if there is one."""
    for scope in scopes(state, job):
        lines = state.wildcards.get(wildcard_file(scope, name))
        if lines:
            return lines
    return None


def wildcard_names(state: State, job: JobState) -> set[str]:
    """The names of all wildcards that the job may use."""
    seen = set(scopes(state, job))
    return {wildcard_name(file) for file in state.wildcards if scope_of(file) in seen}


def scopes(state: State, job: JobState) -> list[str]:
    """The folders whose styles and wildcards hold for the job, nearest first."""
    found = folders_above(job.file)
    project = state.projects.get(job.project) if job.project is not None else None
    if project is not None:
        found = [*found[:-1], *folders_above(project.file)]
    return list(dict.fromkeys(found))
