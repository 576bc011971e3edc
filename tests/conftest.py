"""For all tests: runs of the runner; hypothesis keeps no deadline, since machines are shared."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from pipeline.core import events as e
from pipeline.journal.files import Files
from tests.running import Run

settings.register_profile("shared", deadline=None)
settings.load_profile("shared")


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    """Starts runs on one inbox, each after the one before is closed."""
    runs: list[Run] = []

    def starting(**options: bool | tuple[e.Event, ...] | Files) -> Run:
        for run in runs:
            run.close()
        runs.append(Run(tmp_path / "inbox", **options))  # type: ignore[arg-type]
        return runs[-1]

    yield starting
    runs[-1].close()
