"""A picture as the bytes of a PNG that says how it was drawn.

Owns the two texts inside: `parameters`, which other tools read, and our own record under `anime`.
The bytes depend on the picture and its record alone: no time, no worker. Never touches torch.
"""

import hashlib
from io import BytesIO
from pathlib import Path

import msgspec
from msgspec import Struct
from PIL import Image, PngImagePlugin

from pipeline.core.resolved import Made, Resolved, Task
from pipeline.core.samplers import Sampler, Schedule

KEY = "anime"
_LEVEL = 4
"""zlib's level: a third of the time of Pillow's default, at the same size."""

_SAMPLERS: dict[Sampler, str] = {
    "dpmpp_2m": "DPM++ 2M",
    "dpmpp_2m_sde": "DPM++ 2M SDE",
    "dpmpp_sde": "DPM++ SDE",
    "euler": "Euler",
    "euler_ancestral": "Euler a",
    "heun": "Heun",
    "lms": "LMS",
    "uni_pc": "UniPC",
    "dpm_2": "DPM2",
    "dpm_2_ancestral": "DPM2 a",
    "ddim": "DDIM",
}
_SCHEDULES: dict[Schedule, str] = {
    "normal": "Normal",
    "karras": "Karras",
    "exponential": "Exponential",
    "beta": "Beta",
    "sgm_uniform": "SGM Uniform",
}


class Drawn(Struct, frozen=True, kw_only=True):
    """The record under `anime`. `pixels` is sha256 over the RGB bytes, row by row."""

    job: str
    take: int
    index: int
    seed: int
    digest: str
    resolved: Resolved
    model: str
    made: Made
    pixels: str


def encode(image: Image.Image, task: Task, model: str, made: Made) -> bytes:
    """The PNG of an RGB picture; the same picture, task and conditions give the same bytes.

    `model` is the model's name; its sha256 is part of the task.
    """
    record = Drawn(
        job=task.job,
        take=task.take,
        index=task.index,
        seed=task.seed,
        digest=task.digest,
        resolved=task.resolved,
        model=model,
        made=made,
        pixels=pixels_of(image),
    )
    texts = PngImagePlugin.PngInfo()
    texts.add_text("parameters", parameters(task.resolved, task.seed, model))
    texts.add_text(KEY, msgspec.json.encode(record).decode())
    stream = BytesIO()
    image.save(stream, "png", pnginfo=texts, compress_level=_LEVEL)
    return stream.getvalue()


def pixels_of(image: Image.Image) -> str:
    """sha256 over the picture's RGB bytes."""
    return hashlib.sha256(image.convert("RGB").tobytes()).hexdigest()


def record_of(path: Path) -> Drawn | None:
    """The record in a PNG, or None where there is none that we understand."""
    try:
        with Image.open(path, formats=["PNG"]) as image:
            return _record(image)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None


def is_ours(path: Path, task: Task) -> bool:
    """Whether the file is this very task's picture, just as we drew it.

    A file that someone has retouched may still carry our record; its pixels tell.
    """
    try:
        with Image.open(path, formats=["PNG"]) as image:
            record = _record(image)
            if record is None or image.size != (record.resolved.width, record.resolved.height):
                return False
            same = (record.job, record.take, record.index, record.digest, record.seed) == (
                task.job, task.take, task.index, task.digest, task.seed,
            )  # fmt: skip
            return same and pixels_of(image) == record.pixels
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return False


def parameters(resolved: Resolved, seed: int, model: str) -> str:
    """How the picture was drawn, in the convention of A1111's `parameters`.

    The prompt; `Negative prompt: …` unless empty; a line of `Key: value` pairs, in which a value
    that holds a comma, a colon or a newline is quoted as JSON.
    """
    pairs = {
        "Steps": str(resolved.steps),
        "Sampler": _SAMPLERS[resolved.sampler],
        "Schedule type": _SCHEDULES[resolved.schedule],
        "CFG scale": f"{resolved.guidance:g}",
        "Seed": str(seed),
        "Size": f"{resolved.width}x{resolved.height}",
        "Model hash": resolved.model[:10],
        "Model": model,
    }
    lines = [resolved.prompt]
    if resolved.negative:
        lines.append(f"Negative prompt: {resolved.negative}")
    lines.append(", ".join(f"{key}: {_quoted(value)}" for key, value in pairs.items() if value))
    return "\n".join(lines)


def _quoted(value: str) -> str:
    special = any(mark in value for mark in ",:\n")
    return msgspec.json.encode(value).decode() if special else value


def _record(image: Image.Image) -> Drawn | None:
    text = image.info.get(KEY)
    if not isinstance(text, str):
        return None
    try:
        return msgspec.json.decode(text.encode(), type=Drawn)
    except msgspec.MsgspecError:
        return None
