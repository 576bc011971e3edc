"""Resolution: a job, its project, its characters and its styles become the model's exact inputs.

Pure. The order: the job's references are looked up; a matrix or a sheet makes several jobs of one;
each is compiled into prompt and negative prompt, part by part; wildcards are chosen by the seed.
A reference to something that is not there makes the job wait and says for what.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from msgspec import Struct

from pipeline.core.digest import digest
from pipeline.core.inputs import Inputs, inputs_of, short
from pipeline.core.lookup import (
    find_figures,
    find_lines,
    find_project,
    find_styles,
    wildcard_names,
)
from pipeline.core.manifest import GUIDANCE, SAMPLER, STEPS, Job, Project, parse_size
from pipeline.core.missing import Missing, Waiting
from pipeline.core.near import near
from pipeline.core.prompt import Figure, Part, joined, negative_parts, prompt_parts
from pipeline.core.regions import regions_of
from pipeline.core.resolved import Cell, Model, Resolved
from pipeline.core.samplers import SCHEDULES, Sampler
from pipeline.core.state import JobState, State
from pipeline.core.styles import Style
from pipeline.core.variants import Variant, variants
from pipeline.core.wildcards import chosen, wildcards_in


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
    """One variant with all it refers to."""

    variant: Variant
    project: Project | None
    figures: tuple[Figure, ...]
    styles: tuple[Style, ...]
    sampler: Sampler
    schedule: Any


def resolve(state: State, job: JobState) -> Compiled | Waiting:
    """Compile a job against everything that is declared now."""
    missing: list[Missing] = []
    scenes = list(_scenes(state, job, missing))
    model = state.model
    if model is None:
        missing.append(Missing(kind="model", name="(none has been loaded)"))
    if missing or model is None:
        return Waiting(missing=tuple(dict.fromkeys(missing)))
    cells = [_cell(scene, words, model) for scene in scenes for words in _worded(state, job, scene)]
    return Compiled(cells=tuple(cells), inputs=_inputs(state, job, scenes, model))


def origins(state: State, job: JobState) -> list[Origins]:
    """Where each picture's words come from; what is missing has no words."""
    return [words for scene in _scenes(state, job, []) for words in _worded(state, job, scene)]


def _inputs(state: State, job: JobState, scenes: Sequence[_Scene], model: Model) -> Inputs:
    found: Inputs = {}
    for scene in scenes:
        found |= inputs_of(scene.project, scene.figures, scene.styles, scene.variant.job)
        for name in _wildcards(state, job, scene):
            found[f"wildcard {name}"] = short(find_lines(state, job, name))
    return {**found, "model": short(model.sha256)}


def _scenes(state: State, job: JobState, missing: list[Missing]) -> Iterator[_Scene]:
    project = find_project(state, job, missing)
    cast = find_figures(state, job, job.spec, missing)
    for variant in variants(job.spec, cast):
        spec = variant.job
        figures = cast if spec is job.spec else find_figures(state, job, spec, missing)
        styles = find_styles(state, job, spec, project, missing)
        sampler, schedule = _sampling(spec, project, missing)
        scene = _Scene(
            variant=variant, project=project, figures=tuple(figures), styles=tuple(styles),
            sampler=sampler, schedule=schedule,
        )  # fmt: skip
        _miss_wildcards(state, job, scene, missing)
        yield scene


def _worded(state: State, job: JobState, scene: _Scene) -> Iterator[Origins]:
    """The words of a variant's pictures, one for each seed."""
    spec = scene.variant.job
    prompt = prompt_parts(scene.project, scene.figures, scene.styles, spec)
    negative = negative_parts(scene.project, scene.figures, scene.styles, spec)
    drawn = bool(wildcards_in(part.text for part in (*prompt, *negative)))
    lines = _lines(state, job)
    for seed in _seeds(job, scene):
        yield Origins(
            label=scene.variant.label,
            seed=seed,
            prompt=chosen(prompt, seed, lines) if drawn else prompt,
            negative=chosen(negative, seed, lines) if drawn else negative,
        )


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
    size = _first(project, spec, "size", None)
    width, height = parse_size(size) if size else (model.width, model.height)
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
        regions=regions_of(words.prompt) if spec.cast else (),
    )
    return Cell(resolved=resolved, digest=digest(resolved), seed=words.seed, label=words.label)


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


def _lines(state: State, job: JobState) -> Callable[[str], Sequence[str] | None]:
    return lambda name: find_lines(state, job, name)


def _wildcards(state: State, job: JobState, scene: _Scene) -> dict[str, str]:
    """The wildcards of a scene and those in their lines, with the one that each is inside of."""
    spec = scene.variant.job
    parts = (
        *prompt_parts(scene.project, scene.figures, scene.styles, spec),
        *negative_parts(scene.project, scene.figures, scene.styles, spec),
    )
    found = dict.fromkeys(wildcards_in(part.text for part in parts), "")
    waiting = list(found)
    while waiting:
        outer = waiting.pop(0)
        for inner in wildcards_in(find_lines(state, job, outer) or ()):
            if inner not in found:
                found[inner] = outer
                waiting.append(inner)
    return found


def _miss_wildcards(state: State, job: JobState, scene: _Scene, missing: list[Missing]) -> None:
    for name, outer in _wildcards(state, job, scene).items():
        if find_lines(state, job, name):
            continue
        missing.append(
            Missing(
                kind="wildcard",
                name=name,
                nearest=near(name, wildcard_names(state, job)),
                field=("prompt",) if f"__{name}__" in str(job.spec.prompt) else None,
                of=f" of the wildcard {outer!r}" if outer else "",
            )
        )
