"""The page of the real program with the bundled model, from a dropped file to the picture.

The program is started once, killed once with the page open, and started again.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from pipeline.core import events as e
from tests.processes import Program

pytestmark = [pytest.mark.browser, pytest.mark.process, pytest.mark.timeout(400)]

JOB = "kind: job\nprompt: 1girl, smile, city at night\nsteps: 30\ncount: 3\nseed: 7\n"
SLOW = 110_000
"""Milliseconds within which a started program has drawn something, on a busy machine."""


class Show:
    """An inbox, the program on it, and the page, which stays open all the while."""

    def __init__(self, root: Path, page: Page) -> None:
        self.root = root
        self.page = page
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = str(free.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self.program = self.start()

    def start(self) -> Program:
        self.program = Program(self.root, "--port", self.port)
        self.program.until_any(e.RunnerStarted)
        return self.program


@pytest.fixture(scope="module")
def show(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Show]:
    root = tmp_path_factory.mktemp("real") / "inbox"
    root.mkdir()
    with browser.new_context(viewport={"width": 1280, "height": 900}) as context:
        page = context.new_page()
        page.set_default_timeout(SLOW)
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        made = Show(root, page)
        try:
            page.goto(made.url)
            yield made
        finally:
            made.program.close()
        assert errors == []


def step(page: Page) -> int:
    """The step that the first worker at work is said to be at."""
    said = page.locator(".steps").first.inner_text()
    return int(said.split()[1])


def test_a_dropped_file_is_seen_to_become_a_picture(show: Show) -> None:
    page = show.page
    expect(page.locator("#empty")).to_be_visible()
    expect(page.locator("#state")).to_have_text("All well", timeout=SLOW)
    (show.root / "first.yaml").write_text(JOB)
    expect(page.locator("#empty")).to_be_hidden()
    expect(page.locator(".worker.drawing .what")).to_contain_text(["first"] * 3, timeout=SLOW)
    first = emerging(page, "")
    moved(page, 0)
    before = step(page)
    second = emerging(page, first)
    assert second != first
    page.reload()
    emerging(page, "")
    expect(page.locator(".steps").first).to_have_text(re.compile("of 30$"))
    assert step(page) >= before
    expect(page.locator("#latest .picture img")).to_have_count(3, timeout=SLOW)
    expect(page.locator("#latest .picture img").first).to_have_js_property("naturalWidth", 256)
    expect(page).to_have_title("anime")


def emerging(page: Page, other: str) -> str:
    """Where the first worker's picture is from, as it emerges, once it is another than that one."""
    script = """(other) => {
      const image = document.querySelector(".worker .preview:not([hidden])");
      return image && image.naturalWidth > 16 && image.src !== other ? image.src : null;
    }"""
    found: str = page.wait_for_function(script, arg=other).json_value()
    return found


def moved(page: Page, before: int) -> None:
    """Wait until a worker is said to be further than that."""
    page.wait_for_function(
        "(before) => Number(document.querySelector('.steps')?.textContent.split(' ')[1]) > before",
        arg=before,
    )


def test_the_page_outlives_a_killed_program(show: Show) -> None:
    page = show.page
    before = page.locator("#latest .picture").count()
    (show.root / "second.yaml").write_text(JOB.replace("smile", "sad"))
    expect(page.locator(".worker.drawing")).to_have_count(3, timeout=SLOW)
    moved(page, 2)
    show.program.kill()
    show.program.close()
    expect(page.locator(".banner")).to_contain_text("Connection lost")
    expect(page).to_have_title(re.compile("^connection lost"))
    (show.root / "third.yaml").write_text(JOB.replace("count: 3", "count: 1").replace("7", "9"))
    show.start()
    expect(page.locator(".banner")).to_have_count(0, timeout=SLOW)
    expect(page.locator("#latest .picture")).to_have_count(before + 4, timeout=SLOW)
    page.goto(f"{show.url}/#/night")
    expect(page.locator(".legend li")).to_have_text(["drawn", "lost"])
    expect(page.locator(".lane rect.lost")).to_have_count(3)
    page.locator(".lane rect.drawn").first.click()
    page.get_by_text("Draw it again elsewhere").click()
    expect(page.locator("#viewer pre")).to_contain_text("kind: job")
