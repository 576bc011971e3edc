"""A whole run but for the model, shared by a module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.server.whole import Living, living


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Living]:
    with living(tmp_path_factory.mktemp("earlier") / "inbox") as made:
        yield made
