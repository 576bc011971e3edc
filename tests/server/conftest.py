"""A production on disk, its server running on a free port, and a real browser."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from pipeline.core.manifest import Job
from pipeline.server import Server
from tests.server.productions import Production

PATIENCE = 15_000
"""Milliseconds that a test waits for the page, on a machine that does much else."""
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


class Served(NamedTuple):
    production: Production
    server: Server
    url: str


@pytest.fixture
def production(tmp_path: Path) -> Iterator[Production]:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    with Production(inbox) as made:
        yield made


@pytest.fixture
def served(production: Production) -> Iterator[Served]:
    """The production with a runner started and nothing else, served."""
    production.begin()
    server = production.server()
    url = server.start()
    yield Served(production, server, url)
    server.stop()


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A production with one picture, served to a whole module: nothing more is told there."""
    with Production(tmp_path_factory.mktemp("inbox")) as made:
        made.begin()
        made.job("a.yaml", Job(prompt="beach"))
        made.draw_all()
        server = made.server()
        url = server.start()
        yield Served(made, server, url)
        server.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The system's Chromium, headless; closed with the module, as its loop is in our thread."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("no Chromium on the PATH: install the package chromium")
        pytest.skip("no Chromium on the PATH: install the package chromium to run this")
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=found, args=["--no-sandbox", "--disable-background-networking"]
        )
        yield opened
        opened.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A new tab that has seen nothing; an error in the page fails the test."""
    with browser.new_context(viewport={"width": 1280, "height": 800}) as context:
        tab = context.new_page()
        tab.set_default_timeout(PATIENCE)
        errors: list[str] = []
        tab.on("pageerror", lambda error: errors.append(str(error)))
        yield tab
        assert errors == []
