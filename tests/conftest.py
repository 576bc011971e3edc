"""For all tests: runs of the runner; hypothesis keeps no deadline, since machines are shared."""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import pytest
from hypothesis import settings

from pipeline.core import events as e
from pipeline.journal.files import Files
from tests.running import Run

if "PYTEST_XDIST_WORKER" in os.environ:
    # Each of several tests at a time would take all cores, and mostly wait for the others' threads.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

_COUNTED = "counted"
_counts: dict[str, Counter[str]] = {}


class Figures:
    """What tests have counted, summed and printed when all are done: those of tests/README.md."""

    def __init__(self, item: pytest.Item) -> None:
        self._item = item

    def add(self, what: str, cases: int, **bad: int) -> None:
        """So many cases of `what`, and how many of them went wrong in which way."""
        # What a test says of itself comes along from the process that ran it.
        self._item.user_properties.append((_COUNTED, (what, {"": cases, **bad})))


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> Figures:
    return Figures(request.node)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that start processes come first, so that no long one is left over for the end."""
    heavy = {item.path for item in items if item.get_closest_marker("process")}
    items.sort(key=lambda item: item.path not in heavy)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when != "teardown":
        return
    for name, value in report.user_properties:
        if name == _COUNTED:
            what, counts = cast(tuple[str, dict[str, int]], value)
            _counts.setdefault(what, Counter()).update(counts)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _counts:
        terminalreporter.section("figures")
    for what, counts in sorted(_counts.items()):
        bad = ", ".join(f"{way} {count}" for way, count in counts.items() if way)
        terminalreporter.write_line(f"{counts['']:>9,}  {what}: {bad}")


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
