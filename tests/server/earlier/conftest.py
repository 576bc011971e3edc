"""A whole run but for the model, shared by a module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.server.playing import Playing


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Playing]:
    with Playing(tmp_path_factory.mktemp("earlier") / "inbox") as made:
        yield made
