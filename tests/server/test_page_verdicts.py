"""Pictures are approved and rejected on the page, by mouse and letter, and found again by it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from tests.server.playing import Playing

pytestmark = pytest.mark.browser


@pytest.fixture
def playing(tmp_path: Path) -> Iterator[Playing]:
    """A job with two finished pictures."""
    with Playing(tmp_path / "inbox", patient=True) as made:
        made.drop("a.yaml", "kind: job\nprompt: rain\ncount: 2\n")
        made.until(lambda: made.status("a") == "rendering")
        made.finish()
        made.until(lambda: made.status("a") == "done")
        yield made


def verdicts(playing: Playing) -> list[str | None]:
    """What is said of each picture of the job."""
    (take,) = playing.runner.state.jobs["a"].takes
    return [image.verdict for _, image in sorted(take.images.items())]


def test_pictures_are_judged_in_the_gallery_by_letters(playing: Playing, page: Page) -> None:
    page.goto(f"{playing.url}/#/gallery")
    tiles = page.locator("#gallery .picture")
    tiles.first.focus()
    page.keyboard.press("a")
    expect(tiles.first.get_by_role("img", name="Approved")).to_be_visible()
    expect(tiles.first).to_be_focused()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("x")
    expect(tiles.nth(1).get_by_role("img", name="Rejected")).to_be_visible()
    assert verdicts(playing) == ["rejected", "approved"]
    page.reload()
    expect(page.get_by_role("img", name="Approved")).to_be_visible()
    tiles.first.focus()
    page.keyboard.press("u")
    expect(page.get_by_role("img", name="Approved")).to_have_count(0)
    assert verdicts(playing) == ["rejected", None]
    assert (playing.root / "a.01.png").is_file()


def test_the_gallery_is_filtered_by_verdict(playing: Playing, page: Page) -> None:
    page.goto(f"{playing.url}/#/gallery?show=open")
    names = page.locator("#gallery b")
    expect(names).to_have_text(["a · 2", "a · 1"])
    page.locator("#gallery .picture").first.focus()
    page.keyboard.press("a")
    expect(names).to_have_text(["a · 1"])
    expect(page.locator("#gallery .picture")).to_be_focused()
    page.keyboard.press("x")
    expect(page.locator("#gallery-none")).to_contain_text("Every picture has been judged")
    page.get_by_role("radio", name="Approved").check()
    expect(names).to_have_text(["a · 2"])
    page.get_by_role("radio", name="Rejected").check()
    expect(names).to_have_text(["a · 1"])


def test_a_large_picture_is_judged_and_that_is_taken_back(playing: Playing, page: Page) -> None:
    page.goto(f"{playing.url}/#/gallery")
    page.locator("#gallery .picture").first.click()
    panel = page.get_by_role("dialog")
    approve = panel.get_by_role("button", name="Approve")
    approve.click()
    expect(approve).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("x")
    expect(approve).to_have_attribute("aria-pressed", "false")
    expect(panel.get_by_role("button", name="Reject")).to_have_attribute("aria-pressed", "true")
    assert verdicts(playing) == [None, "rejected"]
    page.get_by_role("button", name="Undo").last.click()
    expect(approve).to_have_attribute("aria-pressed", "true")
    assert verdicts(playing) == [None, "approved"]
    approve.click()
    expect(approve).to_have_attribute("aria-pressed", "false")
    assert verdicts(playing) == [None, None]


def test_two_pictures_are_judged_where_they_are_compared(playing: Playing, page: Page) -> None:
    page.goto(f"{playing.url}/#/gallery")
    page.locator("#gallery .picture").first.click()
    page.keyboard.press("c")
    first, second = (page.get_by_role("group", name=f"Verdict on a · {n}") for n in (2, 1))
    first.get_by_role("button", name="Approve").click()
    second.get_by_role("button", name="Reject").click()
    expect(second.get_by_role("button", name="Reject")).to_have_attribute("aria-pressed", "true")
    expect(first.get_by_role("button", name="Approve")).to_have_attribute("aria-pressed", "true")
    assert verdicts(playing) == ["rejected", "approved"]


def test_a_picture_that_is_another_by_now_is_not_judged(playing: Playing, page: Page) -> None:
    page.goto(f"{playing.url}/#/gallery")
    expect(page.locator("#gallery .picture")).to_have_count(2)
    page.route("**/api/commands", another)
    page.locator("#gallery .picture").first.focus()
    page.keyboard.press("a")
    expect(page.locator(".toast.bad")).to_contain_text("another picture")
    assert verdicts(playing) == [None, None]


def another(route: Route) -> None:
    """The command goes on as if other bytes had been looked at."""
    said = json.loads(route.request.post_data or "")
    route.continue_(post_data=json.dumps(said | {"sha256": "0" * 64}))
