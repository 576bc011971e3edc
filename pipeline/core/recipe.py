"""A picture's record, or what another tool says of it, as a job that draws it again.

Pure. Owns what becomes which field, and an honest note for everything that could not. Every job it
makes is one that a manifest may hold.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from pipeline.core.adapters import inside
from pipeline.core.manifest import (
    GRAIN,
    LARGEST,
    LONGEST_FILE,
    LONGEST_MODEL,
    MODEL_NAME,
    MOST_LORA_WEIGHT,
    MOST_LORAS,
    SMALLEST,
    Job,
    Lora,
    Reference,
)
from pipeline.core.parameters import SAMPLERS, SCHEDULES, Parameters
from pipeline.core.pictures import SUFFIXES
from pipeline.core.recipe_guides import guides_of
from pipeline.core.record import MOST_GUIDANCE, MOST_SKIP, MOST_STEPS, Record
from pipeline.core.resolved import Adapter, Likeness
from pipeline.core.samplers import SCHEDULES as ABLE
from pipeline.core.samplers import Sampler, Schedule

LONGEST_PROMPT = 10_000
MOST_SEED = 2**53 - 1
_SHOWN = 120
"""Characters of a value that a note quotes."""

_EXTRA = re.compile(r"<\s*(lora|lyco|hypernet)\s*:([^<>]*)>", re.IGNORECASE)
_WILDCARD = re.compile(r"__([A-Za-z0-9][A-Za-z0-9_-]*?)__")
_AND = re.compile(r"\bAND\b")
_SCHEDULED = re.compile(r"\[[^\[\]]{0,200}:[^\[\]]{0,200}\]")
_SIZE = re.compile(r"(\d{1,5}) ?x ?(\d{1,5})")
_AUTOMATIC = ("automatic", "default")
_ALIASES: dict[str, Sampler] = {
    "k_euler": "euler",
    "k_euler_a": "euler_ancestral",
    "euler ancestral": "euler_ancestral",
    "dpm++ 2m sde": "dpmpp_2m_sde",
    "dpmpp 2m": "dpmpp_2m",
    "uni_pc_bh2": "uni_pc",
    "dpm2 ancestral": "dpm_2_ancestral",
}
_PARTS = ("Hires", "ADetailer", "ControlNet", "Refiner", "Lora", "TI", "Variation seed", "Mask",
          "FreeU", "Dynamic thresholding", "RP", "Ultimate SD upscale", "SD upscale")  # fmt: skip
"""Beginnings of keys that say one thing together."""
_TOLD: dict[str, str] = {
    "Hires": "a second, enlarging pass: the picture is drawn in one, at the size before it",
    "ADetailer": "faces or hands drawn once more by a detector's boxes",
    "Lora": "LoRA, which changes the model",
    "TI": "embeddings, which are words of their own",
    "ControlNet": "a picture that steers the drawing",
    "Variation seed": "noise mixed from two seeds",
}
_USED = ("Steps", "Sampler", "Schedule type", "CFG scale", "Clip skip", "Seed", "Size", "Model",
         "Model hash", "Version")  # fmt: skip
_HARMLESS = {"Denoising strength": "1", "RNG": "CPU"}
"""Keys that say nothing at these values."""


class Recipe(Struct, frozen=True, kw_only=True):
    """A job, and what it does not say of how the picture was drawn."""

    job: Job
    notes: tuple[str, ...]


class NoRecipe(ValueError):
    """There is nothing to draw by; the text says why."""


def of_record(record: Record) -> Recipe:
    """The job that draws a picture of ours again.

    With the same model it has the same digest and seed, unless a note says otherwise.

    Raises:
        NoRecipe: its prompt is empty.
    """
    asked, notes = record.resolved, list[str]()
    if asked.regions:
        notes.append(
            f"its {len(asked.regions)} regions, one for each of its characters: this has the "
            f"prompt of the whole picture only{_asked_by(record)}"
        )
    job = Job(
        prompt=_prompt(asked.prompt, "prompt", notes),
        negative=_prompt(asked.negative, "negative", notes),
        style="none",
        seed=_seed(record.seed, notes),
        size=_size(asked.width, asked.height, notes),
        steps=_steps(asked.steps, notes),
        guidance=_guidance(asked.guidance, notes),
        sampler=asked.sampler,
        schedule=_able(asked.sampler, asked.schedule, notes),
        lora=tuple(_loras(asked.adapters, notes)),
        reference=_reference(asked.likenesses, notes),
        clip_skip=asked.clip_skip if 1 < asked.clip_skip <= MOST_SKIP else None,
        **guides_of(asked, notes),
        model=_model(asked.called, notes),
    )
    return Recipe(job=_whole(job), notes=tuple(notes))


def of_parameters(said: Parameters) -> Recipe:
    """The job that comes nearest to what another tool drew.

    Raises:
        NoRecipe: it says no prompt.
    """
    values, notes = said.values, list[str]()
    sampler = _sampler(values, notes)
    job = Job(
        prompt=_prompt(_plain(said.prompt, notes), "prompt", notes),
        negative=_prompt(_plain(said.negative, notes), "negative", notes),
        style="none",
        sampler=sampler,
        schedule=_schedule(values, sampler, notes),
    )
    if (steps := _number(values, "Steps", notes)) is not None:
        job = replace(job, steps=_steps(round(steps), notes))
    if (guidance := _number(values, "CFG scale", notes)) is not None:
        job = replace(job, guidance=_guidance(guidance, notes))
    if (skip := _number(values, "Clip skip", notes)) is not None:
        job = replace(job, clip_skip=_clip_skip(round(skip), notes))
    if (text := values.get("Seed")) is not None:
        job = replace(job, seed=_seed(int(text) if re.fullmatch(r"\d{1,30}", text) else -1, notes))
    if (text := values.get("Size")) is not None:
        size = _SIZE.fullmatch(text)
        if size is None:
            notes.append(f"the size {_short(text)}, which is none")
        else:
            job = replace(job, size=_size(int(size[1]), int(size[2]), notes))
    return Recipe(job=_whole(job), notes=(*notes, *_others(values)))


def model_of(values: Mapping[str, str]) -> str:
    """The model that another tool names, as `name (hash)`; empty if it names none."""
    name, short = values.get("Model", ""), values.get("Model hash", "")
    return " ".join(filter(None, (_short(name), f"({_short(short)})" if short else "")))


def _whole(job: Job) -> Job:
    if not "".join(job.prompt).strip(" ,"):
        raise NoRecipe("its prompt is empty")
    return job


def _loras(adapters: Iterable[Adapter], notes: list[str]) -> Iterator[Lora]:
    """Its LoRAs, by the places that their files had in the inbox."""
    for number, adapter in enumerate(adapters):
        fits = abs(adapter.weight) <= MOST_LORA_WEIGHT and number < MOST_LORAS
        if fits and inside(adapter.file) == adapter.file and len(adapter.file) <= LONGEST_FILE:
            yield Lora(file=adapter.file, weight=adapter.weight)
        else:
            notes.append(f"the LoRA {_short(adapter.file)}, weight {adapter.weight:g}")


def _model(called: str, notes: list[str]) -> str | None:
    """The name of the settings that its model was asked for by, if it was."""
    if len(called) <= LONGEST_MODEL and (not called or re.fullmatch(MODEL_NAME, called)):
        return called or None
    notes.append(f"the model that was called {_short(called)}")
    return None


def _reference(likenesses: Sequence[Likeness], notes: list[str]) -> Reference | None:
    """What it was drawn after, where a job can say that: one reference, of the whole picture."""
    likeness = likenesses[0] if likenesses else None
    if likeness is None:
        return None
    names = tuple(picture.file for picture in likeness.pictures)
    known = all(inside(name) == name and name.lower().endswith(SUFFIXES) for name in names)
    if len(likenesses) > 1 or not likeness.whole or not known or len(set(names)) < len(names):
        for each in likenesses:
            shown = _listed(picture.file for picture in each.pictures)
            place = "" if each.whole else f" from {each.left:.0%} to {each.right:.0%} of the width"
            notes.append(f"the reference {shown}, weight {each.weight:g}{place}")
        return None
    model = likeness.file if inside(likeness.file) == likeness.file else None
    return Reference(
        picture=names[0] if len(names) == 1 else names, weight=likeness.weight, model=model
    )


def _asked_by(record: Record) -> str:
    if not record.manifest:
        return ""
    commit = f" at commit {_short(record.commit)}" if record.commit else ""
    return f"; the whole job was {_short(record.manifest)}{commit}"


def _prompt(text: str, field: str, notes: list[str]) -> str:
    """A prompt that a manifest can hold and that says the same when it is read."""
    tidy = "".join(char if char.isprintable() else " " for char in text)
    if wild := _WILDCARD.findall(tidy):
        notes.append(f"the underscores of {_listed(wild)}: they would make a wildcard of it")
        tidy = _WILDCARD.sub(r"\1", tidy)
    if len(tidy) <= LONGEST_PROMPT:
        return tidy
    notes.append(f"what its {field} has beyond {LONGEST_PROMPT} characters")
    cut = tidy[:LONGEST_PROMPT]
    return cut.rpartition(",")[0] or cut


def _plain(prompt: str, notes: list[str]) -> str:
    """Another tool's prompt without what only that tool understands, as far as that is no word."""
    extra = [f"{kind.lower()} {name}" for kind, name in _EXTRA.findall(prompt)]
    if extra:
        notes.append(f"{_listed(extra)}: a LoRA's file is named in lora, with its weight")
    said = [*_AND.findall(prompt), *_SCHEDULED.findall(_EXTRA.sub("", prompt))]
    if said:
        notes.append(f"what {_listed(said)} does in other tools: here it is a word like others")
    tags = (" ".join(tag.split()) for tag in _EXTRA.sub(",", prompt).split(","))
    return ", ".join(filter(None, tags))


def _size(width: int, height: int, notes: list[str]) -> str:
    fit = tuple(
        min(max(round(side / GRAIN) * GRAIN, SMALLEST), LARGEST) for side in (width, height)
    )
    if fit != (width, height):
        notes.append(
            f"the size {width}x{height}: sides are multiples of {GRAIN} from {SMALLEST} to "
            f"{LARGEST}, the nearest is {fit[0]}x{fit[1]}"
        )
    return f"{fit[0]}x{fit[1]}"


def _steps(steps: int, notes: list[str]) -> int:
    fit = min(max(steps, 1), MOST_STEPS)
    if fit != steps:
        notes.append(f"{steps} steps: 1 to {MOST_STEPS} can be drawn")
    return fit


def _clip_skip(layer: int, notes: list[str]) -> int | None:
    if not 1 <= layer <= MOST_SKIP:
        notes.append(f"Clip skip: {layer}; 1 to {MOST_SKIP} can be drawn")
        return None
    return layer if layer > 1 else None


def _guidance(guidance: float, notes: list[str]) -> float:
    fit = min(max(guidance, 0.0), MOST_GUIDANCE)
    if fit != guidance:
        notes.append(f"the guidance {guidance:g}: it goes from 0 to {MOST_GUIDANCE:g}")
    return fit


def _seed(seed: int, notes: list[str]) -> int | None:
    if 0 <= seed <= MOST_SEED:
        return seed
    notes.append("its seed, which is none" if seed < 0 else f"the seed {seed}: it is too large")
    return None


def _able(sampler: Sampler, schedule: Schedule, notes: list[str]) -> Schedule | None:
    if schedule in ABLE[sampler]:
        return schedule
    notes.append(f"the schedule {schedule}, which the sampler {sampler} cannot follow here")
    return None


def _sampler(values: Mapping[str, str], notes: list[str]) -> Sampler | None:
    said = values.get("Sampler")
    if said is None:
        return None
    found = _split(said)[0]
    if found is None:
        notes.append(f"the sampler {_short(said)}, which is not among ours")
    return found


def _schedule(
    values: Mapping[str, str], sampler: Sampler | None, notes: list[str]
) -> Schedule | None:
    """The schedule, which older versions of A1111 wrote behind the sampler's name."""
    said = values.get("Schedule type") or _split(values.get("Sampler", ""))[1]
    if not said or said.casefold() in _AUTOMATIC:
        return None
    known: dict[str, Schedule] = {name.casefold(): key for key, name in SCHEDULES.items()}
    known |= {key: key for key in SCHEDULES}
    found = known.get(said.casefold())
    if found is None:
        notes.append(f"the schedule {_short(said)}, which is not among ours")
        return None
    if sampler is None:
        notes.append(f"the schedule {_short(said)}, which goes with the sampler")
        return None
    return _able(sampler, found, notes)


def _split(said: str) -> tuple[Sampler | None, str]:
    """A sampler's name as tools spell it, and the schedule behind it, if there is one."""
    known: dict[str, Sampler] = {name.casefold(): key for key, name in SAMPLERS.items()}
    known |= {key: key for key in SAMPLERS} | _ALIASES
    name = " ".join(said.casefold().split())
    if name in known:
        return known[name], ""
    for schedule in SCHEDULES.values():
        if name.endswith(f" {schedule.casefold()}"):
            return known.get(name.removesuffix(f" {schedule.casefold()}")), schedule
    return None, ""


def _number(values: Mapping[str, str], key: str, notes: list[str]) -> float | None:
    text = values.get(key)
    if text is None:
        return None
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or abs(number) > 1e9:
        notes.append(f"{key}: {_short(text)}, which is no number")
        return None
    return number


def _others(values: Mapping[str, str]) -> Iterator[str]:
    """A note for every pair that nothing was made of; those that belong together in one."""
    groups: dict[str, list[str]] = {}
    for key, value in values.items():
        if key in _USED or _HARMLESS.get(key) == value:
            continue
        part = next((part for part in _PARTS if key.casefold().startswith(part.casefold())), key)
        groups.setdefault(part, []).append(f"{_short(key)}: {_short(value)}")
    for part, said in groups.items():
        told = _TOLD.get(part)
        yield f"{told} ({', '.join(said)})" if told else ", ".join(said)


def _listed(words: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(map(_short, words)))


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
