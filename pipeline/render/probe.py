"""What torch finds on this machine, as one line of JSON: `python -m pipeline.render.probe`.

Owns the look and the test of sharing: that another process sees the same memory, and that a write
to it is a crash there and no change here. Draws nothing.
"""

import contextlib
import os
import signal
import sys
import warnings
from typing import Any

import msgspec
import torch
import torch.multiprocessing

from pipeline.render.slab import Slab, receive


def main() -> None:
    """Print what was found."""
    import diffusers

    devices, trouble = _devices()
    found = {
        "torch": str(torch.__version__),
        "diffusers": diffusers.__version__,
        "built_for": _built_for(),
        "devices": devices,
        "trouble": trouble,
        "sharing": _sharing(),
    }
    sys.stdout.buffer.write(msgspec.json.encode(found) + b"\n")
    sys.stdout.flush()


def _built_for() -> str | None:
    if torch.version.cuda:
        return f"CUDA {torch.version.cuda}"
    hip = getattr(torch.version, "hip", None)
    return f"ROCm {hip}" if hip else None


def _devices() -> tuple[list[dict[str, Any]], str]:
    """The GPUs, and why there are none although torch was built for some."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        there = torch.cuda.is_available()
    if not there:
        said = next((str(each.message) for each in caught), "")
        return [], said.partition("\n")[0] if _built_for() else ""
    devices = []
    for number in range(torch.cuda.device_count()):
        about = torch.cuda.get_device_properties(number)
        free, total = torch.cuda.mem_get_info(number)
        devices.append(
            {
                "name": about.name,
                "total": total,
                "free": free,
                "bfloat16": torch.cuda.is_bf16_supported(including_emulation=False),
            }
        )
    return devices, ""


def _sharing() -> str:
    """What is wrong with sharing weights between two processes; empty if nothing is."""
    weights = torch.arange(4096.0)
    slab = Slab({"weights": weights}, torch.device("cpu"))
    context = torch.multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    child = context.Process(target=_look, args=(there,))
    child.start()
    there.close()
    try:
        slab.send(here)
        total = here.recv() if here.poll(120) else None
        child.join(30)
    except (OSError, EOFError) as error:
        return f"a second process could not have the weights: {error!r}"
    finally:
        with contextlib.suppress(ValueError):
            child.kill()
    if total != float(weights.sum()):
        return f"a second process saw other weights: their sum is {total}"
    if child.exitcode != -signal.SIGSEGV:
        return f"a second process could write to the weights (it ended with {child.exitcode})"
    return ""


def _look(connection: Any) -> None:
    """The other process: say what is seen, then try what must not be possible."""
    weights = receive(connection)["weights"]
    connection.send(float(weights.sum()))
    # The crash is the point, and its traces are not.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    weights[0] = 1.0


if __name__ == "__main__":
    main()
