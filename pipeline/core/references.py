"""Which pictures a picture is to be like: those of everybody in it, and those of its job.

Pure. One that is not there, and an IP-Adapter that does not go with the model, go to the list of
what is missing: a job with such a reference waits, and is not drawn without.
"""

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
from pipeline.core.picture_lookup import find_picture
from pipeline.core.pictures import REFERENCES
from pipeline.core.prompt import PLACES, Figure, places_of
from pipeline.core.resolved import Likeness, Picture
from pipeline.core.state import JobState, State

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
    state: State, job: JobState, spec: Job, figures: Sequence[Figure], missing: list[Missing],
    model: str | None,
) -> tuple[Likeness, ...]:  # fmt: skip
    """What a picture is to be like: everybody in their order, then the whole of it.

    Of several characters each keeps to its own column. One whose weight is 0 is left out. `spec` is
    the job's, or that of one of its variants, and `model` the sha256 of what draws it.
    """
    found: list[Likeness] = []
    for figure, column in zip(figures, columns(figures, spec), strict=True):
        found += of_manifest(
            state, figure.file, figure.bible.reference, missing, model, of=figure.key,
            column=column, job=job,
        )  # fmt: skip
    found += of_manifest(state, job.file, spec.reference, missing, model, job=job)
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
    state: State, file: str, said: References | None, missing: list[Missing], model: str | None,
    *, of: str = "", column: tuple[float, float] = (0.0, 1.0), job: JobState | None = None,
) -> Iterable[Likeness]:  # fmt: skip
    """The reference of the manifest in `file`, if it has one that counts; `of` is whose bible it
    is, if it is one; `job` is who is drawn after it."""
    reference = reference_of(said)
    if reference is None or not reference.weight:
        return
    pictures = list(_pictures(state, file, said, missing, of=of, job=job))
    adapter = _adapter(state, file, reference, missing, model, of=of)
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
    for number, name in enumerate(reference_pictures(said)):
        found = find_picture(
            state, file, name, missing, also=REFERENCES, of=f" of {of}" if of else "", job=job,
            field=None if of else reference_path(said, number),
        )  # fmt: skip
        if found is not None:
            yield found


def _adapter(
    state: State, file: str, reference: Reference, missing: list[Missing], model: str | None,
    *, of: str,
) -> tuple[str, IpAdapter, ImageEncoder] | None:  # fmt: skip
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
    why = _why_not(state, called, adapter, encoder, model)
    if why or adapter is None or encoder is None:
        missing.append(Missing(kind="IP-Adapter", name=called, field=field, why=why))
        return None
    return place, adapter, encoder


def _why_not(
    state: State, called: str, adapter: IpAdapter | None, encoder: ImageEncoder | None,
    model: str | None,
) -> str:  # fmt: skip
    """What stands against drawing with these; empty if nothing does."""
    if adapter is None:
        return _NO_ADAPTER
    if why := adapter.why_not(model or ""):
        return f"the IP-Adapter {called} cannot be used: {why}"
    if encoder is None:
        return _NO_ENCODER
    folder = state.reference_model.folder if state.reference_model is not None else ""
    if encoder.fault:
        return f"the image encoder {folder} cannot be used: {encoder.fault}"
    if why := encoder.why_not(adapter):
        return f"the image encoder {folder} cannot be used with the IP-Adapter {called}: {why}"
    return ""
