"""Runs `anime` as a process of its own, away from the settings of whoever runs the tests."""

import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from pipeline.core import events as e
from pipeline.history import PRIVATE
from pipeline.journal import Entry, Journal

CLONE = Path(__file__).parents[2]


def environment(home: Path, **more: str) -> dict[str, str]:
    """What the process sees: no settings but those of the test."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    own = {"HOME": str(home), "PYTHONPATH": str(CLONE), "TZ": "UTC", "LC_ALL": "C.UTF-8"}
    return kept | own | more


def anime(
    *arguments: str | Path, cwd: Path, flags: Sequence[str] = (), timeout: float = 60, **env: str
) -> subprocess.CompletedProcess[str]:
    """`anime ARGUMENTS` in `cwd`; `flags` are Python's own."""
    command = [sys.executable, *flags, "-m", "pipeline", *map(str, arguments)]
    return subprocess.run(
        command,
        cwd=cwd,
        env=environment(cwd, **env),
        text=True,
        capture_output=True,
        timeout=timeout,
        check=False,
    )


def noon() -> datetime:
    """The moment at which everything in a journal of these tests happened."""
    return datetime(2026, 1, 2, 12, 0, 0, tzinfo=UTC)


def record(inbox: Path, events: Sequence[e.Event]) -> Path:
    """Write a journal of these events, in one batch; returns its path."""
    inbox.mkdir(exist_ok=True)
    with Journal.open(inbox / PRIVATE, clock=noon) as journal:
        journal.append([Entry(type=name, fields=body) for name, body in map(e.encode, events)])
        return journal.path
