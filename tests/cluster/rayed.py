"""A real Ray cluster on this machine: a head that draws nothing, and nodes as they are wanted."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

CLONE = Path(__file__).parents[2]
"""Where nodes find this program."""


@contextmanager
def cluster(nodes: int, cpus: int = 1) -> Iterator[Any]:
    """A `ray.cluster_utils.Cluster` with a token, and so many nodes beside its head."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "token")
        patch.setenv("RAY_AUTH_TOKEN", _token())
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        # Other programs of this machine may need most of its memory: that is no fault of ours.
        patch.setenv("RAY_memory_monitor_refresh_ms", "0")
        path = [str(CLONE), *filter(None, [os.environ.get("PYTHONPATH")])]
        patch.setenv("PYTHONPATH", os.pathsep.join(path))
        from ray.cluster_utils import Cluster

        started = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
        try:
            for _ in range(nodes):
                started.add_node(num_cpus=cpus)
            yield started
        finally:
            started.shutdown()


@cache
def _token() -> str:
    """One for all clusters of this process, in which Ray reads it once."""
    return secrets.token_hex(16)


def missing() -> bool:
    """Whether Ray is not installed here."""
    return find_spec("ray") is None
