"""Resolution: a job, its project, its characters and its styles become the model's exact inputs.

Pure. The order: the job's references are looked up; a matrix or a sheet makes several jobs of one;
each is compiled into prompt and negative prompt, part by part; wildcards are chosen by the seed.
A reference to something that is not there makes the job wait and says for what.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any

from msgspec import Struct

from pipeline.core.guides import NO_GUIDES, Guides, find_guides
from pipeline.core.inputs import Inputs, inputs_of, short
from pipeline.core.lookup import (
    find_figures,
    find_lines,
    find_project,
    find_styles,
    wildcard_names,
)
from pipeline.core.loras import find_adapters
from pipeline.core.manifest import (
    GUIDANCE,
    MOST_PICTURES,
    SAMPLER,
    STEPS,
    Job,
    Project,
    parse_size,
)
from pipeline.core.missing import Missing, Waiting
from pipeline.core.models import find_model, model_of, wanted
from pipeline.core.near import near
from pipeline.core.prompt import Figure, Part, joined, negative_parts, prompt_parts
from pipeline.core.references import find_likenesses
from pipeline.core.regions import regions_of
from pipeline.core.resolved import Adapter, Cell, Likeness, Model, Resolved
from pipeline.core.samplers import SCHEDULES, Sampler
from pipeline.core.state import JobState, State
from pipeline.core.styles import Style
from pipeline.core.variants import Variant, variants
from pipeline.core.wildcards import Choice, Endless, wildcards_in


class Compiled(Struct, frozen=True, kw_only=True):
    """A job that can be drawn: `cells` has one for each picture, `inputs` what they come from."""

    cells: tuple[Cell, ...]
    inputs: Inputs

    @property
    def shows(self) -> tuple[tuple[str, int], ...]:
        """What the pictures are, by number: digest and seed of each."""
        return tuple((cell.digest, cell.seed) for cell in self.cells)


class Origins(Struct, frozen=True, kw_only=True):
    """Where the words of one picture come from, in order."""

    label: str
    seed: int
    prompt: tuple[Part, ...]
    negative: tuple[Part, ...]


class _Scene(Struct, frozen=True, kw_only=True):
    """One variant with all it refers to, and its words before wildcards are chosen."""

    variant: Variant
    project: Project | None
    figures: tuple[Figure, ...]
    styles: tuple[Style, ...]
    sampler: Sampler
    schedule: Any
    prompt: tuple[Part, ...]
    negative: tuple[Part, ...]
    wildcards: tuple[str, ...]
    adapters: tuple[Adapter, ...]
    guides: Guides
    likenesses: tuple[Likeness, ...]


def resolve(state: State, job: JobState) -> Compiled | Waiting:
    """Compile a job against everything that is declared now."""
    missing: list[Missing] = []
    scenes = list(_scenes(state, job, missing))
    project = scenes[0].project if scenes else None
    model = find_model(state, project, job.spec, missing)
    pictures = sum(len(_seeds(job, scene)) for scene in scenes)
    if pictures > MOST_PICTURES:
        why = f"these would be {pictures:,} pictures, and {MOST_PICTURES} of one job are the most"
        missing.append(Missing(kind="picture", name="", why=why))
    if missing or model is None:
        return Waiting(missing=tuple(dict.fromkeys(missing)))
    try:
        cells = [
            _cell(scene, words, model) for scene in scenes for words in _worded(state, job, scene)
        ]
    except Endless as endless:
        why = f"the wildcard {endless.name!r} chooses wildcards without end, or too many"
        return Waiting(missing=(Missing(kind="wildcard", name=endless.name, why=why),))
    return Compiled(cells=tuple(cells), inputs=_inputs(state, job, scenes, model))


def origins(state: State, job: JobState) -> list[Origins]:
    """Where each picture's words come from, of a job that waits for nothing."""
    return [words for scene in _scenes(state, job, []) for words in _worded(state, job, scene)]


def _inputs(state: State, job: JobState, scenes: Sequence[_Scene], model: Model) -> Inputs:
    """What the pictures are compiled from; an input of several values is all of them."""
    found: dict[str, list[Any]] = {}
    for scene in scenes:
        for name, value in inputs_of(
            scene.project, scene.figures, scene.styles, scene.variant.job, scene.adapters,
            guides=scene.guides, likenesses=scene.likenesses,
        ):  # fmt: skip
            values = found.setdefault(name, [])
            if value not in values:
                values.append(value)
        for name in scene.wildcards:
            lines = tuple(find_lines(state, job, name) or ())
            found[f"wildcard {name}"] = [_print_of(lines)]
    inputs = {
        name: short(values if len(values) > 1 else values[0]) for name, values in found.items()
    }
    return {**inputs, "model": short(model.sha256)}


@lru_cache(maxsize=256)
def _print_of(lines: tuple[str, ...]) -> str:
    return short(lines)


@lru_cache(maxsize=256)
def _inside(lines: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(wildcards_in(lines))


def _scenes(state: State, job: JobState, missing: list[Missing]) -> Iterator[_Scene]:
    project = find_project(state, job, missing)
    cast = find_figures(state, job, job.spec, missing)
    for variant in variants(job.spec, cast):
        spec = variant.job
        figures = cast if spec is job.spec else find_figures(state, job, spec, missing)
        styles = find_styles(state, job, spec, project, missing)
        sampler, schedule = _sampling(spec, project, missing)
        prompt = prompt_parts(project, figures, styles, spec)
        negative = negative_parts(project, figures, styles, spec, said=prompt)
        yield _Scene(
            variant=variant, project=project, figures=tuple(figures), styles=tuple(styles),
            sampler=sampler, schedule=schedule, prompt=prompt, negative=negative,
            wildcards=_wildcards(state, job, (*prompt, *negative), missing),
            adapters=find_adapters(state, job.file, spec, figures, missing, model_of(state, job)),
            guides=_guides(state, job, spec, project, missing),
            likenesses=find_likenesses(state, job, spec, figures, missing, model_of(state, job)),
        )  # fmt: skip


def _guides(
    state: State, job: JobState, spec: Job, project: Project | None, missing: list[Missing]
) -> Guides:
    if spec.from_ is None and spec.refine is None and not spec.control:
        return NO_GUIDES
    model = find_model(state, project, spec, [])  # What keeps it away is said once, for the job.
    if model is None:
        return NO_GUIDES
    size, steps = _size(project, spec, model), _first(project, spec, "steps", STEPS)
    return find_guides(state, job, spec, size, steps, missing)


def _worded(state: State, job: JobState, scene: _Scene) -> Iterator[Origins]:
    """The words of a variant's pictures, one for each seed.

    Raises Endless if a wildcard comes to no end.
    """
    label = scene.variant.label
    for seed in _seeds(job, scene):
        if not scene.wildcards:
            yield Origins(label=label, seed=seed, prompt=scene.prompt, negative=scene.negative)
            continue
        choose = Choice(seed, lambda name: find_lines(state, job, name))
        made = (scene.project, scene.figures, scene.styles, scene.variant.job, choose)
        prompt = prompt_parts(*made)
        negative = negative_parts(*made, said=prompt)
        yield Origins(label=label, seed=seed, prompt=prompt, negative=negative)


def _seeds(job: JobState, scene: _Scene) -> Sequence[int]:
    """The seeds of every variant: those it names, else so many as it counts, one after another."""
    spec = job.spec
    if spec.seeds:
        return spec.seeds
    seed = spec.seed
    if seed is None:
        bibles = (figure.bible.seed for figure in scene.figures)
        seed = next((seed for seed in bibles if seed is not None), job.seed)
    count: int = _first(scene.project, spec, "count", 1)
    return range(seed, seed + count)


def _cell(scene: _Scene, words: Origins, model: Model) -> Cell:
    spec, project = scene.variant.job, scene.project
    width, height = _size(project, spec, model)
    resolved = Resolved(
        prompt=joined(words.prompt),
        negative=joined(words.negative),
        width=width,
        height=height,
        steps=_first(project, spec, "steps", STEPS),
        guidance=float(_first(project, spec, "guidance", GUIDANCE)),
        sampler=scene.sampler,
        schedule=scene.schedule,
        model=model.sha256,
        clip_skip=_first(project, spec, "clip_skip", 1),
        regions=regions_of(words.prompt) if spec.cast else (),
        adapters=scene.adapters,
        source=scene.guides.source,
        refine=scene.guides.refine,
        controls=scene.guides.controls,
        called=wanted(project, spec) or "",
        likenesses=scene.likenesses,
    )
    return Cell(resolved=resolved, digest=resolved.digest, seed=words.seed, label=words.label)


def _size(project: Project | None, spec: Job, model: Model) -> tuple[int, int]:
    size = _first(project, spec, "size", None)
    return parse_size(size) if size else (model.width, model.height)


def _first(project: Project | None, spec: Job, field: str, otherwise: Any) -> Any:
    """The job's own word, else the project's, else the built-in one."""
    own = getattr(spec, field)
    if own is not None:
        return own
    shared = getattr(project.defaults, field) if project is not None else None
    return otherwise if shared is None else shared


def _sampling(spec: Job, project: Project | None, missing: list[Missing]) -> tuple[Any, Any]:
    """The sampler and its schedule; one that was said for another sampler only is not an error
    but gives way to the sampler's own default."""
    sampler: Sampler = _first(project, spec, "sampler", SAMPLER)
    able = SCHEDULES[sampler]
    wanted = _first(project, spec, "schedule", None)
    if wanted is None or (wanted not in able and spec.schedule is None):
        return sampler, able[0]
    if wanted not in able:
        missing.append(
            Missing(
                kind="schedule", name=f"{wanted} for the sampler {sampler}", nearest=able,
                field=("schedule",),
            )
        )  # fmt: skip
    return sampler, wanted


def _wildcards(
    state: State, job: JobState, parts: Iterable[Part], missing: list[Missing]
) -> tuple[str, ...]:
    """The wildcards of a scene and those in their lines; what has no file is missing."""
    found = dict.fromkeys(wildcards_in(part.text for part in parts), "")
    waiting = list(found)
    while waiting:
        name = waiting.pop(0)
        lines = tuple(find_lines(state, job, name) or ())
        if not lines:
            missing.append(
                Missing(
                    kind="wildcard",
                    name=name,
                    nearest=near(name, wildcard_names(state, job)),
                    field=("prompt",) if f"__{name}__" in str(job.spec.prompt) else None,
                    of=f" of the wildcard {found[name]!r}" if found[name] else "",
                )
            )
        for inner in _inside(lines):
            if inner not in found:
                found[inner] = name
                waiting.append(inner)
    return tuple(found)
