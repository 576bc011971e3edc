"""The record that a picture carries: everything that drawing it again needs, and who asked for it.

Pure. Owns the value and its JSON, which stands in a PNG under `KEY`; reading a file is
`pipeline.inscription`'s. A field that came later has a default, so that older pictures are read.
"""

from collections.abc import Iterator

import msgspec
from msgspec import Struct

from pipeline.core.manifest import (
    GRAIN,
    LARGEST,
    MOST_CONTROLS,
    MOST_LORA_WEIGHT,
    MOST_REFERENCES,
    SMALLEST,
)
from pipeline.core.resolved import Made, Resolved

KEY = "anime"
"""The name of the record's text in a PNG."""

MOST_CONTROL = 2.0
"""How much a ControlNet may count."""
MOST_ADAPTERS = 72
"""Eight of each of eight characters, and of the job."""
MOST_LIKENESSES = 9
"""That of each of eight characters, and the job's."""
MOST_STEPS, MOST_GUIDANCE, MOST_SKIP, MOST_THREADS, MOST_REGIONS = 150, 30.0, 12, 1024, 8
MOST_BATCH = 16
LONGEST_PROMPT = 100_000
"""What no picture of ours exceeds: a record of somebody else's is not to keep a machine busy."""


class Record(Struct, frozen=True, kw_only=True):
    """How a picture was drawn. `pixels` is sha256 over the RGB bytes, row by row; `model` is the
    model's name, its sha256 is in `resolved`.

    `manifest` is the job's file, relative to the inbox, and `commit` the one that was checked out
    there in git when it was drawn, which does not say that the file was committed as it stood.
    `version` is the program's.
    """

    job: str
    take: int
    index: int
    seed: int
    digest: str
    resolved: Resolved
    model: str
    made: Made
    pixels: str
    manifest: str = ""
    commit: str | None = None
    version: str = ""


_decoder: msgspec.json.Decoder[Record] = msgspec.json.Decoder(Record)


def encode(record: Record) -> str:
    """The record as the text of a PNG."""
    return msgspec.json.encode(record).decode()


def decode(text: str) -> Record | None:
    """The record in a text, or None if it is none that we understand."""
    try:
        return _decoder.decode(text)
    except (msgspec.MsgspecError, UnicodeEncodeError, RecursionError):
        return None


def excesses(record: Record) -> Iterator[str]:
    """What a record asks for that no manifest could, each as `steps: 9999`."""
    asked = record.resolved
    for name, pixels in (("width", asked.width), ("height", asked.height)):
        if not SMALLEST <= pixels <= LARGEST or pixels % GRAIN:
            yield f"{name}: {pixels}"
    if not 1 <= asked.steps <= MOST_STEPS:
        yield f"steps: {asked.steps}"
    if not 1 <= asked.clip_skip <= MOST_SKIP:
        yield f"clip_skip: {asked.clip_skip}"
    if not 0 <= asked.guidance <= MOST_GUIDANCE:
        yield f"guidance: {asked.guidance:g}"
    if not 0 <= record.seed < 2**63:
        yield f"seed: {record.seed}"
    if not 1 <= record.made.threads <= MOST_THREADS:
        yield f"threads: {record.made.threads}"
    if not 1 <= record.made.batch <= MOST_BATCH:
        yield f"batch: {record.made.batch}"
    if not 0 <= record.made.place < record.made.batch:
        yield f"place in its batch: {record.made.place}"
    if len(asked.regions) > MOST_REGIONS:
        yield f"regions: {len(asked.regions)}"
    yield from _beside(asked)
    prompts = (asked.prompt, asked.negative, *(region.prompt for region in asked.regions))
    if (longest := max(map(len, prompts))) > LONGEST_PROMPT:
        yield f"prompt: {longest} characters"


def _beside(asked: Resolved) -> Iterator[str]:
    """The same of what is drawn with beside the model."""
    if len(asked.adapters) > MOST_ADAPTERS:
        yield f"adapters: {len(asked.adapters)}"
    for adapter in asked.adapters:
        if not abs(adapter.weight) <= MOST_LORA_WEIGHT:
            yield f"weight of a LoRA: {adapter.weight:g}"
    yield from _guides(asked)
    yield from _likenesses(asked)


def _likenesses(asked: Resolved) -> Iterator[str]:
    if len(asked.likenesses) > MOST_LIKENESSES:
        yield f"likenesses: {len(asked.likenesses)}"
    for likeness in asked.likenesses:
        if len(likeness.pictures) > MOST_REFERENCES:
            yield f"pictures of a reference: {len(likeness.pictures)}"
        if not 0 < likeness.weight <= 1:
            yield f"weight of a reference: {likeness.weight:g}"


def _guides(asked: Resolved) -> Iterator[str]:
    source, refine = asked.source, asked.refine
    if source is not None and not 0 < source.strength <= 1:
        yield f"strength: {source.strength:g}"
    if refine is not None:
        for name, pixels in (("width", refine.width), ("height", refine.height)):
            if not SMALLEST <= pixels <= LARGEST or pixels % GRAIN:
                yield f"{name} of the second pass: {pixels}"
        if not 0 < refine.strength <= 1:
            yield f"strength of the second pass: {refine.strength:g}"
        if not 1 <= refine.steps <= MOST_STEPS:
            yield f"steps of the second pass: {refine.steps}"
    if len(asked.controls) > MOST_CONTROLS:
        yield f"controls: {len(asked.controls)}"
    for control in asked.controls:
        if not 0 <= control.weight <= MOST_CONTROL:
            yield f"weight of a ControlNet: {control.weight:g}"
        if not 0 <= control.start < control.end <= 1:
            yield f"steps of a ControlNet: from {control.start:g} to {control.end:g}"
