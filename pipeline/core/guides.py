"""What a picture is drawn from beside words: another picture, a second pass, ControlNets.

Pure. What is not there, or cannot be drawn from, goes to the list of what is missing: a job with it
waits, and is not drawn without.
"""

from collections.abc import Iterator

from msgspec import Struct

from pipeline.core.adapters import CONTROLS
from pipeline.core.adapters import places as weights_places
from pipeline.core.keys import folders_above
from pipeline.core.loras import nearest_weights
from pipeline.core.manifest import (
    GRAIN,
    LARGEST,
    Job,
    control_path,
    controls_of,
    from_of,
    refine_of,
)
from pipeline.core.missing import Missing
from pipeline.core.models import model_of
from pipeline.core.picture_lookup import find_picture
from pipeline.core.pictures import PictureFile
from pipeline.core.resolved import Picture, Refined, Source, Steering
from pipeline.core.state import JobState, State

Field = tuple[str | int, ...]


class Guides(Struct, frozen=True, kw_only=True):
    """What a picture is drawn from beside words."""

    source: Source | None = None
    refine: Refined | None = None
    controls: tuple[Steering, ...] = ()


NO_GUIDES = Guides()


def find_guides(
    state: State, job: JobState, spec: Job, size: tuple[int, int], steps: int,
    missing: list[Missing],
) -> Guides:  # fmt: skip
    """The guides of a picture of this size in pixels and so many steps."""
    return Guides(
        source=_source(state, job, spec, steps, missing),
        refine=_refined(spec, size, steps, missing),
        controls=tuple(_controls(state, job, spec, missing)),
    )


def _source(
    state: State, job: JobState, spec: Job, steps: int, missing: list[Missing]
) -> Source | None:
    said = from_of(spec.from_)
    if said is None:
        return None
    short = isinstance(spec.from_, str)
    place: Field = ("from",) if short else ("from", "picture")
    picture = find_picture(state, job.file, said.picture, missing, field=place, job=job)
    mask = None
    if said.mask is not None:
        field = ("from", "mask")
        mask = find_picture(state, job.file, said.mask, missing, field=field, job=job)
    _enough(steps, said.strength, ("from",) if short else ("from", "strength"), missing)
    if picture is not None and mask is not None:
        _alike(state, picture, mask, missing)
    if picture is None or (said.mask is not None and mask is None):
        return None
    return Source(picture=picture, strength=float(said.strength), mask=mask)


def _refined(
    spec: Job, size: tuple[int, int], steps: int, missing: list[Missing]
) -> Refined | None:
    said = refine_of(spec.refine)
    if said is None:
        return None
    width, height = (round(side * said.scale / GRAIN) * GRAIN for side in size)
    short = isinstance(spec.refine, (int, float))
    if max(width, height) > LARGEST:
        why = (
            f"refine would make a picture of {width}x{height}, and {LARGEST} are the most of a "
            f"side: {LARGEST / max(size):.2f} is the largest scale of {size[0]}x{size[1]}"
        )
        place: Field = ("refine",) if short else ("refine", "scale")
        missing.append(Missing(kind="picture", name="", why=why, field=place))
    own = steps if said.steps is None else said.steps
    _enough(own, said.strength, ("refine",) if short else ("refine", "strength"), missing)
    return Refined(width=width, height=height, strength=float(said.strength), steps=own)


def _enough(steps: int, strength: float, place: Field, missing: list[Missing]) -> None:
    """Of so many steps at least one has to be left."""
    if int(steps * strength) < 1:
        why = (
            f"a strength of {strength:g} leaves none of {steps} steps to be drawn: take "
            f"{1 / steps:.2g} or more, or more steps"
        )
        missing.append(Missing(kind="picture", name="", why=why, field=place))


def _controls(state: State, job: JobState, spec: Job, missing: list[Missing]) -> Iterator[Steering]:
    for number, said in enumerate(controls_of(spec.control)):
        place = control_path(spec.control, number)
        field = (*place, "picture")
        picture = find_picture(state, job.file, said.picture, missing, field=field, job=job)
        weights = _control(state, job, said.model, (*place, "model"), missing)
        if picture is not None and weights is not None and said.weight:
            yield Steering(
                kind=said.kind, picture=picture, file=weights[0], sha256=weights[1],
                weight=float(said.weight), start=float(said.start), end=float(said.end),
            )  # fmt: skip


def _control(
    state: State, job: JobState, name: str, place: Field, missing: list[Missing]
) -> tuple[str, str] | None:
    """File and sha256 of a ControlNet."""
    folders = folders_above(job.file)
    known = next(
        (each for each in weights_places(folders, name, CONTROLS) if each in state.adapters), None
    )
    if known is None:
        close = nearest_weights(state, folders, name)
        missing.append(Missing(kind="ControlNet", name=name, nearest=close, field=place))
        return None
    why = state.adapters[known].why_no_control(model_of(state, job) or "")
    if why:
        why = f"the ControlNet {known} cannot be used: {why}"
        missing.append(Missing(kind="ControlNet", name=name, field=place, why=why))
        return None
    return known, state.adapters[known].sha256


def same_size(one: PictureFile, other: PictureFile) -> bool:
    """Whether two pictures may have the same size: a camera may say that one lies on its side."""
    return (one.width, one.height) in {
        (other.width, other.height), (other.height, other.width),
    }  # fmt: skip


def _alike(state: State, picture: Picture, mask: Picture, missing: list[Missing]) -> None:
    one, other = state.pictures.get(picture.file), state.pictures.get(mask.file)
    if one is None or other is None or same_size(one, other):
        return
    why = (
        f"the mask {mask.file} has {other.width}x{other.height} pixels, and the picture "
        f"{picture.file} {one.width}x{one.height}: make the two the same"
    )
    missing.append(Missing(kind="picture", name="", why=why, field=("from", "mask")))
