"""The page with a long history: older pictures and jobs are there as soon as wanted."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from pipeline.core import events as e
from pipeline.core.digest import public_id
from pipeline.core.manifest import Character, Job, Project
from tests.server.conftest import Served
from tests.server.productions import Production

pytestmark = pytest.mark.browser

JOBS = 12
SHOWN = 4


@pytest.fixture
def long(production: Production) -> Iterator[Served]:
    """A dozen finished jobs, the newest four in a snapshot; the first two show Akira."""
    made = production
    made.begin()
    made.project(Project(name="Neon"))
    made.character(Character(name="Akira", appearance="silver hair"), "neon")
    for number in range(JOBS):
        cast = ("akira",) if number < 2 else ()
        spec = Job(prompt=f"rooftop {number}", characters=cast)
        made.finish(made.task(made.job(f"neon/{number:02}.yaml", spec, project="neon")))
    server = made.server(shown=SHOWN)
    yield Served(made, server, server.start())
    server.stop()


def test_the_studio_asks_for_no_more_than_it_shows(long: Served, page: Page) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(long.url)
    expect(page.locator("#latest .picture")).to_have_count(SHOWN)
    expect(page.locator("[role=status]")).to_contain_text(f"{JOBS} pictures finished")
    assert not [url for url in asked if "/api/jobs" in url]


def test_the_gallery_goes_back_as_far_as_is_wanted(long: Served, page: Page) -> None:
    page.goto(f"{long.url}/#/gallery")
    expect(page.locator("#gallery .picture")).to_have_count(JOBS)
    expect(page.locator("#gallery .picture b").first).to_have_text(f"{JOBS - 1}")
    expect(page.locator("#gallery .picture b").last).to_have_text("00")
    page.locator("#gallery .picture").last.click()
    expect(page.locator("#viewer-facts")).to_contain_text("rooftop 0")


def test_what_is_said_of_an_old_picture_is_seen(long: Served, page: Page) -> None:
    made = long.production
    page.goto(f"{long.url}/#/gallery")
    expect(page.locator("#gallery .picture")).to_have_count(JOBS)
    sha256 = made.state.jobs["neon/00"].takes[-1].images[1].sha256
    made.record(e.ImageApproved(job="neon/00", take=1, index=1, sha256=sha256))
    expect(page.locator("#gallery .picture .verdict.approved")).to_have_count(1)
    made.record(e.ImageDiscarded(job="neon/01", take=1, index=1, file="neon/01.01.png"))
    expect(page.locator("#gallery .picture")).to_have_count(JOBS - 1)
    page.get_by_role("radio", name="Approved").check()
    expect(page.locator("#gallery .picture b")).to_have_text(["00"])


def test_a_job_that_is_pushed_out_of_the_snapshot_stays(long: Served, page: Page) -> None:
    made = long.production
    page.goto(f"{long.url}/#/studio")
    expect(page.locator("#latest .picture")).to_have_count(SHOWN)
    for name in ("a", "b"):
        made.finish(made.task(made.job(f"{name}.yaml", Job(prompt="beach"))))
    expect(page.locator("#latest .picture")).to_have_count(SHOWN + 2)


@pytest.mark.parametrize("name", [public_id("job", "neon/00"), "neon%2F00"])
def test_a_link_leads_to_a_job_however_old(long: Served, page: Page, name: str) -> None:
    page.goto(f"{long.url}/#/jobs/{name}")
    expect(page.locator(".job.at .name")).to_be_focused()
    expect(page.locator(".job.at .name")).to_contain_text("00")
    expect(page.locator("#jobs-count")).to_have_text(f"{JOBS}")


def test_the_jobs_are_all_there_in_the_end(long: Served, page: Page) -> None:
    page.goto(f"{long.url}/#/jobs")
    expect(page.locator(".job")).to_have_count(JOBS)
    expect(page.locator("#more-jobs")).to_be_hidden()


def test_the_cast_counts_what_is_not_loaded_and_shows_faces(long: Served, page: Page) -> None:
    page.goto(f"{long.url}/#/cast")
    expect(page.locator(".project")).to_contain_text(f"{JOBS} jobs · {JOBS} pictures")
    expect(page.locator(".person")).to_contain_text("2 pictures")
    expect(page.locator(".person img")).to_have_js_property("naturalWidth", 64)
    page.locator(".person").click()
    expect(page.locator("#bible .picture")).to_have_count(2)
    page.goto(f"{long.url}/#/cast")
    page.get_by_role("link", name=f"{JOBS} pictures").click()
    expect(page.locator("#gallery .picture")).to_have_count(JOBS)


def test_a_bible_that_changes_makes_old_pictures_stale(long: Served, page: Page) -> None:
    page.goto(f"{long.url}/#/gallery")
    expect(page.locator("#gallery .picture")).to_have_count(JOBS)
    long.production.character(Character(name="Akira", appearance="red hair"), "neon")
    expect(page.locator("#gallery .picture .mark")).to_have_count(2)
    page.goto(f"{long.url}/#/studio")
    expect(page.locator("#needs-list")).to_contain_text("2 stale jobs")
