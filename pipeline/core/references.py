"""Which pictures a picture is to be like: those of everybody in it, and those of its job.

Pure. One that is not there, and an IP-Adapter that does not go with the model, go to the list of
what is missing: a job with such a reference waits, and is not drawn without.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from pipeline.core.adapters import places as adapter_places
from pipeline.core.ip_adapters import ImageEncoder, IpAdapter
from pipeline.core.keys import folders_above
from pipeline.core.loras import nearest_weights
from pipeline.core.manifest import (
    Job,
    Reference,
    References,
    reference_of,
    reference_path,
    reference_pictures,
)
from pipeline.core.missing import Missing
from pipeline.core.pictured import places
from pipeline.core.prompt import PLACES, Figure, places_of
from pipeline.core.resolved import Likeness, Picture
from pipeline.core.state import JobState, State

_DRAWN = re.compile(r"(?P<stem>.+)\.(?:\d{2,}|sheet)(?:-\d+)?\.png")
"""How a picture is called that was drawn; see `pipeline.core.keys.picture_file`."""
_NO_ADAPTER = (
    "a reference needs an IP-Adapter made for the model, and none is named: say ip_adapter and "
    "image_encoder in anime.toml (there are some for SD 1.5 and SDXL, and none for the bundled "
    "model)"
)
_NO_ENCODER = (
    "a reference needs an image encoder, which looks at pictures, and none is named: say "
    "image_encoder in anime.toml"
)


def find_likenesses(
    state: State, job: JobState, spec: Job, figures: Sequence[Figure], missing: list[Missing]
) -> tuple[Likeness, ...]:
    """What a picture is to be like: everybody in their order, then the whole of it.

    Of several characters each keeps to its own column. One whose weight is 0 is left out. `spec` is
    the job's, or that of one of its variants.
    """
    found: list[Likeness] = []
    for figure, column in zip(figures, columns(figures, spec), strict=True):
        found += of_manifest(
            state, figure.file, figure.bible.reference, missing, of=figure.key, column=column,
            job=job,
        )  # fmt: skip
    found += of_manifest(state, job.file, spec.reference, missing, job=job)
    return tuple(found)


def columns(figures: Sequence[Figure], spec: Job) -> list[tuple[float, float]]:
    """The part of the picture's width that is each figure's, as shares from 0 to 1.

    A cast stands in its regions; others share the width evenly, in their order.
    """
    if not spec.cast or len(figures) < 2:
        return [(n / len(figures), (n + 1) / len(figures)) for n in range(len(figures))]
    at = places_of(figures)
    taken = [place for place in PLACES if place in at]
    return [
        (taken.index(place) / len(taken), (taken.index(place) + 1) / len(taken)) for place in at
    ]


def of_manifest(
    state: State, file: str, said: References | None, missing: list[Missing], *, of: str = "",
    column: tuple[float, float] = (0.0, 1.0), job: JobState | None = None,
) -> Iterable[Likeness]:  # fmt: skip
    """The reference of the manifest in `file`, if it has one that counts; `of` is whose bible it
    is, if it is one; `job` is who is drawn after it."""
    reference = reference_of(said)
    if reference is None or not reference.weight:
        return
    pictures = list(_pictures(state, file, said, missing, of=of, job=job))
    adapter = _adapter(state, file, reference, missing, of=of)
    if adapter is not None and len(pictures) == len(reference_pictures(said)):
        place, known, encoder = adapter
        yield Likeness(
            pictures=tuple(pictures), weight=float(reference.weight), adapter=known.sha256,
            encoder=encoder.sha256, file=place, left=column[0], right=column[1],
        )  # fmt: skip


def _pictures(
    state: State, file: str, said: References | None, missing: list[Missing], *, of: str,
    job: JobState | None,
) -> Iterator[Picture]:  # fmt: skip
    folders = folders_above(file)
    for number, name in enumerate(reference_pictures(said)):
        place = None if of else reference_path(said, number)
        known = next((each for each in places(folders, name) if each in state.pictures), None)
        if known is None:
            missing.append(
                Missing(kind="picture", name=name, field=place, of=f" of {of}" if of else "")
            )
            continue
        picture = state.pictures[known]
        why = f"the picture {known} cannot be used: {picture.fault}" if picture.fault else ""
        if job is not None and goes_round(state, job, known):
            why = (
                f"the picture {known} cannot be a reference here: it is drawn after what this job "
                "draws, and would change with it without end"
            )
        if why:
            missing.append(Missing(kind="picture", name=name, field=place, why=why))
        else:
            yield Picture(file=known, sha256=picture.sha256)


def _adapter(
    state: State, file: str, reference: Reference, missing: list[Missing], *, of: str
) -> tuple[str, IpAdapter, ImageEncoder] | None:
    """The IP-Adapter's place in the inbox, '' for that of the settings; it, and its encoder."""
    named = state.reference_model
    encoder = named.encoder if named is not None else None
    place, field = "", None if of else reference_path(reference, 0)[:1]
    adapter = named.adapter if named is not None else None
    called = named.file if named is not None else ""
    if reference.model is not None:
        field = None if of else ("reference", "model")
        folders = folders_above(file)
        files = adapter_places(folders, reference.model)
        place = next((each for each in files if each in state.adapters), "")
        if not place:
            whose = f" of {of}" if of else ""
            missing.append(
                Missing(
                    kind="IP-Adapter", name=reference.model, field=field, of=whose,
                    nearest=nearest_weights(state, folders, reference.model),
                )
            )  # fmt: skip
            return None
        called, adapter = place, state.adapters[place].prompting
        if adapter is None:
            why = state.adapters[place].fault or "it is no IP-Adapter but a LoRA"
            adapter = IpAdapter(fault=why)
    why = _why_not(state, called, adapter, encoder)
    if why or adapter is None or encoder is None:
        missing.append(Missing(kind="IP-Adapter", name=called, field=field, why=why))
        return None
    return place, adapter, encoder


def _why_not(
    state: State, called: str, adapter: IpAdapter | None, encoder: ImageEncoder | None
) -> str:
    """What stands against drawing with these; empty if nothing does."""
    if adapter is None:
        return _NO_ADAPTER
    if why := adapter.why_not(state.model_sha256 or ""):
        return f"the IP-Adapter {called} cannot be used: {why}"
    if encoder is None:
        return _NO_ENCODER
    folder = state.reference_model.folder if state.reference_model is not None else ""
    if encoder.fault:
        return f"the image encoder {folder} cannot be used: {encoder.fault}"
    if why := encoder.why_not(adapter):
        return f"the image encoder {folder} cannot be used with the IP-Adapter {called}: {why}"
    return ""


def goes_round(state: State, job: JobState, picture: str) -> bool:
    """Whether a picture was drawn by that job itself, or after pictures that were: drawing it would
    change what it is drawn after, without end."""
    waiting, seen = [picture], set[str]()
    while waiting:
        drawer = _drawer(state, waiting.pop())
        if drawer is None or drawer in seen:
            continue
        if drawer == job.key:
            return True
        seen.add(drawer)
        takes = state.jobs[drawer].takes
        for cell in takes[-1].cells if takes else ():
            for likeness in cell.resolved.likenesses:
                waiting += [each.file for each in likeness.pictures]
    return False


def _drawer(state: State, picture: str) -> str | None:
    """The job whose picture is called so."""
    match = _DRAWN.fullmatch(picture)
    if match is None:
        return None
    stem = match["stem"]
    if stem in state.jobs:
        return stem
    return next((key for key in state.jobs if key.replace("#", ".") == stem), None)
