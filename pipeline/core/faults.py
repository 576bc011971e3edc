"""What is wrong with one manifest by itself that its types cannot say.

Pure; never looks at another manifest. What a job refers to is `pipeline.core.lookup`'s.
"""

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from itertools import chain

import msgspec

from pipeline.core.adapters import weights_fault
from pipeline.core.guide_faults import guide_faults
from pipeline.core.keys import slug
from pipeline.core.manifest import (
    GRAIN,
    LARGEST,
    MOST_PICTURES,
    SMALLEST,
    Character,
    Defaults,
    Fault,
    Job,
    Loras,
    Manifest,
    Project,
    References,
    lora_path,
    loras_of,
    parse_size,
    reference_of,
    reference_path,
    reference_pictures,
    split_tags,
)
from pipeline.core.pictures import REFERENCES, picture_fault
from pipeline.core.samplers import SCHEDULES

AXES = ("clip_skip", "expression", "guidance", "negative", "outfit", "sampler", "schedule", "size",
        "steps", "style")  # fmt: skip
"""Fields of a job that a matrix may vary; any other name stands for tags of the prompt."""

_WORD_OF_AN_AXIS = "letters, digits and _"


def faults(manifest: Manifest) -> list[Fault]:
    """Everything wrong with a well-typed manifest by itself; the loader asks once per document."""
    found = []
    if manifest.name is not None and not any(char.isalnum() for char in manifest.name):
        found.append(
            Fault(
                path=("name",),
                message=f"name {manifest.name!r} has no letter or digit in it",
                hint="give it a name that can become a file name, such as 'akira'",
            )
        )
    if isinstance(manifest, (Character, Job)):
        found += _lora_faults(manifest.lora)
        found += _reference_faults(manifest.reference)
    match manifest:
        case Project(defaults=defaults):
            found += _size_faults(("defaults", "size"), defaults.size)
            found += _schedule_faults(("defaults", "schedule"), defaults)
            found += _alike("styles", manifest.styles)
        case Character(outfits=outfits, expressions=expressions):
            found += _alike("outfits", outfits)
            found += _alike("expressions", expressions)
        case Job():
            found += _size_faults(("size",), manifest.size)
            found += _schedule_faults(("schedule",), manifest)
            found += chain(
                _who(manifest), _how_many(manifest), _matrix(manifest), guide_faults(manifest)
            )
    return found


def _alike(field: str, names: Iterable[str]) -> Iterator[Fault]:
    """Names of which a job could not say which it means."""
    seen: dict[str, str] = {}
    for name in names:
        first = seen.setdefault(slug(name) or name, name)
        if first != name:
            yield Fault(
                path=(field, name),
                message=f"{name!r} and {first!r} are the same name to a job",
                hint="give one of the two another name",
            )


def _lora_faults(said: Loras) -> Iterator[Fault]:
    """Files that no LoRA is read from, whatever is in them."""
    seen: set[str] = set()
    for number, lora in enumerate(loras_of(said)):
        message, hint = weights_fault(lora.file)
        if not message and lora.file in seen:
            message, hint = f"the LoRA {lora.file!r} is here twice", "keep one of the two"
        seen.add(lora.file)
        if message:
            yield Fault(path=lora_path(said, number), message=message, hint=hint)


def _reference_faults(said: References | None) -> Iterator[Fault]:
    """Names that no picture is read from, and an IP-Adapter that none is read from."""
    seen: set[str] = set()
    for number, name in enumerate(reference_pictures(said)):
        message, hint = picture_fault(name, REFERENCES)
        if not message and name in seen:
            message, hint = f"the picture {name!r} is here twice", "keep one of the two"
        seen.add(name)
        if message:
            yield Fault(path=reference_path(said, number), message=message, hint=hint)
    reference = reference_of(said)
    if reference is not None and reference.model is not None:
        message, hint = weights_fault(reference.model)
        if message:
            yield Fault(path=("reference", "model"), message=message, hint=hint)


def _who(job: Job) -> Iterator[Fault]:
    if not job.characters and not job.cast and not split_tags(job.prompt):
        yield Fault(
            path=(),
            message="a job needs a prompt, characters, or both",
            hint="add a line such as 'prompt: city at night' or 'characters: [akira]'",
        )
    if job.characters and job.cast:
        yield Fault(
            path=("cast",),
            message="characters and cast both say who is in the picture",
            hint="keep cast, and name everybody there",
        )
    if len(job.cast) == 2 and "center" in {role.at for role in job.cast}:
        yield Fault(
            path=("cast",),
            message="of two, nobody stands in the center",
            hint="one stands left, the other right",
        )
    seen: dict[str, int] = {}
    for number, role in enumerate(job.cast):
        if role.at is not None and len(job.cast) == 1:
            yield Fault(
                path=("cast", number, "at"),
                message="somebody alone in a picture has no place beside others",
                hint="take at away, or name the others of the cast",
            )
        if role.at is not None and seen.setdefault(role.at, number) != number:
            yield Fault(
                path=("cast", number, "at"),
                message=f"two of the cast stand {role.at}",
                hint="give each a place of its own: left, center, right",
            )
    if job.sheet is not None and len(job.characters or job.cast) != 1:
        yield Fault(
            path=("sheet",),
            message=f"a sheet of {job.sheet} shows one character, not "
            f"{len(job.characters or job.cast) or 'none'}",
            hint="name one, as in 'characters: [akira]'",
        )


def _how_many(job: Job) -> Iterator[Fault]:
    if job.seeds:
        for field in ("seed", "count"):
            if getattr(job, field) is not None:
                yield Fault(
                    path=(field,),
                    message=f"seeds says already which pictures there are, and {field} again",
                    hint=f"take {field} away, or seeds",
                )
    pictures = len(job.seeds) or job.count or 1
    for values in job.matrix.values():
        pictures *= len(values)
    if pictures > MOST_PICTURES:
        yield Fault(
            path=("matrix",),
            message=f"these are {pictures:,} pictures, and {MOST_PICTURES} of one job are the most",
            hint="split the job into several",
        )


def _matrix(job: Job) -> Iterator[Fault]:
    if job.matrix and job.sheet is not None:
        yield Fault(
            path=("matrix",),
            message="a sheet is a matrix of its own",
            hint="take one of the two away",
        )
    for name, values in job.matrix.items():
        if not name.replace("_", "").isalnum() or not name.isascii():
            yield Fault(
                path=("matrix", name),
                message=f"{name!r} cannot be what a matrix varies",
                hint=f"use a field of the job, or a word of {_WORD_OF_AN_AXIS}",
            )
            continue
        if name not in AXES:
            yield from _misspelt(name)
            continue
        for number, value in enumerate(values):
            yield from _value(name, number, value)


def _misspelt(name: str) -> Iterator[Fault]:
    known = (*AXES, "prompt", "count", "seed", "seeds", "characters", "cast", "priority", "hold")
    close = get_close_matches(name, known, n=1, cutoff=0.75)
    if not close:
        return
    (meant,) = close
    if meant in AXES:
        hint = f"did you mean {meant}? A word of your own must not look like a field"
    elif meant in ("seed", "seeds", "count"):
        hint = "each combination is drawn with all seeds of the job: write them beside the matrix"
    else:
        hint = f"use a word of your own, and put {{{name}x}} where it belongs in the prompt"
    yield Fault(path=("matrix", name), message=f"a matrix cannot vary {name}", hint=hint)


def _value(name: str, number: int, value: str | int | float) -> Iterator[Fault]:
    path = ("matrix", name, number)
    try:
        job = msgspec.convert({"kind": "job", "prompt": "x", name: value}, Job)
    except msgspec.ValidationError as error:
        words = str(error).partition(" - at ")[0]
        hint = "see 'anime explain job." + name + "' for what it may be"
        yield Fault(path=path, message=f"{value!r} cannot be a {name}: {words}", hint=hint)
        return
    if name == "size":
        yield from _size_faults(path, job.size)


def _size_faults(path: tuple[str | int, ...], size: str | None) -> list[Fault]:
    if size is None:
        return []
    width, height = parse_size(size)
    found = []
    for side, pixels in (("width", width), ("height", height)):
        if not SMALLEST <= pixels <= LARGEST or pixels % GRAIN:
            nearest = min(max(round(pixels / GRAIN) * GRAIN, SMALLEST), LARGEST)
            found.append(
                Fault(
                    path=path,
                    message=f"{side} must be a multiple of {GRAIN} between {SMALLEST} "
                    f"and {LARGEST}, not {pixels}",
                    hint=f"the nearest is {nearest}",
                )
            )
    return found


def _schedule_faults(path: tuple[str | int, ...], spec: Job | Defaults) -> list[Fault]:
    if spec.sampler is None or spec.schedule is None:
        return []
    able = SCHEDULES[spec.sampler]
    if spec.schedule in able:
        return []
    return [
        Fault(
            path=path,
            message=f"sampler {spec.sampler} cannot follow the schedule {spec.schedule}",
            hint=f"it can follow {', '.join(able)}",
        )
    ]
