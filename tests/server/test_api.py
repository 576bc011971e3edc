"""What may be asked for: the state, its pictures by id, the health, the page's own files."""

from __future__ import annotations

import asyncio
import json
import os
import re
from io import BytesIO
from pathlib import Path
from typing import Literal

import pytest
from msgspec.structs import replace
from PIL import Image

from pipeline import server
from pipeline.core import events as e
from pipeline.core.manifest import Character, Job, Project
from pipeline.server import pictures
from pipeline.server.small import Small
from tests.server.asking import Answer, ask
from tests.server.conftest import Served

MARKUP = "<script>alert(1)</script>"


def the_picture(served: Served) -> tuple[str, Path]:
    """The address of a finished picture, and its file."""
    made = served.production
    file = made.finish(made.task(made.job("a.yaml", Job(prompt="beach"))))
    (job,) = ask(served.url, "/api/state").json["jobs"]
    return f"/pictures/{job['takes'][0]['images'][0]['id']}", file


def test_the_state_has_all_there_is_to_show(served: Served) -> None:
    made = served.production
    tokyo = made.project(Project(name="Neon Tokyo", style="cyberpunk"))
    made.character(Character(name="Akira", appearance="red hair, green eyes"), tokyo)
    spec = Job(prompt="city at night", characters=("Akira",), count=2)
    key = made.job("neon-tokyo/rooftop.yaml", spec, project=tokyo)
    made.job("neon-tokyo/alone.yaml", Job(characters=("Akiro",)), project=tokyo)
    made.job("neon-tokyo/later.yaml", Job(prompt="beach", hold=True), project=tokyo)
    made.finish(made.task(key), worker="worker-2")
    made.reject("neon-tokyo/bad.yaml", "unknown key 'promt'", "promt: x")
    state = ask(served.url, "/api/state").json
    assert state["seq"] == made.journal.seq
    assert [project["name"] for project in state["projects"]] == ["Neon Tokyo"]
    assert [(one["name"], one["project"]) for one in state["characters"]] == [
        ("Akira", "neon-tokyo")
    ]
    rooftop, alone, later = state["jobs"]
    assert (rooftop["status"], rooftop["left"], rooftop["stale"]) == ("queued", 1, False)
    (take,) = rooftop["takes"]
    assert take["recipe"]["prompt"].startswith("red hair, green eyes, city at night")
    (image,) = take["images"]
    assert (image["file"], image["worker"]) == ("neon-tokyo/rooftop.01.png", "worker-2")
    assert alone["status"] == "waiting"
    assert "no character 'Akiro'" in alone["waiting"]
    assert "akira" in alone["waiting"]
    assert later["status"] == "held"
    assert state["queue"] == [key]
    (rejected,) = state["rejected"]
    assert rejected["file"] == "neon-tokyo/bad.yaml"
    assert "bad.yaml:3:9: unknown key 'promt'" in rejected["text"]


def test_the_queue_stands_in_the_order_of_drawing_without_what_is_begun(served: Served) -> None:
    made = served.production
    first = made.job("a.yaml", Job(prompt="beach"))
    second = made.job("b.yaml", Job(prompt="forest"))
    urgent = made.job("c.yaml", Job(prompt="rain", priority=9))
    assert ask(served.url, "/api/state").json["queue"] == [urgent, first, second]
    made.start_drawing(made.task(urgent))
    assert ask(served.url, "/api/state").json["queue"] == [first, second]
    assert ask(served.url, "/health").json["queue_size"] == 2


def test_a_changed_bible_makes_its_pictures_stale_and_frees_who_waited(served: Served) -> None:
    made = served.production
    tokyo = made.project(Project(name="Tokyo"))
    made.character(Character(name="Akira", appearance="red hair"), tokyo)
    made.finish(made.task(made.job("t/a.yaml", Job(characters=("Akira",)), project=tokyo)))
    made.job("t/b.yaml", Job(characters=("Yuki",)), project=tokyo)
    assert [job["stale"] for job in ask(served.url, "/api/state").json["jobs"]] == [False, False]
    made.character(Character(name="Akira", appearance="blue hair"), tokyo)
    made.character(Character(name="Yuki", appearance="silver hair"), tokyo)
    akira, yuki = ask(served.url, "/api/state").json["jobs"]
    assert akira["stale"] is True
    assert yuki["waiting"] is None


def test_a_withdrawn_job_is_shown_while_it_has_pictures(served: Served) -> None:
    made = served.production
    drawn = made.job("a.yaml", Job(prompt="beach"))
    made.finish(made.task(drawn))
    bare = made.job("b.yaml", Job(prompt="forest"))
    made.record(*(e.JobWithdrawn(key=key, file=f"{key}.yaml") for key in (drawn, bare)))
    (job,) = ask(served.url, "/api/state").json["jobs"]
    assert (job["key"], job["status"]) == (drawn, "withdrawn")


def test_markup_in_a_manifest_comes_back_as_data(served: Served) -> None:
    made = served.production
    made.project(Project(name=MARKUP, description=MARKUP))
    made.job("a.yaml", Job(prompt=MARKUP))
    made.reject(f"{MARKUP}.yaml", MARKUP, MARKUP)
    answer = ask(served.url, "/api/state")
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.json["jobs"][0]["prompt"] == MARKUP
    assert MARKUP in answer.json["rejected"][0]["text"]
    assert MARKUP.encode() not in ask(served.url, "/").body


def test_a_picture_is_had_by_its_id(served: Served) -> None:
    path, file = the_picture(served)
    answer = ask(served.url, path)
    assert (answer.status, answer.body) == (200, file.read_bytes())
    assert answer.headers["Content-Type"] == "image/png"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    again = ask(served.url, path, [("If-None-Match", answer.headers["ETag"])])
    assert (again.status, again.body) == (304, b"")
    assert ask(served.url, path, method="HEAD").body == b""


def test_a_gallery_has_small_pictures_with_tags_of_their_own(served: Served) -> None:
    path, file = the_picture(served)
    small = f"{path}?small"
    assert ask(served.url, small).body == file.read_bytes()
    Image.new("RGB", (1024, 512), "teal").save(file)
    answers = [ask(served.url, small), ask(served.url, small)]
    assert answers[0].body == answers[1].body
    assert answers[0].headers["Content-Type"] == "image/webp"
    with Image.open(BytesIO(answers[0].body), formats=["WEBP"]) as picture:
        assert picture.size == (512, 256)
        colour = picture.convert("RGB").getpixel((9, 9))
        assert isinstance(colour, tuple)
        assert all(abs(a - b) < 4 for a, b in zip(colour, (0, 128, 128), strict=True))
    tag = ("If-None-Match", answers[0].headers["ETag"])
    assert ask(served.url, small, [tag]).status == 304
    assert ask(served.url, path, [tag]).body == file.read_bytes()
    whole = ("If-None-Match", ask(served.url, path).headers["ETag"])
    assert ask(served.url, path, [whole]).status == 304
    assert ask(served.url, small, [whole]).status == 200
    Image.new("RGB", (1024, 512), "navy").save(file)
    assert ask(served.url, small, [tag]).status == 200


def test_a_picture_that_nobody_can_shrink_is_shown_as_it_is(served: Served) -> None:
    path, file = the_picture(served)
    file.write_bytes(file.read_bytes()[:60])
    assert ask(served.url, f"{path}?small").body == file.read_bytes()


def test_what_the_asker_has_is_not_read_again(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    first = pictures.read(tmp_path, "a.png", most=10_000)
    assert first is not None
    again = pictures.read(tmp_path, "a.png", most=10_000, known=first.tag)
    assert again == pictures.Picture(tag=first.tag, data=None)


def test_only_the_last_small_pictures_are_kept() -> None:
    async def ask_for(*tags: str) -> list[bytes]:
        small = Small(kept=2)
        return [await small.of(tag, f"no picture {n}".encode()) for n, tag in enumerate(tags)]

    said = asyncio.run(ask_for("a", "b", "a", "c", "b", "c"))
    assert said == [b"no picture %d" % n for n in (0, 1, 0, 3, 4, 3)]


def test_a_shelved_picture_keeps_its_id(served: Served) -> None:
    path, file = the_picture(served)
    shelf = served.production.inbox / ".pipeline/takes/a.take1.01.png"
    shelf.parent.mkdir(parents=True, exist_ok=True)
    data = file.read_bytes()
    file.rename(shelf)
    moved = str(shelf.relative_to(served.production.inbox))
    served.production.record(e.ImageShelved(job="a", take=1, index=1, file=moved))
    assert ask(served.url, path).body == data


@pytest.mark.parametrize(
    "path",
    [
        "/pictures/0000000000000000",
        "/pictures/",
        "/pictures/a.01.png",
        "/pictures/..%2f..%2fetc%2fpasswd",
        "/pictures/../../etc/passwd",
        "/pictures/%2e%2e/%2e%2e/etc/passwd",
        "/pictures//etc/passwd",
        "/static/../server.py",
        "/static/%2e%2e%2fserver.py",
        "/static/index.html",
        "/static/figtree-LICENSE.txt",
        "/static/",
        "/api/state/",
        "/.pipeline/events.jsonl",
        "/nothing",
    ],
)
def test_what_is_not_in_the_tables_is_not_there(standing: Served, path: str) -> None:
    assert ask(standing.url, path).status == 404


def gone(file: Path) -> None:
    file.unlink()


def linked_out(file: Path) -> None:
    outside = file.parent.parent / "outside.png"
    file.rename(outside)
    file.symlink_to(outside)


def no_picture(file: Path) -> None:
    file.write_bytes(b"<svg xmlns='http://www.w3.org/2000/svg'/>")


def a_pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


@pytest.mark.parametrize("spoil", [gone, linked_out, no_picture, a_pipe, a_folder])
def test_a_picture_that_is_none_or_lies_outside_is_not_shown(served: Served, spoil: object) -> None:
    path, file = the_picture(served)
    assert callable(spoil)
    spoil(file)
    assert ask(served.url, path).status == 404


def test_a_file_that_the_journal_names_outside_the_inbox_is_not_shown(served: Served) -> None:
    path, file = the_picture(served)
    outside = served.production.inbox.parent / "outside.png"
    file.rename(outside)
    served.production.record(e.ImageShelved(job="a", take=1, index=1, file="../outside.png"))
    assert ask(served.url, path).status == 404
    served.production.record(e.ImageShelved(job="a", take=1, index=1, file=str(outside)))
    assert ask(served.url, path).status == 404


def test_health_is_honest_about_the_model(served: Served) -> None:
    made = served.production
    assert health(served) == (200, "starting", False)
    live = made.live(warm=False)
    assert health(served) == (200, "starting", False)
    made.live()
    assert health(served) == (200, "ok", True)
    made.say(replace(live, model_preloaded=True, draining=True))
    assert health(served) == (200, "draining", True)


@pytest.mark.parametrize("trouble", ["inbox_lost", "journal_failed"])
def test_health_is_degraded_without_inbox_or_journal(served: Served, trouble: str) -> None:
    live = served.production.live()
    served.production.say(replace(live, **{trouble: "the disk is gone"}))
    assert health(served) == (503, "degraded", True)
    told = ask(served.url, "/health").json
    assert "the disk is gone" in (told["inbox"]["lost"], told["journal"]["failed"])


@pytest.mark.parametrize("by", ["disk", "failures"])
def test_health_is_degraded_while_the_queue_had_to_be_paused(
    by: Literal["disk", "failures"], served: Served
) -> None:
    served.production.live()
    served.production.record(e.QueuePaused(reason="no room; make room", by=by))
    assert health(served) == (503, "degraded", True)
    served.production.record(e.QueueResumed())
    assert health(served) == (200, "ok", True)


def health(served: Served) -> tuple[int, str, bool]:
    answer = ask(served.url, "/health")
    told = answer.json
    return answer.status, told["status"], told["model_preloaded"]


def test_health_counts(served: Served) -> None:
    made = served.production
    tokyo = made.project(Project(name="Tokyo"))
    made.character(Character(name="Akira"), tokyo)
    task = made.task(made.job("t/a.yaml", Job(prompt="beach", count=3), project=tokyo))
    made.live([task])
    told = ask(served.url, "/health").json
    assert (told["projects"], told["characters"], told["queue_size"]) == (1, 1, 1)
    assert [worker["phase"] for worker in told["workers"]] == ["rendering", "idle", "idle"]
    assert told["journal"]["seq"] == made.journal.seq
    assert told["inbox"]["path"] == str(made.inbox)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/static/app.js", "text/javascript; charset=utf-8"),
        ("/static/base.css", "text/css; charset=utf-8"),
        ("/static/icon.svg", "image/svg+xml"),
        ("/static/figtree-latin.woff2", "font/woff2"),
    ],
)
def test_the_page_needs_nothing_from_elsewhere(standing: Served, path: str, kind: str) -> None:
    answer = ask(standing.url, path)
    assert (answer.status, answer.headers["Content-Type"]) == (200, kind)
    body = answer.body.replace(b"http://www.w3.org/2000/svg", b"")
    assert b"http://" not in body
    assert b"https://" not in body
    assert_safe(answer)


def assert_safe(answer: Answer) -> None:
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert not [name for name in answer.headers if name.lower().startswith("access-control-")]


def test_the_page_has_no_script_or_style_within(served: Served) -> None:
    text = ask(served.url, "/").body.decode()
    assert " style=" not in text
    assert "<style" not in text
    assert text.count("<script") == text.count("<script src=") == 2
    assert "onclick" not in text


def test_the_page_has_all_its_modules_fetched_at_once(served: Served) -> None:
    text = ask(served.url, "/").body.decode()
    folder = Path(server.__file__).parent / "page"
    modules = {file.name for file in folder.glob("*.js")} - {"app.js", "theme.js"}
    assert set(re.findall(r'rel="modulepreload" href="/static/([a-z]+\.js)"', text)) == modules


def test_the_state_is_the_same_after_a_restart(served: Served) -> None:
    made = served.production
    made.job("a.yaml", Job(prompt="beach", count=2))
    made.draw_all()
    made.reject("b.yaml", "bad")
    before = ask(served.url, "/api/state").body
    served.server.stop()
    again = made.server()
    url = again.start()
    assert json.loads(ask(url, "/api/state").body) == json.loads(before)
    again.stop()
