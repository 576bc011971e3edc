"""The page in a real browser: it shows what happens as it happens, and loses nothing."""

from __future__ import annotations

import io
import re

import pytest
from msgspec.structs import replace
from PIL import Image
from playwright.sync_api import Browser, Page, Route, expect

from pipeline.core import events as e
from pipeline.core.manifest import Job, Project
from pipeline.core.observed import Live, WorkerLive
from tests.server.conftest import Served

pytestmark = pytest.mark.browser

VIEWS = ("studio", "gallery", "cast", "jobs", "night")
WIDTHS = (360, 768, 1280, 2560)


def test_an_empty_inbox_says_what_to_do(served: Served, page: Page) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(served.url)
    expect(page.locator("#empty")).to_be_visible()
    expect(page.locator("#empty-inbox")).to_have_text(str(served.production.inbox))
    page.get_by_role("button", name="Copy").click()
    expect(page.locator(".toast")).to_contain_text("first.yaml")
    copied = page.evaluate("() => navigator.clipboard.readText()")
    assert copied.startswith("kind: job\n")
    assert len(copied.splitlines()) == 6


def test_one_worker_leaves_room_for_what_to_do(served: Served, page: Page) -> None:
    lone = WorkerLive(name="worker-1", pid=7, phase="idle", task=None)
    served.production.say(Live(workers=(lone,), model_preloaded=True))
    page.goto(served.url)
    expect(page.locator("#workers .easel")).to_have_count(1)
    expect(page.locator("#example")).to_be_in_viewport(ratio=1)
    tall: int = page.locator("#workers .easel").evaluate("(easel) => easel.clientHeight")
    assert tall < 600


def test_every_empty_view_says_so(served: Served, page: Page) -> None:
    said = {
        "gallery": "appear here",
        "cast": "kind: character",
        "jobs": "kind: job",
        "night": "Nothing ran",
    }
    for view, words in said.items():
        page.goto(f"{served.url}/#/{view}")
        expect(page.locator(f"#view-{view}")).to_contain_text(words)


def test_a_job_is_seen_from_queue_to_picture_and_a_reload_loses_nothing(
    served: Served, page: Page
) -> None:
    made = served.production
    made.live()
    page.goto(served.url)
    expect(page.locator(".worker")).to_have_count(3)
    key = made.job("night/rooftop.yaml", Job(prompt="city at night", count=2))
    expect(page.locator("#queue li")).to_contain_text(["rooftop"])
    task = made.task(key)
    made.start_drawing(task)
    made.live([task])
    worker = page.locator(".worker").first
    expect(worker.locator(".what")).to_have_text("rooftop 1 of 2")
    made.tick(task, 7)
    expect(worker.locator(".steps")).to_have_text("step 7 of 15")
    expect(page).to_have_title("1 drawing, 1 queued · anime")
    made.finish(task)
    made.live()
    loaded(page, 1)
    page.reload()
    loaded(page, 1)
    expect(page.locator("#queue li")).to_have_count(1)
    made.draw_all()
    loaded(page, 2)
    expect(page.locator("[role=status]")).to_have_text("0 drawing, 0 queued, 2 pictures finished")
    page.get_by_role("link", name="Jobs").click()
    expect(page.locator(".job .chip")).to_have_text("done")
    expect(page.locator(".job .thumbs")).to_contain_text("2 of 2")


def loaded(page: Page, count: int) -> None:
    """That many pictures stand there, and the first has really arrived."""
    images = page.locator(".picture:visible img")
    expect(images).to_have_count(count)
    expect(images.first).to_have_js_property("naturalWidth", 64)


def test_a_preview_that_comes_late_does_not_replace_a_newer_one(served: Served, page: Page) -> None:
    made = served.production
    task = made.task(made.job("a.yaml", Job(prompt="beach")))
    made.live([task])
    late: list[Route] = []

    def hold(route: Route) -> None:
        late.append(route)

    page.route("**/preview?n=1", hold)
    page.goto(served.url)
    image = page.locator(".worker .preview").first
    with page.expect_request("**/preview?n=1"):
        made.tick(task, 3, preview=jpeg("red"))
    made.tick(task, 6, preview=jpeg("blue"))
    expect(image).to_have_attribute("src", re.compile(r"n=2$"))
    with page.expect_response("**/preview?n=1"):
        late[0].fulfill(body=jpeg("red"), content_type="image/jpeg")
    page.evaluate("() => new Promise((done) => { requestAnimationFrame(() => setTimeout(done)); })")
    expect(image).to_have_attribute("src", re.compile(r"n=2$"))


def test_a_picture_is_seen_to_emerge(served: Served, page: Page) -> None:
    made = served.production
    task = made.task(made.job("a.yaml", Job(prompt="beach")))
    made.live([task])
    page.goto(served.url)
    worker = page.locator(".worker").first
    image = worker.locator(".preview")
    expect(worker.locator(".easel.blank")).to_have_count(1)
    made.tick(task, 3, preview=jpeg("red"))
    expect(image).to_have_js_property("naturalWidth", 16)
    before = image.get_attribute("src")
    made.tick(task, 4)
    expect(worker.locator(".steps")).to_have_text("step 4 of 15")
    expect(image).to_have_attribute("src", str(before))
    made.tick(task, 6, preview=jpeg("blue"))
    expect(image).not_to_have_attribute("src", str(before))
    expect(worker.locator(".easel.blank")).to_have_count(0)
    page.reload()
    expect(image).to_have_js_property("naturalWidth", 16)
    made.finish(task, worker="worker-1")
    made.live()
    expect(worker.locator(".last img")).to_have_js_property("naturalWidth", 64)


def jpeg(colour: str) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (16, 24), colour).save(stream, "JPEG")
    return stream.getvalue()


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
    expect(page).to_have_title(re.compile("^connection lost"))
    expect(page.locator("#state")).to_have_text("Connection lost")
    made.job("b.yaml", Job(prompt="forest"))
    again = made.server(served.server.port)
    again.start()
    expect(page.locator(".banner")).to_have_count(0)
    expect(page.locator("#queue li")).to_have_count(2)
    again.stop()


def test_a_reload_shows_the_same_view_with_the_same_filter(served: Served, page: Page) -> None:
    made = served.production
    made.job("a.yaml", Job(prompt="beach"))
    made.job("b.yaml", Job(prompt="forest"))
    made.draw_all()
    page.goto(served.url)
    page.get_by_role("link", name="Gallery").click()
    loaded(page, 2)
    expect(page.get_by_role("heading", name="Gallery")).to_be_focused()
    page.locator("#gallery-words").fill("forest")
    loaded(page, 1)
    page.reload()
    loaded(page, 1)
    expect(page.locator("#gallery-words")).to_have_value("forest")


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
    page.route("**/api/state", lambda route: route.abort(), times=1)
    made.job("a.yaml", Job(prompt="beach"))
    expect(page.locator("#queue li")).to_have_count(1)


def test_many_jobs_are_shown_a_part_at_a_time(served: Served, page: Page) -> None:
    made = served.production
    for number in range(120):
        made.job(f"{number:03}.yaml", Job(prompt="beach"))
    last = made.job("z.yaml", Job(prompt="forest"))
    made.live([made.task(last)])
    page.goto(f"{served.url}/#/jobs")
    rows = page.locator(".job")
    expect(rows).to_have_count(100)
    page.locator("#more-jobs").click()
    expect(rows).to_have_count(121)
    expect(page.locator("#more-jobs")).to_be_hidden()
    page.goto(f"{served.url}/#/studio")
    expect(page.locator("#queue li")).to_have_count(30)
    expect(page.locator("#queue-rest")).to_have_text("and 91 more jobs")
    page.locator(".worker a").click()
    expect(page.locator(".job.at .name")).to_have_text("z")
    expect(page.locator(".job.at")).to_be_in_viewport()


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
    needs = page.locator("#needs-list li")
    expect(needs.locator(".word")).to_have_text(["quarantined", "failed", "waiting", "held"])
    for words in ("no such tensor", "no character 'Nobody'", "two workers died of it"):
        expect(page.locator("#needs-list")).to_contain_text(words)
    problem = page.locator("#rejected pre")
    expect(problem).to_contain_text("bad.yaml:3:9: unknown key 'promt'")
    lines = problem.inner_text().splitlines()
    assert lines[1:] == ["    promt: x", "            ^", "    hint: mend it"]
    expect(page.locator("#mend")).to_have_text("1 to mend")
    expect(page).to_have_title(re.compile("1 to mend"))
    made.say(replace(live, inbox_lost="the folder is gone", journal_failed="the disk is full"))
    expect(page.locator(".banner")).to_contain_text(["the folder is gone", "the disk is full"])
    expect(page.locator("#state")).to_have_text("Inbox lost")
    page.get_by_role("link", name="Jobs").click()
    chips = page.locator(".job .chip")
    expect(chips).to_have_text(["failed", "waiting", "held", "quarantined"])
    expect(page.locator("#jobs")).to_contain_text("no such tensor")


def test_how_things_are_is_told_in_whole(served: Served, page: Page) -> None:
    made = served.production
    made.live(warm=False)
    page.goto(served.url)
    state = page.locator("#state")
    expect(state).to_have_text("Warming up")
    made.live()
    expect(state).to_have_text("All well")
    state.click()
    panel = page.get_by_role("dialog", name="How things are")
    for words in ("chibi is warm", "3 workers", "fact on disk", "free of", str(made.inbox)):
        expect(panel).to_contain_text(words)
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()


def test_markup_is_shown_as_text_and_runs_nothing(served: Served, page: Page) -> None:
    made = served.production
    evil = "<img src=x onerror=document.title='pwned'><script>document.title='pwned'</script>"
    tokyo = made.project(Project(name=evil, description=evil))
    made.job("a.yaml", Job(prompt=evil), project=tokyo)
    made.draw_all()
    made.reject(f"{evil[:40]}.yaml", evil, evil)
    page.goto(served.url)
    expect(page.locator("#rejected pre")).to_contain_text(evil)
    page.locator(".picture").first.click()
    expect(page.locator("#viewer-facts")).to_contain_text("onerror")
    page.locator("summary").first.click()
    expect(page.locator(".origins").first).to_contain_text("onerror")
    page.keyboard.press("Escape")
    for view in VIEWS:
        page.goto(f"{served.url}/#/{view}")
        if view in ("cast", "jobs"):
            expect(page.locator(f"#view-{view} h3")).to_have_text(evil)
    assert page.locator("img[src=x]").count() == 0
    expect(page).to_have_title("1 to mend · anime")


def test_the_page_asks_nobody_but_its_server(served: Served, page: Page) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    served.production.job("a.yaml", Job(prompt="beach"))
    served.production.draw_all()
    for view in VIEWS:
        page.goto(f"{served.url}/#/{view}")
        expect(page.locator(f"#view-{view}")).to_be_visible()
    page.goto(f"{served.url}/#/studio")
    loaded(page, 1)
    assert page.evaluate("() => document.fonts.check('16px Figtree')")
    assert [url for url in asked if not url.startswith(f"{served.url}/")] == []


def test_nothing_is_wider_than_the_screen(served: Served, page: Page) -> None:
    made = served.production
    task = made.task(made.job(f"{'long-folder/' * 9}job.yaml", Job(prompt="beach, " * 60, count=2)))
    made.finish(task)
    made.reject("bad.yaml", "no good " * 40, "x" * 200)
    made.project(Project(name="W" * 100, description="w" * 300))
    made.live([made.task(task.job)])
    for view in VIEWS:
        page.goto(f"{served.url}/#/{view}")
        expect(page.locator(f"#view-{view}")).to_be_visible()
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 800})
            wide = page.evaluate("() => document.documentElement.scrollWidth")
            assert wide <= width, view
    page.goto(f"{served.url}/#/gallery")
    page.locator(".picture:visible").first.click()
    expect(page.locator("#viewer-facts")).to_be_visible()
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("() => document.getElementById('viewer').scrollWidth") <= width


def test_a_theme_is_chosen_and_kept(served: Served, browser: Browser) -> None:
    with browser.new_context(color_scheme="light") as context:
        page = context.new_page()
        page.goto(served.url)
        paper = "() => getComputedStyle(document.body).backgroundColor"
        light = page.evaluate(paper)
        button = page.locator("#theme")
        button.click()
        expect(button).to_have_accessible_name("Theme: Light")
        button.click()
        dark = page.evaluate(paper)
        assert dark != light
        page.reload()
        expect(button).to_have_accessible_name("Theme: Dark")
        assert page.evaluate(paper) == dark


def test_with_reduced_motion_nothing_moves(served: Served, browser: Browser) -> None:
    made = served.production
    made.live([made.task(made.job("a.yaml", Job(prompt="beach")))])
    moving = "() => document.getAnimations().length"
    for wanted, moves in (("no-preference", True), ("reduce", False)):
        with browser.new_context(reduced_motion=wanted) as context:  # type: ignore[arg-type]
            page = context.new_page()
            page.goto(served.url)
            expect(page.locator(".easel.blank")).to_have_count(1)
            assert (page.evaluate(moving) > 0) is moves


def test_a_screen_reader_is_told_at_most_every_three_seconds(served: Served, page: Page) -> None:
    made = served.production
    page.clock.install()
    page.goto(served.url)
    said = page.locator("[role=status]")
    expect(page.locator("#empty")).to_be_visible()
    page.clock.run_for(100)
    expect(said).to_have_text("0 drawing, 0 queued, 0 pictures finished")
    made.job("a.yaml", Job(prompt="beach"))
    page.clock.run_for(400)
    expect(page.locator("#queue li")).to_have_count(1)
    expect(said).to_have_text("0 drawing, 0 queued, 0 pictures finished")
    page.clock.run_for(3000)
    expect(said).to_have_text("0 drawing, 1 queued, 0 pictures finished")


def test_what_needs_somebody_is_seen_beside_a_full_queue(served: Served, page: Page) -> None:
    made = served.production
    made.job("quiet.yaml", Job(prompt="x", characters=("nobody",)))
    bad = made.task(made.job("bad.yaml", Job(prompt="y")))
    made.start_drawing(bad)
    made.record(e.RenderFailed(job="bad", take=1, index=1, error="no room", kind="error"))
    for number in range(40):
        made.job(f"{number}.yaml", Job(prompt="beach"))
    made.live()
    page.goto(served.url)
    expect(page.locator("#queue li")).to_have_count(30)
    expect(page.locator("#needs-list")).to_contain_text("no room")
    expect(page.locator("#needs-list")).to_be_in_viewport(ratio=1)
    expect(page.locator("#queue li").first).to_be_in_viewport(ratio=1)
    expect(page.locator("#needing")).to_have_text("2 need you")
    expect(page).to_have_title("2 need you · 0 drawing, 40 queued · anime")
    page.locator("#needing").click()
    expect(page.locator(".job .chip").first).to_be_visible()
    expect(page.locator(".job")).to_have_count(2)
