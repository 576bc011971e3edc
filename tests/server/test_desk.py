"""What the page asks for beyond its snapshot, and the commands it gives, over a real socket."""

from __future__ import annotations

import hashlib
import http.client
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from msgspec.structs import replace

from pipeline.core import events as e
from pipeline.core.manifest import Character, Job, Project
from pipeline.orders import LARGEST
from pipeline.server import body
from tests.server.asking import ask
from tests.server.conftest import Served
from tests.server.playing import Playing

JOB = "kind: job\nprompt: rain\n"


@pytest.fixture
def playing(tmp_path: Path) -> Iterator[Playing]:
    with Playing(tmp_path / "inbox", patient=True) as made:
        yield made


def post(url: str, body: bytes) -> tuple[int, Any]:
    """A command, as a program gives it."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=20)
    try:
        connection.request("POST", "/api/commands", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        data = answer.read()
        if answer.headers["Content-Type"].startswith("application/json"):
            return answer.status, json.loads(data)
        return answer.status, data.decode()
    finally:
        connection.close()


def give(url: str, **command: object) -> tuple[int, Any]:
    return post(url, json.dumps(command).encode())


def test_a_command_is_answered_when_its_fact_is_on_disk(playing: Playing) -> None:
    playing.drop("a.yaml", JOB)
    playing.until(lambda: playing.status("a") == "rendering")
    status, said = give(playing.url, command="cancel", target="job:a")
    assert (status, said["answer"]) == (200, "cancelled a (1 picture)")
    assert b'"type":"job_cancelled"' in playing.journal.path.read_bytes()
    assert playing.status("a") == "cancelled"


def test_a_command_that_cannot_be_obeyed_is_refused_with_the_way_out(playing: Playing) -> None:
    playing.drop("night.yaml", JOB)
    playing.until(lambda: playing.status("night") != "")
    status, said = give(playing.url, command="hold", target="nihgt")
    assert status == 409
    assert said["refused"]
    assert "nihgt" in said["answer"]
    assert "night" in said["hint"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b'{"command": "explode"}',
        b'{"command": "hold", "target": 7}',
        b'{"command": "hold", "target": "a", "more": 1}',
        b'{"command": "prioritise", "job": "a", "priority": 1e9}',
        b"\xff",
        b"[" * 5000,
    ],
)
def test_what_is_no_command_is_refused_and_leaves_nothing(served: Served, body: bytes) -> None:
    status, said = post(served.url, body)
    assert status == 422
    assert said["refused"]
    assert not (served.production.inbox / ".pipeline" / "commands").exists()


def test_more_than_a_command_is_not_read(served: Served) -> None:
    assert post(served.url, b" " * (LARGEST + 1))[0] == 413


def test_a_command_that_does_not_come_is_not_waited_for(served: Served) -> None:
    place = urlsplit(served.url)
    head = f"POST /api/commands HTTP/1.1\r\nHost: {place.netloc}\r\nContent-Length: 9\r\n"
    with socket.create_connection((place.hostname or "", place.port or 80)) as wire:
        wire.settimeout(body.PATIENCE + 10)
        wire.sendall(f"{head}Content-Type: application/json\r\n\r\n{{".encode())
        assert wire.recv(1024).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("trouble", ["journal_failed", "inbox_lost"])
def test_nothing_is_commanded_where_nothing_can_be_recorded(served: Served, trouble: str) -> None:
    made = served.production
    made.say(replace(made.live(), **{trouble: "the disk is gone"}))
    status, said = give(served.url, command="pause")
    assert (status, said["hint"]) == (503, "the disk is gone")
    assert not (made.inbox / ".pipeline" / "commands").exists()


def test_a_command_path_answers_nothing_but_post(served: Served) -> None:
    assert ask(served.url, "/api/commands").status == 405


def picture(served: Served) -> tuple[str, str]:
    """The id of the newest picture of the last job, and that of the job's character."""
    state = ask(served.url, "/api/state").json
    characters = [character["id"] for character in state["characters"]]
    return state["jobs"][-1]["takes"][-1]["images"][0]["id"], characters[0]


def drawn(served: Served, appearance: str = "red hair") -> None:
    made = served.production
    tokyo = made.project(Project(name="Tokyo", description="rain", style="manga"))
    spec = Character(
        name="Akira", appearance=appearance, backstory="By the docks.", outfits={"sea": "dress"}
    )
    made.character(spec, tokyo)
    made.job("tokyo/a.yaml", Job(prompt="beach", characters=("Akira",)), project=tokyo)
    made.draw_all()


def test_a_picture_says_where_each_of_its_words_is_from(served: Served) -> None:
    drawn(served)
    name, _ = picture(served)
    why = ask(served.url, f"/api/pictures/{name}/why").json
    parts = {part["text"]: part["origin"] for part in why["prompt"]}
    assert parts["red hair"] == "akira.appearance"
    assert parts["beach"] == "job"
    assert why["changed"] == []
    assert why["now"] is None
    file = served.production.inbox / "tokyo" / "a.01.png"
    assert why["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()


def test_a_stale_picture_says_what_changed_and_what_it_would_be(served: Served) -> None:
    drawn(served)
    served.production.character(Character(name="Akira", appearance="blue hair"), "tokyo")
    name, _ = picture(served)
    why = ask(served.url, f"/api/pictures/{name}/why").json
    assert why["changed"] == ["akira.appearance"]
    assert "blue hair" in why["now"]["prompt"]
    assert "red hair" in why["resolved"]["prompt"]
    assert why["prompt"] == []


def test_an_older_take_is_explained_by_what_came_after_it(served: Served) -> None:
    drawn(served)
    made = served.production
    name, _ = picture(served)
    job = Job(prompt="forest", characters=("Akira",))
    made.job("tokyo/a.yaml", job, project="tokyo")
    why = ask(served.url, f"/api/pictures/{name}/why").json
    assert (why["take"], why["changed"]) == (1, ["the job itself"])


def test_a_picture_without_a_record_says_that_it_cannot_be_had_again(served: Served) -> None:
    drawn(served)
    again = ask(served.url, f"/api/pictures/{picture(served)[0]}/again").json
    assert again["manifest"] is None
    assert "does not say how it was drawn" in again["refused"]


def test_a_picture_of_a_worker_can_be_had_again(playing: Playing) -> None:
    playing.drop("a.yaml", JOB)
    playing.until(lambda: playing.status("a") == "rendering")
    playing.finish("a")
    playing.until(lambda: playing.status("a") == "done")
    (job,) = ask(playing.url, "/api/state").json["jobs"]
    name = job["takes"][0]["images"][0]["id"]
    again = ask(playing.url, f"/api/pictures/{name}/again").json
    assert 'prompt: "rain"' in again["manifest"]


def test_a_bible_is_had_whole(served: Served) -> None:
    drawn(served)
    _, who = picture(served)
    bible = ask(served.url, f"/api/characters/{who}").json
    assert bible["spec"]["backstory"] == "By the docks."
    assert bible["outfits"] == {"sea": ["dress"]}
    (project,) = ask(served.url, "/api/state").json["projects"]
    assert ask(served.url, f"/api/projects/{project['id']}").json["spec"]["style"] == "manga"


def test_the_night_is_told_over_http(served: Served) -> None:
    made = served.production
    task = made.task(made.job("a.yaml", Job(prompt="beach")))
    made.start_drawing(task)
    story = ask(served.url, "/api/night?hours=72").json
    assert [(span["job"], span["how"]) for span in story["spans"]] == [("a", "drawing")]
    made.record(e.RenderFailed(job="a", take=1, index=1, kind="error", error="no such tensor"))
    assert ask(served.url, "/api/night?hours=1").json["last"] is not None


@pytest.mark.parametrize("hours", ["0", "-1", "nan", "inf", "73", "1e999", "x", "", "1;2"])
def test_a_night_of_no_length_is_refused(standing: Served, hours: str) -> None:
    assert ask(standing.url, f"/api/night?hours={hours}").status == 422


def test_the_room_is_that_of_the_disk(served: Served) -> None:
    room = ask(served.url, "/api/room").json
    assert 0 < room["free"] <= room["total"]
    assert room["journal"] == served.production.path.stat().st_size


@pytest.mark.parametrize(
    "path",
    [
        "/api/pictures/0000000000000000/why",
        "/api/pictures/..%2f..%2fa/again",
        "/api/characters/00000000",
        "/api/projects/%2e%2e",
        "/api/characters/",
        "/api/night/",
    ],
)
def test_what_nobody_knows_is_not_there(standing: Served, path: str) -> None:
    assert ask(standing.url, path).status == 404


def test_a_sheet_is_a_picture_that_explains_nothing(served: Served) -> None:
    made = served.production
    drawn(served)
    file = made.inbox / "tokyo" / "a.sheet.png"
    file.write_bytes((made.inbox / "tokyo" / "a.01.png").read_bytes())
    made.record(e.SheetComposed(job="tokyo/a", take=1, file="tokyo/a.sheet.png", sha256="0" * 64))
    (job,) = ask(served.url, "/api/state").json["jobs"]
    name = job["takes"][0]["sheet"]["id"]
    assert ask(served.url, f"/pictures/{name}").body == file.read_bytes()
    assert ask(served.url, f"/api/pictures/{name}/why").status == 404
    made.record(e.ImageDiscarded(job="tokyo/a", take=1, index=0, file="tokyo/a.sheet.png"))
    assert ask(served.url, f"/pictures/{name}").status == 404
