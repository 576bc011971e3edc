"""What is commanded on the page is obeyed by the runner; and the keyboard keeps its place."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.server.playing import Playing

pytestmark = pytest.mark.browser

JOB = "kind: job\nprompt: rain\n"


@pytest.fixture
def playing(tmp_path: Path) -> Iterator[Playing]:
    """Three pictures in work, and three jobs queued behind them."""
    with Playing(tmp_path / "inbox", patient=True) as made:
        for name in "abcdef":
            made.drop(f"{name}.yaml", f"kind: job\nprompt: rain, {name}\n")
            made.until(lambda name=name: made.status(name) != "")  # type: ignore[misc]
        made.until(lambda: made.status("c") == "rendering")
        yield made


def names(page: Page) -> list[str]:
    return page.locator("#queue a").all_inner_texts()


def test_a_job_is_cancelled_and_brought_back(playing: Playing, page: Page) -> None:
    page.goto(playing.url)
    queue = page.locator("#queue a")
    expect(queue).to_have_text(["d", "e", "f"])
    page.get_by_role("button", name="Cancel e").click()
    expect(queue).to_have_text(["d", "f"])
    playing.until(lambda: playing.status("e") == "cancelled")
    expect(page.locator(".toast")).to_contain_text("cancelled e (1 picture)")
    page.get_by_role("button", name="Undo").click()
    expect(queue).to_have_text(["d", "e", "f"])
    playing.until(lambda: playing.status("e") == "queued")


def test_a_picture_in_work_is_stopped(playing: Playing, page: Page) -> None:
    page.goto(f"{playing.url}/#/jobs")
    page.get_by_role("button", name="Cancel: a").click()
    playing.until(lambda: playing.status("a") == "cancelled")
    page.get_by_role("link", name="Studio", exact=True).click()
    expect(page.locator(".worker .what").first).to_contain_text("d")


def test_the_queue_is_put_in_another_order(playing: Playing, page: Page) -> None:
    page.goto(playing.url)
    queue = page.locator("#queue a")
    page.get_by_role("button", name="Draw f next").click()
    expect(queue).to_have_text(["f", "d", "e"])
    expect(page.get_by_role("button", name="f is next")).to_have_attribute("aria-disabled", "true")
    page.get_by_role("button", name="Lower the priority of d").click()
    expect(queue).to_have_text(["f", "e", "d"])
    page.get_by_role("button", name="Raise the priority of d").click()
    expect(queue).to_have_text(["f", "d", "e"])
    page.reload()
    expect(queue).to_have_text(["f", "d", "e"])
    playing.finish("a")
    playing.until(lambda: playing.status("f") == "rendering")


def test_a_job_is_held_and_released(playing: Playing, page: Page) -> None:
    page.goto(playing.url)
    page.get_by_role("button", name="Hold e").click()
    needs = page.locator("#needs-list li")
    expect(needs).to_contain_text(["e"])
    expect(page.locator("#queue a")).to_have_text(["d", "f"])
    page.get_by_role("button", name="Release e").click()
    expect(page.locator("#queue a")).to_have_text(["d", "e", "f"])
    expect(needs).to_have_count(0)


def test_all_is_paused_and_resumed(playing: Playing, page: Page) -> None:
    page.goto(playing.url)
    page.get_by_role("button", name="Pause", exact=True).click()
    expect(page.locator(".banner")).to_contain_text("The queue is paused")
    expect(page.locator("#state")).to_have_text("Paused")
    playing.finish("a")
    playing.until(lambda: playing.status("a") == "done")
    assert playing.status("d") == "queued"
    page.get_by_role("button", name="Unload the model").click()
    for left in ("b", "c"):
        playing.finish(left)
    expect(page.locator("#state")).to_have_text("Unloaded")
    expect(page.locator(".banner")).to_contain_text("and the model is unloaded")
    page.get_by_role("button", name="Resume", exact=True).click()
    expect(page.locator(".banner")).to_have_count(0)
    playing.until(lambda: playing.status("d") == "rendering")


def test_what_failed_is_retried(playing: Playing, page: Page) -> None:
    page.goto(playing.url)
    playing.do(lambda: playing.pool.fail("a", "RuntimeError: it broke"))
    playing.finish("a")
    needs = page.locator("#needs-list li")
    expect(needs).to_contain_text("RuntimeError: it broke")
    page.get_by_role("button", name="Retry a").click()
    expect(needs).to_have_count(0)
    playing.until(lambda: playing.status("a") in ("queued", "rendering"))


def test_a_picture_is_drawn_again_and_an_older_take_made_current(
    playing: Playing, page: Page
) -> None:
    playing.finish()
    page.goto(f"{playing.url}/#/gallery")
    tiles = page.locator("#gallery .picture")
    expect(tiles).to_have_count(6)
    page.locator("#gallery .picture", has_text="f").click()
    page.get_by_role("button", name="Draw again").click()
    playing.until(lambda: playing.status("f") == "rendering")
    playing.finish()
    expect(page.get_by_role("button", name="Make it current")).to_have_count(0)
    page.keyboard.press("Escape")
    page.locator("#gallery .picture", has_text="f").click()
    page.get_by_role("button", name="take 1, picture 1").click()
    page.get_by_role("button", name="Make it current").click()
    expect(page.locator(".toast").last).to_contain_text("restored take 1 of f")


def test_a_command_that_is_refused_says_why(playing: Playing, page: Page) -> None:
    page.goto(f"{playing.url}/#/jobs")
    button = page.get_by_role("button", name="Cancel: f")
    expect(button).to_be_visible()
    page.route("**/events", lambda route: route.abort())
    page.route("**/api/state", lambda route: route.abort())
    (playing.root / "f.yaml").unlink()
    playing.until(lambda: playing.status("f") == "withdrawn")
    button.click()
    expect(page.locator(".toast.bad")).to_contain_text("the job f is withdrawn")
    expect(page.locator(".toast.bad")).to_contain_text("bring the manifest back")


def test_without_an_answer_a_command_says_that_nothing_changed(
    playing: Playing, page: Page
) -> None:
    page.goto(playing.url)
    page.route("**/api/commands", lambda route: route.abort())
    page.get_by_role("button", name="Cancel e").click()
    expect(page.locator(".toast.bad")).to_contain_text("nothing was changed")


def test_the_keyboard_keeps_its_place_while_lists_change(playing: Playing, page: Page) -> None:
    page.goto(playing.url)
    button = page.get_by_role("button", name="Hold e")
    button.focus()
    playing.finish("a")
    expect(page.locator("#queue a")).to_have_text(["e", "f"])
    expect(button).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#queue a")).to_have_text(["f"])
    expect(page.get_by_role("button", name="Hold f")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#queue li")).to_have_count(0)
    expect(page.locator("#queue-title")).to_be_focused()


def test_all_is_done_by_the_keyboard_alone(playing: Playing, page: Page) -> None:
    page.goto(playing.url)
    expect(page.locator("#queue li")).to_have_count(3)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#content")).to_be_focused()
    tab_to(page, "Cancel d")
    page.keyboard.press("Enter")
    expect(page.locator("#queue a")).to_have_text(["e", "f"])
    tab_to(page, "Undo")
    page.keyboard.press("Enter")
    expect(page.locator("#queue a")).to_have_text(["d", "e", "f"])
    tab_to(page, "Gallery")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Gallery")).to_be_focused()


def tab_to(page: Page, name: str) -> None:
    """Press Tab until the element of that name has the keyboard."""
    said = "() => document.activeElement.ariaLabel ?? document.activeElement.textContent.trim()"
    for _ in range(80):
        if page.evaluate(said) == name:
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"no Tab leads to {name}")


def test_two_pages_show_the_same(playing: Playing, page: Page) -> None:
    second = page.context.new_page()
    page.goto(playing.url)
    second.goto(playing.url)
    page.get_by_role("button", name="Cancel d").click()
    for each in (page, second):
        expect(each.locator("#queue a")).to_have_text(["e", "f"])
    assert names(page) == names(second)
