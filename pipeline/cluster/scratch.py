"""The folder in which a station's pictures are drawn: for each a folder of its own, as an inbox.

Owns what is put there and taken away. Weights are not copied where the system lets one file stand
at two places; else once. Never knows what a file holds.
"""

import os
import shutil
from pathlib import Path

from pipeline import disk
from pipeline.cluster.words import Draw, Weights

_WEIGHTS = "weights"


class Scratch:
    """Below `folder`, which is this one's own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def folder_of(self, number: int) -> Path:
        """Where the picture of that order is drawn."""
        return self.folder / f"{number}"

    def of(self, draw: Draw) -> Path:
        """Make the folder of a picture, with the pictures that it is drawn from.

        Raises:
            OSError: the disk is full, or a file leads out of it.
        """
        folder = self.folder_of(draw.number)
        _place(folder, draw.task.file).parent.mkdir(parents=True, exist_ok=True)
        for sent in draw.pictures:
            path = _place(folder, sent.file)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(sent.data)
        return folder

    def lend(self, source: Path, weights: Weights, folder: Path) -> None:
        """Let weights of this node stand in a picture's folder too.

        Raises:
            OSError: the disk is full.
        """
        target = _place(folder, weights.file)
        target.parent.mkdir(parents=True, exist_ok=True)
        if disk.link(source, target):
            return
        kept = self.folder / _WEIGHTS / weights.sha256
        if not kept.exists():
            kept.parent.mkdir(exist_ok=True)
            part = kept.with_name(f"{kept.name}.part")
            disk.copy(source, part)
            os.replace(part, kept)
        os.link(kept, target)

    def forget(self, number: int) -> None:
        """Take a picture's folder away."""
        shutil.rmtree(self.folder_of(number), ignore_errors=True)

    def remove(self) -> None:
        """Take all of it away."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _place(folder: Path, file: str) -> Path:
    """Raises OSError for a file that leads out of the folder."""
    path = disk.below(folder, file)
    if path is None:
        raise OSError(f"{file!r} leads out of the inbox")
    return path
