"""Which stations a cluster can have: one for each GPU, or one for each node that has CPUs.

Owns reading Ray's list of nodes, and what a station is called. Pure.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from msgspec import Struct


class Slot(Struct, frozen=True, kw_only=True):
    """A place for one station: the id of its node, that node's host, and which of its GPUs, from 0,
    or None for all its CPUs. `gpus` is how many it has."""

    node: str
    host: str
    gpu: int | None = None
    gpus: int = 0


def slots(nodes: Iterable[Mapping[str, Any]], device: str) -> list[Slot]:
    """The places there are on nodes as `ray.nodes()` lists them; `device` is `cpu`, `cuda` or
    `auto`, which is `cuda` here: a GPU and a CPU do not draw the same picture to the last bit."""
    found: list[Slot] = []
    for node in nodes:
        if not node.get("Alive"):
            continue
        resources = node.get("Resources", {})
        gpus = int(resources.get("GPU", 0))
        host = _plain(str(node.get("NodeManagerHostname") or node.get("NodeManagerAddress")))
        if device != "cpu":
            found += [
                Slot(node=node["NodeID"], host=host, gpu=gpu, gpus=gpus) for gpu in range(gpus)
            ]
        elif resources.get("CPU", 0) >= 1:
            found.append(Slot(node=node["NodeID"], host=host))
    return found


def name_of(slot: Slot, taken: Collection[str]) -> str:
    """What a station there is called, unlike all that are `taken`."""
    name = slot.host if slot.gpus <= 1 or slot.gpu is None else f"{slot.host}.{slot.gpu}"
    number, base = 1, name
    while name in taken:
        number += 1
        name = f"{base}-{number}"
    return name


def _plain(host: str) -> str:
    """As it can stand in a path of a URL and before a colon."""
    return re.sub(r"[^A-Za-z0-9.-]+", "-", host).strip("-.") or "node"
