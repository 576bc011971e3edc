"""axe-core finds nothing serious on any view, light and dark, with content and without."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from pipeline.core import events as e
from pipeline.core.manifest import Character, Job, Project
from tests.server.conftest import PATIENCE, Served
from tests.server.productions import Production

pytestmark = pytest.mark.browser

VIEWS = ("studio", "gallery", "cast", "jobs", "night")
Scheme = Literal["light", "dark"]


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Something of everything that the page can show."""
    with Production(tmp_path_factory.mktemp("inbox")) as made:
        made.begin()
        tokyo = made.project(Project(name="Neon Tokyo", description="Rain.", style="cyberpunk"))
        made.character(
            Character(name="Akira", appearance="red hair", outfits={"sea": "dress"}), tokyo
        )
        made.job("neon-tokyo/a.yaml", Job(prompt="beach", characters=("Akira",), count=2),
                 project=tokyo)  # fmt: skip
        made.draw_all()
        made.job("neon-tokyo/a.yaml", Job(prompt="forest", characters=("Akira",), count=2),
                 project=tokyo)  # fmt: skip
        made.draw_all()
        made.character(Character(name="Akira", appearance="blue hair"), tokyo)
        drawing = made.task(made.job("drawing.yaml", Job(prompt="city", count=3)))
        troubles(made)
        server = made.server()
        url = server.start()
        made.start_drawing(drawing)
        made.live([drawing])
        made.tick(drawing, 7)
        yield Served(made, server, url)
        server.stop()


def troubles(made: Production) -> None:
    """A job of each kind that needs somebody."""
    made.job("held.yaml", Job(prompt="forest", hold=True))
    made.job("waiting.yaml", Job(characters=("Nobody",)))
    failed = made.task(made.job("failed.yaml", Job(prompt="snow")))
    made.record(
        e.RenderFailed(job=failed.job, take=1, index=1, kind="error", error="no such tensor"),
        e.WorkerLost(worker="worker-2", pid=7, cause="crash", detail="signal 11", blamed=False),
        e.QueuePaused(reason="as somebody asked"),
    )
    made.reject("bad.yaml", "unknown key 'promt'", "promt: x")


def findings(page: Page) -> list[str]:
    """What axe-core finds that is serious or critical."""
    said = Axe().run(page).response["violations"]
    return [
        f"{each['id']}: {node['target']} {node['failureSummary']}"
        for each in said
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"]
    ]


def opened(browser: Browser, url: str, scheme: Scheme) -> Page:
    """A tab that lets axe-core in, which brings a script of its own."""
    context = browser.new_context(
        color_scheme=scheme, bypass_csp=True, reduced_motion="reduce",
        viewport={"width": 1280, "height": 900},
    )  # fmt: skip
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(url)
    return page


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_full_page_has_no_serious_finding(full: Served, browser: Browser, scheme: Scheme) -> None:
    page = opened(browser, full.url, scheme)
    for view in VIEWS:
        page.goto(f"{full.url}/#/{view}")
        expect(page.locator(f"#view-{view}")).to_be_visible()
        assert findings(page) == [], view
    page.goto(f"{full.url}/#/cast")
    page.locator(".person").click()
    expect(page.locator("#bible .picture").first).to_be_visible()
    assert findings(page) == []
    page.goto(f"{full.url}/#/studio")
    page.locator("#state").click()
    assert findings(page) == []
    page.keyboard.press("Escape")
    page.goto(f"{full.url}/#/gallery")
    page.locator("#gallery .picture").first.click()
    page.locator("#viewer summary").first.click()
    expect(page.locator("details .note")).to_be_visible()
    assert findings(page) == []
    page.keyboard.press("c")
    expect(page.locator(".stage img")).to_have_count(2)
    assert findings(page) == []
    page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_an_empty_page_has_no_serious_finding(
    served: Served, browser: Browser, scheme: Scheme
) -> None:
    page = opened(browser, served.url, scheme)
    for view in VIEWS:
        page.goto(f"{served.url}/#/{view}")
        expect(page.locator(f"#view-{view}")).to_be_visible()
        assert findings(page) == [], view
    page.context.close()


def test_axe_finds_what_is_wrong(served: Served, browser: Browser) -> None:
    page = opened(browser, served.url, "light")
    expect(page.locator("#empty")).to_be_visible()
    page.evaluate("() => document.querySelector('#example-copy').replaceChildren()")
    assert [each for each in findings(page) if each.startswith("button-name")]
    page.context.close()
