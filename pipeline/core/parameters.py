"""How a picture was drawn, as the text `parameters` that A1111 began and most tools read.

Pure. Owns writing and reading that text, and the names that it has for samplers and schedules:
the prompt; `Negative prompt: …` unless empty; a last line of `Key: value` pairs, in which a value
that holds a comma, a colon or a newline is quoted as JSON. Both prompts may have several lines.
Source: `create_infotext` and `parse_generation_parameters` of AUTOMATIC1111/stable-diffusion-webui,
modules/processing.py and modules/infotext_utils.py.
"""

import json
import re

from msgspec import Struct

from pipeline.core.resolved import Resolved
from pipeline.core.samplers import Sampler, Schedule

LONGEST = 1 << 18
"""Characters of a text that is read."""
LONGEST_LINE = 1 << 16
"""Of its last line."""
LEAST_PAIRS = 3
"""With fewer of them the last line is one of the prompt."""

SAMPLERS: dict[Sampler, str] = {
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
    "lcm": "LCM",
}
SCHEDULES: dict[Schedule, str] = {
    "normal": "Normal",
    "karras": "Karras",
    "exponential": "Exponential",
    "beta": "Beta",
    "sgm_uniform": "SGM Uniform",
}

_NEGATIVE = "Negative prompt:"
_KEY = re.compile(r"\w[\w \-/]*")
_decoder = json.JSONDecoder()


class Parameters(Struct, frozen=True, kw_only=True):
    """What such a text says; `values` has its pairs in order, of one key the last."""

    prompt: str
    negative: str
    values: dict[str, str]


def write(resolved: Resolved, seed: int, model: str) -> str:
    """The text for a picture of ours; `model` is the model's name."""
    pairs = {
        "Steps": str(resolved.steps),
        "Sampler": SAMPLERS[resolved.sampler],
        "Schedule type": SCHEDULES[resolved.schedule],
        "CFG scale": f"{resolved.guidance:g}",
        "Clip skip": f"{resolved.clip_skip}" if resolved.clip_skip > 1 else "",
        "Seed": str(seed),
        "Size": f"{resolved.width}x{resolved.height}",
        "Model hash": resolved.model[:10],
        "Model": model,
        **_guided(resolved),
    }
    lines = [resolved.prompt]
    if resolved.negative:
        lines.append(f"{_NEGATIVE} {resolved.negative}")
    lines.append(", ".join(f"{key}: {_quoted(value)}" for key, value in pairs.items() if value))
    return "\n".join(lines)


def _guided(resolved: Resolved) -> dict[str, str]:
    """What a picture is drawn from beside words, as A1111 and its ControlNet extension say it."""
    source, refine = resolved.source, resolved.refine
    pairs: dict[str, str] = {}
    if source is not None:
        pairs["Denoising strength"] = f"{source.strength:g}"
    elif refine is not None:
        pairs["Denoising strength"] = f"{refine.strength:g}"
    if refine is not None:
        pairs["Hires resize"] = f"{refine.width}x{refine.height}"
        pairs["Hires steps"] = f"{refine.steps}"
        pairs["Hires upscaler"] = "Lanczos"
    for number, each in enumerate(resolved.controls):
        name = each.file.rpartition("/")[2].rpartition(".")[0]
        pairs[f"ControlNet {number}"] = (
            f"Module: none, Model: {name} [{each.sha256[:8]}], Weight: {each.weight:g}, "
            f"Guidance Start: {each.start:g}, Guidance End: {each.end:g}"
        )
    return pairs


def parse(text: str) -> Parameters:
    """Read such a text, whoever wrote it. Lines of prompts lose the spaces at their ends.

    Raises:
        ValueError: it is too long to be one.
    """
    if len(text) > LONGEST:
        raise ValueError(f"it has {len(text)} characters, and {LONGEST} are the most")
    lines = text.replace("\r\n", "\n").strip().split("\n")
    values = _pairs(lines[-1])
    if len(values) >= LEAST_PAIRS:
        lines.pop()
    else:
        values = {}
    prompt: list[str] = []
    negative: list[str] = []
    said = prompt
    for line in (line.strip() for line in lines):
        if line.startswith(_NEGATIVE):
            said = negative
            said.append(line.removeprefix(_NEGATIVE).strip())
        else:
            said.append(line)
    return Parameters(
        prompt="\n".join(prompt).strip(), negative="\n".join(negative).strip(), values=values
    )


def _quoted(value: str) -> str:
    special = any(mark in value for mark in ",:\n") or value.startswith('"')
    return json.dumps(value, ensure_ascii=False) if special else value


def _pairs(line: str) -> dict[str, str]:
    """The pairs of a line; what belongs to none of them is stepped over.

    Raises:
        ValueError: the line is too long to be read.
    """
    if len(line) > LONGEST_LINE:
        if line.count(":") < LEAST_PAIRS:
            return {}
        raise ValueError(f"its last line has {len(line)} characters, {LONGEST_LINE} are the most")
    pairs: dict[str, str] = {}
    place = 0
    while (colon := line.find(":", place)) >= 0:
        key = line[place:colon].rpartition(",")[2].strip()
        value, place = _value(line, colon + 1)
        if _KEY.fullmatch(key):
            pairs[key] = value
    return pairs


def _value(line: str, start: int) -> tuple[str, int]:
    """The value that begins here, unquoted, and where the next pair begins."""
    while line[start : start + 1].isspace():
        start += 1
    if line[start : start + 1] in ('"', "{", "["):
        try:
            said, end = _decoder.raw_decode(line, start)
        except (ValueError, RecursionError):
            pass
        else:
            after = line[end : end + 64].lstrip()[:1]
            if after in ("", ","):
                text = said if isinstance(said, str) else line[start:end]
                comma = line.find(",", end)
                return text, len(line) if comma < 0 else comma + 1
    comma = line.find(",", start)
    end = len(line) if comma < 0 else comma
    return line[start:end].strip(), min(end + 1, len(line))
