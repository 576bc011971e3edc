"""What draws: Python, the model's files, and torch with its devices, as a process of its own says.

Owns these checks. The process is `python -m pipeline.render.probe`, as a run would start its own.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec

import msgspec
from msgspec import Struct

from pipeline.doctor.finding import Finding, bad, good, poor
from pipeline.model import check, weight
from pipeline.room import free_memory
from pipeline.settings import Settings
from pipeline.weights import ModelError

OLDEST = (3, 11)
PATIENCE = 180.0
"""Seconds for torch to be imported and looked at, on a slow disk."""
EACH = 700 << 20
"""Bytes that a worker takes beside the weights: Python, torch and the pictures in work."""
EACH_ON_GPU = 400 << 20
"""The same on a GPU, for its context, without the pictures in work."""


class Device(Struct, frozen=True, kw_only=True):
    """A GPU: bytes of its memory, and whether it computes in bfloat16."""

    name: str
    total: int
    free: int
    bfloat16: bool


class Probe(Struct, frozen=True, kw_only=True):
    """What the process found; `sharing` is what went wrong when two processes shared memory."""

    torch: str
    diffusers: str
    built_for: str | None
    devices: tuple[Device, ...] = ()
    trouble: str = ""
    sharing: str = ""


def engine(settings: Settings) -> Iterator[Finding]:
    """All that draws; `settings` say which model, how many workers and where."""
    yield _python()
    size = 0
    try:
        check(settings.model, settings.told)
    except ModelError as error:
        yield bad("model", error.message, error.hint or "check the path of --model")
    else:
        size = weight(settings.model)
        yield good("model", f"{settings.model.name}, {size / 2**20:,.0f} MiB of weights, whole")
    yield from _others(settings)
    if settings.cluster:
        yield _cluster(settings)
    probe = _probe()
    if isinstance(probe, Finding):
        yield probe
        return
    built = f"built for {probe.built_for}" if probe.built_for else "built for the CPU alone"
    yield good("torch", f"torch {probe.torch}, {built}; diffusers {probe.diffusers}")
    yield _device(probe, settings)
    yield from _memory(probe, settings, size)
    if probe.sharing:
        yield bad("sharing", probe.sharing, "anime run --workers 1 needs none; please report this")
    else:
        yield good("sharing", "two processes map the same weights, and neither can write to them")


def _others(settings: Settings) -> Iterator[Finding]:
    """The models that manifests may name."""
    for name, each in settings.models.items():
        try:
            check(each.path, each.told)
        except ModelError as error:
            yield poor(f"model {name}", error.message, error.hint or "mend [models] in anime.toml")
        else:
            size = weight(each.path)
            yield good(f"model {name}", f"{size / 2**20:,.0f} MiB of weights, whole")


def _cluster(settings: Settings) -> Finding:
    """Whether a run could try to reach its cluster; it is not asked itself."""
    if find_spec("ray") is None:
        return bad("cluster", "Ray is not installed", "pip install 'anime-pipeline[cluster]'")
    if os.environ.get("RAY_AUTH_MODE") != "token":
        said = f"cluster is {settings.cluster}, and Ray is not told to use its token"
        return bad("cluster", said, "export RAY_AUTH_MODE=token")
    return good("cluster", f"{settings.cluster}, with token; ray status says which nodes there are")


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < OLDEST:
        return bad("python", f"Python {version}", "make venv PYTHON=python3.12")
    return good("python", f"Python {version}")


def _probe() -> Probe | Finding:
    command = [sys.executable, "-m", "pipeline.render.probe"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        said = f"torch could not be looked at within {PATIENCE:.0f} s"
        return bad("torch", said, "look at the disk: reading it is that slow")
    try:
        return msgspec.json.decode(done.stdout, type=Probe)
    except msgspec.DecodeError:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        said = f"torch cannot be used: {''.join(last) or f'exit status {done.returncode}'}"
        return bad("torch", said, "build the environment anew: make clean venv")


def _device(probe: Probe, settings: Settings) -> Finding:
    if probe.devices:
        names = ", ".join(f"{each.name} ({each.total / 2**30:.0f} GiB)" for each in probe.devices)
        return good("device", names)
    if settings.device == "cuda":
        why = probe.trouble or "torch finds no GPU"
        way = "install the driver's newest version, or anime run --device cpu"
        if probe.built_for is None:
            way = "this torch is for the CPU: make clean venv TORCH=cuda, or --device cpu"
        return bad("device", f"device is cuda ({settings.origins['device']}): {why}", way)
    if probe.trouble:
        return poor("device", f"the CPU; a GPU is not used: {probe.trouble}", "update its driver")
    return good("device", f"the CPU, {os.cpu_count()} cores")


def _memory(probe: Probe, settings: Settings, size: int) -> Iterator[Finding]:
    """Whether the weights, once, and so many workers fit."""
    workers = settings.workers
    if probe.devices and settings.device != "cpu":
        free, each, where = probe.devices[0].free, EACH_ON_GPU, "of the GPU's memory"
    else:
        free, each, where = free_memory(), EACH, "of memory"
    if not free:
        return
    fit = max(0, (free - size) // each)
    said = (
        f"{free / 2**30:.1f} GiB {where} free; the weights once and {workers} workers take about "
        f"{(size + workers * each) / 2**30:.1f}"
    )
    if fit >= workers:
        yield good("memory", said)
    elif fit:
        yield poor("memory", said, f"anime run --workers {fit}")
    else:
        yield poor("memory", said, "close other programs, or take a smaller model")
