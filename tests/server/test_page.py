"""The page in a real browser: it shows what happens as it happens, and loses nothing."""

from __future__ import annotations

import re

import pytest
from msgspec.structs import replace
from playwright.sync_api import Browser, Page, expect

from pipeline.core import events as e
from pipeline.core.manifest import Job, Project
from tests.server.conftest import Served

pytestmark = pytest.mark.browser


def test_an_empty_inbox_says_what_to_do(served: Served, page: Page) -> None:
    page.goto(served.url)
    expect(page.locator("#empty")).to_be_visible()
    expect(page.locator("#empty-inbox")).to_have_text(str(served.production.inbox))
    assert len(page.locator("#example").inner_text().splitlines()) == 6


def test_a_job_is_seen_from_queue_to_picture_and_a_reload_loses_nothing(
    served: Served, page: Page
) -> None:
    made = served.production
    made.live()
    page.goto(served.url)
    expect(page.locator(".worker")).to_have_count(3)
    key = made.job("night/rooftop.yaml", Job(prompt="city at night", count=2))
    expect(page.locator("#queue li")).to_contain_text(["rooftop"])
    expect(page.locator(".job .chip")).to_have_text("queued")
    task = made.task(key)
    made.start_drawing(task)
    made.live([task])
    worker = page.locator(".worker").first
    expect(worker.locator(".what")).to_contain_text("night/rooftop · 1")
    made.tick(task, 7)
    expect(worker.locator(".steps")).to_have_text("step 7 of 15")
    expect(page).to_have_title("1 drawing, 1 queued · anime")
    made.finish(task)
    made.live()
    loaded(page, 1)
    expect(page.locator(".job .thumbs")).to_contain_text("1 of 2")
    page.reload()
    loaded(page, 1)
    expect(page.locator("#queue li")).to_have_count(1)
    made.draw_all()
    loaded(page, 2)
    expect(page.locator(".job .chip")).to_have_text("done")
    expect(page.locator("[role=status]")).to_have_text("0 drawing, 0 queued, 2 pictures finished")


def loaded(page: Page, count: int) -> None:
    """That many pictures stand in the gallery, and the first has really arrived."""
    images = page.locator(".picture img")
    expect(images).to_have_count(count)
    expect(images.first).to_have_js_property("naturalWidth", 64)


def test_a_reload_in_mid_picture_shows_the_step(served: Served, page: Page) -> None:
    made = served.production
    task = made.task(made.job("a.yaml", Job(prompt="beach")))
    made.live([task])
    made.tick(task, 9)
    page.goto(served.url)
    expect(page.locator(".steps")).to_have_text("step 9 of 15")


def test_the_page_comes_back_by_itself_and_has_what_it_missed(served: Served, page: Page) -> None:
    made = served.production
    made.job("a.yaml", Job(prompt="beach"))
    page.goto(served.url)
    expect(page.locator("#queue li")).to_have_count(1)
    served.server.stop()
    expect(page.locator(".banner")).to_contain_text("Connection lost")
    made.job("b.yaml", Job(prompt="forest"))
    again = made.server(served.server.port)
    again.start()
    expect(page.locator(".banner")).to_have_count(0)
    expect(page.locator("#queue li")).to_have_count(2)
    again.stop()


def test_a_picture_opens_large_with_its_recipe_by_keyboard_alone(
    served: Served, page: Page
) -> None:
    made = served.production
    made.job("a.yaml", Job(prompt="beach, smile", count=2, seed=40))
    made.draw_all()
    page.goto(served.url)
    first = page.locator(".picture").first
    first.focus()
    page.keyboard.press("Enter")
    facts = page.locator("#viewer-facts")
    expect(facts).to_contain_text("beach, smile")
    expect(facts).to_contain_text("a.02.png")
    expect(facts).to_contain_text("41")
    expect(facts).to_contain_text("dpmpp_2m, karras")
    page.keyboard.press("ArrowRight")
    expect(facts).to_contain_text("a.01.png")
    page.keyboard.press("Escape")
    expect(page.locator("#viewer")).to_be_hidden()
    expect(first).to_be_focused()


def test_newer_can_be_had_once_there_is_one(served: Served, page: Page) -> None:
    made = served.production
    made.job("a.yaml", Job(prompt="beach"))
    made.draw_all()
    page.goto(served.url)
    page.locator(".picture").first.click()
    expect(page.locator("#newer")).to_be_disabled()
    made.job("b.yaml", Job(prompt="forest"))
    made.draw_all()
    expect(page.locator("#newer")).to_be_enabled()
    page.locator("#newer").click()
    expect(page.locator("#viewer-facts")).to_contain_text("b.01.png")
    expect(page.locator("#newer")).to_be_disabled()


def test_a_picture_whose_file_is_gone_says_so(served: Served, page: Page) -> None:
    made = served.production
    made.job("a.yaml", Job(prompt="beach"))
    made.draw_all()
    (made.inbox / "a.01.png").unlink()
    page.goto(served.url)
    expect(page.locator(".picture .gone")).to_have_text("file is gone")
    page.locator("#jobs").scroll_into_view_if_needed()
    expect(page.locator(".thumbs .gone")).to_have_text("file is gone")


@pytest.mark.parametrize(
    ("now", "shown"),
    [("2026-11-22T12:30:00Z", r"^\d+:\d\d\s[AP]M$"), ("2026-11-25T12:00:00Z", "^Nov 22")],
)
def test_a_time_of_another_day_has_its_date(
    served: Served, browser: Browser, now: str, shown: str
) -> None:
    made = served.production
    made.job("a.yaml", Job(prompt="beach"))
    made.draw_all()
    with browser.new_context(timezone_id="UTC", locale="en-US") as context:
        page = context.new_page()
        page.clock.set_fixed_time(now)
        page.goto(served.url)
        expect(page.locator(".picture time")).to_have_text(re.compile(shown))


def test_a_state_that_cannot_be_had_is_asked_for_again(served: Served, page: Page) -> None:
    made = served.production
    page.goto(served.url)
    expect(page.locator("#empty")).to_be_visible()
    page.route("**/api/state", lambda route: route.abort(), times=2)
    made.job("a.yaml", Job(prompt="beach"))
    expect(page.locator("#queue li")).to_have_count(1)


def test_many_jobs_are_shown_a_part_at_a_time(served: Served, page: Page) -> None:
    made = served.production
    for number in range(120):
        made.job(f"{number:03}.yaml", Job(prompt="beach"))
    last = made.job("z.yaml", Job(prompt="forest"))
    made.live([made.task(last)])
    page.goto(served.url)
    rows = page.locator(".job")
    expect(rows).to_have_count(100)
    page.locator("#more-jobs").click()
    expect(rows).to_have_count(121)
    expect(page.locator("#more-jobs")).to_be_hidden()
    page.reload()
    expect(rows).to_have_count(100)
    page.locator(".worker a").click()
    expect(page.locator(".job:target .name")).to_have_text("z")


def test_what_went_wrong_is_said(served: Served, page: Page) -> None:
    made = served.production
    live = made.live()
    page.goto(served.url)
    task = made.task(made.job("a.yaml", Job(prompt="beach")))
    made.record(
        e.RenderFailed(job="a", take=1, index=task.index, kind="error", error="no such tensor")
    )
    made.job("b.yaml", Job(characters=("Nobody",)))
    made.job("c.yaml", Job(prompt="forest", hold=True))
    made.job("d.yaml", Job(prompt="forest"))
    made.record(e.JobQuarantined(job="d", reason="two workers died of it"))
    made.reject("bad.yaml", "unknown key 'promt'", "promt: x")
    chips = page.locator(".job .chip")
    expect(chips).to_have_text(["failed", "held", "quarantined", "waiting"], use_inner_text=True)
    for words in ("no such tensor", "no character 'Nobody'", "two workers died of it"):
        expect(page.locator("#jobs")).to_contain_text(words)
    expect(page.locator("#rejected pre")).to_contain_text("bad.yaml:3:9: unknown key 'promt'")
    made.say(replace(live, inbox_lost="the folder is gone", journal_failed="the disk is full"))
    expect(page.locator(".banner")).to_contain_text(["the folder is gone", "the disk is full"])


def test_markup_is_shown_as_text_and_runs_nothing(served: Served, page: Page) -> None:
    made = served.production
    evil = "<img src=x onerror=document.title='pwned'><script>document.title='pwned'</script>"
    tokyo = made.project(Project(name=evil))
    made.job("a.yaml", Job(prompt=evil), project=tokyo)
    made.draw_all()
    made.reject(f"{evil[:40]}.yaml", evil, evil)
    page.goto(served.url)
    expect(page.locator(".group h3")).to_have_text(evil)
    expect(page.locator("#rejected pre")).to_contain_text(evil)
    page.locator(".picture").first.click()
    expect(page.locator("#viewer-facts")).to_contain_text("onerror")
    assert page.locator("img[src=x]").count() == 0
    expect(page).to_have_title("anime")


def test_the_page_asks_nobody_but_its_server(served: Served, page: Page) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    served.production.job("a.yaml", Job(prompt="beach"))
    served.production.draw_all()
    page.goto(served.url)
    loaded(page, 1)
    assert [url for url in asked if not url.startswith(f"{served.url}/")] == []


@pytest.mark.parametrize("width", [360, 768, 1280, 1920])
def test_nothing_is_wider_than_the_screen(served: Served, page: Page, width: int) -> None:
    made = served.production
    task = made.task(made.job(f"{'long-folder/' * 9}job.yaml", Job(prompt="beach, " * 60, count=2)))
    made.finish(task)
    made.reject("bad.yaml", "no good " * 40, "x" * 200)
    made.live([made.task(task.job)])
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(served.url)
    loaded(page, 1)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= width
