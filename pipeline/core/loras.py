"""Which LoRAs a picture is drawn with: those of the job, and of everybody in it.

Pure. One that is not there, or that does not go with the model, goes to the list of what is
missing: a job with it waits, and is not drawn without.
"""

from collections.abc import Iterable, Sequence

from pipeline.core.adapters import SUFFIX, AdapterFile, places
from pipeline.core.keys import folders_above
from pipeline.core.manifest import Job, Loras, lora_path, loras_of
from pipeline.core.missing import Missing
from pipeline.core.near import near
from pipeline.core.prompt import Figure
from pipeline.core.resolved import Adapter
from pipeline.core.state import State

Field = tuple[str | int, ...]


def find_adapters(
    state: State, file: str, spec: Job, figures: Sequence[Figure], missing: list[Missing]
) -> tuple[Adapter, ...]:
    """The adapters of a picture: first everybody's, in their order, then the job's; each file once.

    Of a file that is named twice the job's weight holds, else that of who comes first. One whose
    weight is 0 is left out. `file` is the job's.
    """
    found: dict[str, Adapter] = {}
    for figure in figures:
        for adapter in of_manifest(state, figure.file, figure.bible.lora, missing, of=figure.key):
            found.setdefault(adapter.sha256, adapter)
    for adapter in of_manifest(state, file, spec.lora, missing):
        found[adapter.sha256] = adapter
    return tuple(adapter for adapter in found.values() if adapter.weight)


def of_manifest(
    state: State, file: str, said: Loras, missing: list[Missing], of: str = ""
) -> Iterable[Adapter]:
    """The adapters that a manifest names; `of` is whose bible it is, if it is one."""
    for number, lora in enumerate(loras_of(said)):
        place = None if of else lora_path(said, number)
        folders = folders_above(file)
        known = next((each for each in places(folders, lora.file) if each in state.adapters), None)
        if known is None:
            missing.append(
                Missing(
                    kind="LoRA", name=lora.file, nearest=nearest_weights(state, folders, lora.file),
                    field=place, of=f" of {of}" if of else "",
                )
            )  # fmt: skip
            continue
        adapter = state.adapters[known]
        why = _why_not(state, known, adapter)
        if why:
            missing.append(Missing(kind="LoRA", name=lora.file, field=place, why=why))
        else:
            yield Adapter(file=known, sha256=adapter.sha256, weight=float(lora.weight))


def _why_not(state: State, file: str, adapter: AdapterFile) -> str:
    why = adapter.why_not(state.model_sha256 or "")
    return f"the LoRA {file} cannot be used: {why}" if why else ""


def nearest_weights(state: State, folders: Sequence[str], name: str) -> tuple[str, ...]:
    """The names most like it that the manifest could say instead."""
    known: dict[str, None] = {}
    for file in state.adapters:
        for folder in folders:
            inside = f"{folder}/".lstrip("/")
            if file.startswith(inside):
                known[file.removeprefix(inside)] = None
                break
    stems = {file.rpartition("/")[2].removesuffix(SUFFIX): file for file in known}
    wanted = name.rpartition("/")[2].removesuffix(SUFFIX)
    return tuple(stems[stem] for stem in near(wanted, stems))
