"""Pictures on the page: large and small, why they look so, side by side, by whom, and when."""

from __future__ import annotations

import itertools

import pytest
from playwright.sync_api import Page, expect

from pipeline.core import events as e
from pipeline.core.manifest import Character, Job, Project
from pipeline.server.view import picture_id
from tests.server.conftest import Served

pytestmark = pytest.mark.browser


def cast(served: Served) -> None:
    """Two characters of a project, with a picture each."""
    made = served.production
    tokyo = made.project(Project(name="Neon Tokyo", description="It never dries."))
    for name, hair in (("Akira", "red hair"), ("Rei", "blue hair")):
        made.character(
            Character(name=name, appearance=hair, backstory=f"{name} came by ship."), tokyo
        )
        file = f"neon-tokyo/{name.lower()}.yaml"
        made.job(file, Job(prompt="beach", characters=(name,)), project=tokyo)
    made.draw_all()


def test_a_picture_opens_large_with_its_recipe_by_keyboard_alone(
    served: Served, page: Page
) -> None:
    made = served.production
    made.job("a.yaml", Job(prompt="beach, smile", count=2, seed=40))
    made.draw_all()
    page.goto(f"{served.url}/#/gallery")
    first = page.locator(".picture:visible").first
    first.focus()
    page.keyboard.press("Enter")
    facts = page.locator("#viewer-facts")
    for words in ("beach, smile", "a.02.png", "41", "dpmpp_2m, karras"):
        expect(facts).to_contain_text(words)
    expect(page.locator(".stage img")).to_have_js_property("naturalWidth", 64)
    page.keyboard.press("ArrowRight")
    expect(facts).to_contain_text("a.01.png")
    page.keyboard.press("Escape")
    expect(page.locator("#viewer")).to_be_hidden()
    expect(page.locator(".picture:visible").nth(1)).to_be_focused()


def test_the_way_back_leads_out_of_a_picture_too(served: Served, page: Page) -> None:
    served.production.job("a.yaml", Job(prompt="beach"))
    served.production.draw_all()
    page.goto(f"{served.url}/#/jobs")
    page.get_by_role("link", name="Gallery").click()
    page.locator("#gallery .picture").click()
    expect(page.locator("#viewer")).to_be_visible()
    page.go_back()
    expect(page.locator("#viewer")).to_be_hidden()
    expect(page.locator("#view-jobs")).to_be_visible()


def test_arrows_move_through_the_gallery_and_tab_leaves_it(served: Served, page: Page) -> None:
    made = served.production
    made.job("a.yaml", Job(prompt="beach", count=30))
    made.draw_all()
    page.goto(f"{served.url}/#/gallery")
    tiles = page.locator("#gallery .picture")
    expect(tiles).to_have_count(30)
    tiles.first.focus()
    page.keyboard.press("ArrowRight")
    expect(tiles.nth(1)).to_be_focused()
    page.keyboard.press("ArrowDown")
    top = "(nodes) => new Set(nodes.map((node) => node.getBoundingClientRect().top)).size"
    rows = tiles.evaluate_all(top)
    columns = -(-30 // rows)
    expect(tiles.nth(1 + columns)).to_be_focused()
    page.keyboard.press("Home")
    expect(tiles.first).to_be_focused()
    page.keyboard.press("End")
    expect(tiles.nth(29)).to_be_focused()
    page.keyboard.press("Tab")
    assert page.locator("#gallery :focus").count() == 0


def test_newer_can_be_had_once_there_is_one(served: Served, page: Page) -> None:
    made = served.production
    made.job("a.yaml", Job(prompt="beach"))
    made.draw_all()
    page.goto(f"{served.url}/#/gallery")
    page.locator(".picture:visible").first.click()
    newer = page.get_by_role("button", name="Newer picture")
    expect(newer).to_be_disabled()
    made.job("b.yaml", Job(prompt="forest"))
    made.draw_all()
    page.keyboard.press("Escape")
    page.locator("#gallery .picture").nth(1).click()
    expect(newer).to_be_enabled()
    newer.click()
    expect(page.locator("#viewer-facts")).to_contain_text("b.01.png")
    expect(newer).to_be_disabled()


def test_a_picture_whose_file_is_gone_says_so(served: Served, page: Page) -> None:
    made = served.production
    made.job("a.yaml", Job(prompt="beach"))
    made.draw_all()
    (made.inbox / "a.01.png").unlink()
    page.goto(served.url)
    expect(page.locator(".picture .gone")).to_have_text("file is gone")
    page.locator(".picture").click()
    expect(page.locator(".stage .gone")).to_contain_text("its file may be gone")
    page.goto(f"{served.url}/#/jobs")
    expect(page.locator(".thumbs .gone")).to_have_text("file is gone")


def test_a_picture_says_why_it_looks_so_and_what_changed_since(served: Served, page: Page) -> None:
    cast(served)
    page.goto(f"{served.url}/#/gallery")
    page.locator(".picture:visible").first.click()
    page.get_by_text("Why it looks so").click()
    origins = page.locator(".origins").first
    expect(origins.locator("dt")).to_have_text(["rei.appearance", "job"])
    expect(origins.locator("dd")).to_have_text(["blue hair", "beach"])
    page.keyboard.press("Escape")
    served.production.character(Character(name="Rei", appearance="green hair"), "neon-tokyo")
    expect(page.locator("#gallery .mark")).to_have_text("stale")
    page.locator(".picture:visible").first.click()
    expect(page.locator("details .note")).to_have_text("Changed since: rei.appearance.")
    expect(page.locator("details .body").first).to_contain_text("green hair")


def test_two_takes_are_compared_side_by_side(served: Served, page: Page) -> None:
    made = served.production
    made.job("a.yaml", Job(prompt="beach, smile"))
    made.draw_all()
    made.job("a.yaml", Job(prompt="forest, smile"))
    made.draw_all()
    page.goto(f"{served.url}/#/gallery")
    expect(page.locator("#gallery .picture")).to_have_count(1)
    page.locator("#gallery .picture").click()
    page.keyboard.press("c")
    expect(page.locator(".stage img")).to_have_count(2)
    rows = page.locator(".differences tbody tr")
    expect(rows.filter(has_text="Prompt").locator("mark")).to_have_text(["forest", "beach"])
    expect(rows.filter(has_text="Seed")).to_have_count(0)
    page.keyboard.press("c")
    expect(page.locator(".stage img")).to_have_count(1)
    page.get_by_role("button", name="take 1, picture 1").click()
    expect(page.locator("#viewer-facts")).to_contain_text("beach, smile")
    page.keyboard.press("Escape")
    page.get_by_label("older takes").check()
    expect(page.locator("#gallery .picture")).to_have_count(2)
    expect(page.locator("#gallery .mark")).to_have_text("take 1")


def test_each_of_two_pictures_has_its_buttons_below_it_on_a_phone(
    served: Served, page: Page
) -> None:
    made = served.production
    made.job("a.yaml", Job(prompt="beach", count=2))
    made.draw_all()
    page.goto(f"{served.url}/#/gallery")
    page.locator(".picture:visible").first.click()
    page.get_by_role("button", name="Compare").click()
    expect(page.locator("figcaption button")).to_have_count(4)
    inside = """() => [...document.querySelectorAll("figcaption button")].every((button) => {
      const [one, whole] = [button, button.closest("figure")].map((n) => n.getBoundingClientRect());
      return one.left >= whole.left && one.right <= whole.right;
    })"""
    for width in (320, 360, 768, 1280):
        page.set_viewport_size({"width": width, "height": 700})
        assert page.evaluate(inside), width


def test_any_two_pictures_are_compared_by_marking_them(served: Served, page: Page) -> None:
    cast(served)
    page.goto(f"{served.url}/#/gallery")
    tiles = page.locator("#gallery .picture")
    tiles.first.focus()
    page.keyboard.press("c")
    expect(page.locator("#gallery .marked")).to_have_count(1)
    expect(tiles.first).to_be_focused()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("c")
    expect(page.locator("figcaption > span")).to_have_text(["rei", "akira"])


def test_a_picture_is_downloaded_under_its_own_name(served: Served, page: Page) -> None:
    cast(served)
    page.goto(f"{served.url}/#/gallery")
    page.locator("#gallery .picture").first.click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename == "rei.01.png"
    file = served.production.inbox / "neon-tokyo" / "rei.01.png"
    assert download.value.path().read_bytes() == file.read_bytes()


def test_the_gallery_is_filtered_by_whom_and_by_words(served: Served, page: Page) -> None:
    cast(served)
    page.goto(f"{served.url}/#/gallery")
    names = page.locator("#gallery b")
    expect(names).to_have_text(["rei", "akira"])
    page.locator("#gallery-of").select_option(label="Akira")
    expect(names).to_have_text(["akira"])
    page.locator("#gallery-of").select_option(label="Neon Tokyo")
    expect(names).to_have_text(["rei", "akira"])
    page.locator("#gallery-words").fill("BLUE beach")
    expect(names).to_have_text(["rei"])
    page.locator("#gallery-words").fill("nothing like it")
    expect(page.locator("#gallery-none")).to_contain_text("Loosen the filter")
    page.get_by_role("radio", name="To judge").check()
    expect(page.locator("#gallery-none")).to_contain_text("Loosen the filter")


def test_a_bible_is_read_with_its_pictures_sheets_and_stale_marks(
    served: Served, page: Page
) -> None:
    cast(served)
    made = served.production
    sheet = made.inbox / "neon-tokyo" / "rei.sheet.png"
    sheet.write_bytes((made.inbox / "neon-tokyo" / "rei.01.png").read_bytes())
    made.record(
        e.SheetComposed(
            job="neon-tokyo/rei", take=1, file="neon-tokyo/rei.sheet.png", sha256="0" * 64
        )
    )
    page.goto(f"{served.url}/#/cast")
    expect(page.locator(".project")).to_contain_text("It never dries.")
    expect(page.locator(".person b")).to_have_text(["Akira", "Rei"])
    page.locator(".person", has_text="Rei").click()
    expect(page.locator(".spec")).to_contain_text("Rei came by ship.")
    expect(page.locator(".spec .tag")).to_have_text(["blue hair"])
    expect(page.locator("#bible .gallery .picture")).to_have_count(1)
    page.get_by_role("button", name="The sheet of neon-tokyo/rei").click()
    expect(page.locator(".stage img")).to_have_js_property("naturalWidth", 64)
    page.keyboard.press("Escape")
    made.character(
        Character(name="Rei", appearance="green hair", backstory="By train."), "neon-tokyo"
    )
    expect(page.locator("#bible .note")).to_contain_text("1 job would be drawn differently")
    expect(page.locator(".spec")).to_contain_text("By train.")
    page.reload()
    expect(page.locator(".spec .tag")).to_have_text(["green hair"])
    page.get_by_role("link", name="All of the cast").click()
    expect(page.locator(".project .chip")).to_have_text(["1 stale job"])


def test_the_keyboard_goes_along_to_a_bible_and_back(served: Served, page: Page) -> None:
    cast(served)
    page.set_viewport_size({"width": 400, "height": 300})
    page.goto(f"{served.url}/#/cast")
    page.locator(".person", has_text="Rei").focus()
    assert page.evaluate("() => scrollY") > 0
    page.keyboard.press("Enter")
    name = page.locator("#bible h3")
    expect(page.locator(".spec")).to_contain_text("Rei came by ship.")
    expect(name).to_be_focused()
    assert page.evaluate("() => scrollY") == 0
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.locator(".person", has_text="Rei")).to_be_focused()


def test_a_folder_that_is_all_there_is_to_say_is_said_once(served: Served, page: Page) -> None:
    served.production.job("general/a.yaml", Job(prompt="beach"))
    served.production.draw_all()
    page.goto(f"{served.url}/#/gallery")
    page.locator(".picture:visible").click()
    expect(page.locator("#viewer header p")).to_have_text("general")


def test_jobs_stand_in_columns_whatever_each_has(served: Served, page: Page) -> None:
    made = served.production
    made.job("few.yaml", Job(prompt="beach"))
    made.job("many.yaml", Job(prompt="beach", count=7))
    made.draw_all()
    page.goto(f"{served.url}/#/jobs")
    expect(page.locator(".job")).to_have_count(2)
    lefts = """() => [...document.querySelectorAll(".job")].map((row) =>
      [...row.children].map((cell) => Math.round(cell.getBoundingClientRect().left)))"""
    for width in (1240, 1900):
        page.set_viewport_size({"width": width, "height": 800})
        few, many = page.evaluate(lefts)
        assert few[:4] == many[:4]


@pytest.mark.parametrize("width", [360, 1280])
def test_the_marks_of_a_night_do_not_overlap(served: Served, page: Page, width: int) -> None:
    span = {
        "worker": "w", "job": "a", "index": 1, "how": "drawn", "picture": None,
        "began": "2026-11-22T12:00:07Z", "ended": "2026-11-22T12:00:09Z",
    }  # fmt: skip
    story = {
        "since": "2026-11-22T00:03:20Z", "now": "2026-11-22T12:03:20Z", "last": None,
        "spans": [span], "troubles": [], "starts": [],
    }  # fmt: skip
    page.route("**/api/night*", lambda route: route.fulfill(json=story))
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(f"{served.url}/#/night")
    expect(page.locator(".axis span").first).to_be_visible()
    spans = """() => [...document.querySelectorAll(".axis span")].map((mark) => {
      const { left, right } = mark.getBoundingClientRect();
      return [left, right];
    })"""
    found = page.evaluate(spans)
    assert all(one[1] <= other[0] for one, other in itertools.pairwise(found))
    end = page.evaluate("() => document.querySelector('.axis').getBoundingClientRect().right")
    assert found[-1][1] <= end


def test_the_night_shows_what_ran_when_on_which_worker(served: Served, page: Page) -> None:
    made = served.production
    made.live()
    page.clock.set_fixed_time("2026-11-22T12:10:00Z")
    task = made.task(made.job("a.yaml", Job(prompt="beach")))
    made.start_drawing(task, "worker-2")
    page.goto(f"{served.url}/#/night")
    lane = page.locator(".track", has_text="worker-2").locator(".lane")
    expect(lane.locator("rect.drawing")).to_have_count(1)
    made.record(
        e.WorkerLost(
            worker="worker-2", pid=7, cause="crash", detail="signal 11", blamed=True,
            job="a", take=1, index=1,
        )
    )  # fmt: skip
    expect(page.locator("#view-night")).not_to_contain_text("being drawn")


def test_the_night_lists_each_picture_for_the_keyboard(served: Served, page: Page) -> None:
    made = served.production
    made.live()
    made.job("one.yaml", Job(prompt="beach"))
    made.draw_all()
    day = "2026-11-22T12:0"
    spans = [
        {"worker": f"worker-{number}", "job": job, "picture": picture_id(job, 1, 1), "take": 1,
         "index": 1, "began": f"{day}{number}:00Z", "ended": f"{day}{number}:30Z", "how": how,
         "why": why}
        for number, (job, how, why) in enumerate(
            [("one", "drawn", ""), ("two", "failed", "no room"), ("three", "drawn", "")], start=1
        )
    ]  # fmt: skip
    story = {"since": f"{day}0:00Z", "now": f"{day}9:00Z", "last": None, "starts": [],
             "troubles": [], "spans": spans[:2]}  # fmt: skip
    page.route("**/api/night*", lambda route: route.fulfill(json=story))
    page.goto(f"{served.url}/#/night")
    page.locator("summary").focus()
    page.keyboard.press("Enter")
    rows = page.locator("#night-table .pictures tbody tr")
    one = rows.filter(has_text="one")
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("failed: no room")
    expect(one).to_contain_text("worker-1")
    expect(one).to_contain_text("30.0 s")
    expect(one.locator("time")).to_have_attribute("datetime", f"{day}1:00Z")
    one.get_by_role("button").focus()
    story["spans"] = spans
    made.record(e.QueuePaused(reason="tea"))
    expect(rows).to_have_count(3)
    expect(one.get_by_role("button")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#viewer-facts")).to_contain_text("beach")
