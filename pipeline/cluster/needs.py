"""What a picture needs beside its model: weights that a node has itself, pictures that travel.

Owns reading that off a task. Opens none but those pictures.
"""

from collections.abc import Iterator
from pathlib import Path

from pipeline import disk
from pipeline.cluster.words import Sent, Weights
from pipeline.core.resolved import Task
from pipeline.model import Told
from pipeline.rasters import MOST_BYTES


def weights_of(task: Task, root: Path, told: Told) -> tuple[Weights, ...]:
    """All files of weights that the task names; `told` has those of the settings."""
    return tuple({each.sha256: each for each in _weights(task, root, told)}.values())


def digests_of(task: Task) -> Iterator[str]:
    """The sha256 of each, without looking where it stands."""
    resolved = task.resolved
    yield from (each.sha256 for each in resolved.adapters)
    yield from (each.sha256 for each in resolved.controls)
    for likeness in resolved.likenesses:
        yield likeness.adapter
        yield likeness.encoder


def pictures_of(task: Task, root: Path) -> tuple[Sent, ...]:
    """The pictures that the task is drawn from, read. One that cannot be is left out, and whoever
    draws will say that it is not there."""
    files = {picture.file: None for picture in task.resolved.pictures}
    return tuple(
        Sent(file=file, data=data) for file in files if (data := _read(file, root)) is not None
    )


def _weights(task: Task, root: Path, told: Told) -> Iterator[Weights]:
    resolved = task.resolved
    for adapter in resolved.adapters:
        yield Weights(
            what="LoRA", path=root / adapter.file, sha256=adapter.sha256, file=adapter.file
        )
    for control in resolved.controls:
        yield Weights(
            what="ControlNet", path=root / control.file, sha256=control.sha256, file=control.file
        )
    for likeness in resolved.likenesses:
        path = root / likeness.file if likeness.file else told.ip_adapter
        if path is not None:
            yield Weights(what="IP-Adapter", path=path, sha256=likeness.adapter, file=likeness.file)
        if told.image_encoder is not None:
            yield Weights(what="image encoder", path=told.image_encoder, sha256=likeness.encoder)


def _read(file: str, root: Path) -> bytes | None:
    path = disk.below(root, file)
    if path is None:
        return None
    try:
        with disk.open_plain(path) as stream:
            data = stream.read(MOST_BYTES + 1)
    except OSError:
        return None
    return data if len(data) <= MOST_BYTES else None
