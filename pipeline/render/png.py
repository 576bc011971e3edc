"""A picture as the bytes of a PNG that says how it was drawn.

Owns the bytes: they depend on the picture, its task and the conditions alone, on no time and no
worker. What the two texts inside say is `pipeline.core.parameters`' and `pipeline.core.record`'s.
Never touches torch.
"""

import zlib
from io import BytesIO
from typing import Any, Final

from PIL import Image, PngImagePlugin

from pipeline import __version__
from pipeline.core import parameters, record
from pipeline.core.record import KEY, Record
from pipeline.core.resolved import Made, Task
from pipeline.inscription import pixels_of

PACKING: Final[dict[str, Any]] = {"compress_level": 1, "compress_type": zlib.Z_RLE}
"""Runs of equal bytes only: a quarter of the time of Pillow's default at the same size, as PNG's
filters have left little else to find."""


def encode(image: Image.Image, task: Task, model: str, made: Made) -> bytes:
    """The PNG of an RGB picture; the same picture, task and conditions give the same bytes.

    `model` is the model's name; its sha256 is part of the task.
    """
    mine = Record(
        job=task.job,
        take=task.take,
        index=task.index,
        seed=task.seed,
        digest=task.digest,
        resolved=task.resolved,
        model=model,
        made=made,
        pixels=pixels_of(image),
        manifest=task.manifest,
        commit=task.commit,
        version=__version__,
    )
    texts = PngImagePlugin.PngInfo()
    texts.add_text("parameters", parameters.write(task.resolved, task.seed, model))
    texts.add_text(KEY, record.encode(mine))
    stream = BytesIO()
    image.save(stream, "png", pnginfo=texts, **PACKING)
    return stream.getvalue()
