"""Jobs over HTTP: asked for, drawn like any other, and followed with progress that never falls."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from pipeline.core import events as e
from pipeline.core.manifest import Job
from pipeline.core.status import status
from tests.server.asking import PATIENCE, ask
from tests.server.conftest import Served
from tests.server.playing import JSON, Playing


def generate(run: Playing, **asked: Any) -> Any:
    answer = run.send("POST", "/generate", {"prompt": "city at night", **asked})
    assert answer.status == 200, answer.body
    return answer.json


def follow(url: str, path: str) -> ClientConnection:
    return connect(url.replace("http:", "ws:") + path, open_timeout=PATIENCE)


def said(socket: ClientConnection) -> list[dict[str, Any]]:
    """All messages until the server ends it."""
    found = [json.loads(message) for message in socket]
    assert socket.close_code == 1000
    return found


def job_of(run: Playing, id_: str) -> Any:
    return next(job for job in run.runner.state.jobs.values() if job.spec.id == id_)


def test_a_picture_is_asked_for_drawn_and_told(run: Playing) -> None:
    made = generate(run, negative_prompt="blurry", width=128, height=192, style_preset="manga")
    assert made["status"] == "queued"
    assert made["websocket_url"] == f"{run.url.replace('http', 'ws')}/ws/{made['job_id']}"
    done = run.until_said(f"/jobs/{made['job_id']}", "status", "completed")
    assert (done["progress"], done["queue_position"], done["error"]) == (100, 0, None)
    job = job_of(run, made["job_id"])
    assert job.file.startswith("general/")
    assert (job.spec.size, job.spec.style, job.spec.negative) == ("128x192", "manga", "blurry")
    assert job.spec.seed is not None
    (image,) = done["images"]
    assert image["seed"] == job.spec.seed
    assert (run.root / image["file"]).is_file()
    assert ask(run.url, image["url"]).headers["Content-Type"] == "image/png"
    assert ask(run.url, "/api/state").json["jobs"][0]["id"]


def test_two_requests_that_say_the_same_are_two_pictures(run: Playing) -> None:
    one, other = generate(run), generate(run)
    assert one["job_id"] != other["job_id"]
    assert job_of(run, one["job_id"]).spec.seed != job_of(run, other["job_id"]).spec.seed


def test_a_picture_of_a_character_stands_below_it_and_counts(run: Playing) -> None:
    home = run.send("POST", "/api/anime/projects", {"name": "Night", "style": "fantasy"}).json
    asked = {"project_id": home["id"], "name": "Akira", "appearance": "red hair"}
    girl = run.send("POST", "/api/anime/characters", asked).json
    made = generate(run, character_id=girl["id"], style_preset="anime")
    run.until_said(f"/jobs/{made['job_id']}", "status", "completed")
    job = job_of(run, made["job_id"])
    assert job.file.startswith(f"projects/{home['id']}/characters/{girl['id']}/")
    assert job.spec.style == "none"
    assert job.takes[-1].cells[0].resolved.prompt.startswith("red hair")
    plain = generate(run, project_id=home["id"])
    done = run.until_said(f"/jobs/{plain['job_id']}", "status", "completed")
    assert done["images"][0]["file"].startswith(f"projects/{home['id']}/general/")
    assert done["project_id"] == home["id"]
    resolved = job_of(run, plain["job_id"]).takes[-1].cells[0].resolved
    assert "ethereal" in resolved.prompt
    assert (resolved.width, resolved.height) == (64, 64)
    bible = ask(run.url, f"/api/anime/characters/{girl['id']}/bible").json["bible"]
    assert bible["generation_count"] == 1
    assert ask(run.url, f"/api/anime/projects/{home['id']}").json["file_count"] == 2


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"prompt": "x" * 10_000}, 200),
        ({"prompt": "x" * 10_001}, 422),
        ({"prompt": ""}, 422),
        ({"prompt": "x", "width": 512}, 200),
        ({"prompt": "x", "width": 513}, 422),
        ({"prompt": "x", "width": 0}, 422),
        ({"prompt": "x", "width": -64}, 422),
        ({"prompt": "x", "height": 4104}, 422),
        ({"prompt": "x", "height": 10**30}, 422),
        ({"prompt": "x", "width": 512.5}, 422),
        ({"prompt": "x", "width": "512"}, 422),
        ({"prompt": "x", "width": True}, 422),
        ({"prompt": "__nothing_here__"}, 422),
        ({"prompt": "x", "seeed": 7}, 422),
    ],
)
def test_values_are_bounded(run: Playing, asked: dict[str, Any], status: int) -> None:
    assert run.send("POST", "/generate", asked).status == status


def test_progress_is_told_at_once_and_every_second_and_never_falls(served: Served) -> None:
    made = served.production
    key = made.job("a.yaml", Job(prompt="beach", count=2))
    (id_,) = [job["id"] for job in ask(served.url, "/api/state").json["jobs"]]
    with follow(served.url, f"/ws/{id_}") as socket:
        began = time.monotonic()
        first = json.loads(socket.recv(timeout=PATIENCE))
        assert first == {"job_id": id_, "status": "queued", "progress": 0}
        assert json.loads(socket.recv(timeout=PATIENCE)) == first
        assert 0.5 < time.monotonic() - began < 1.5
        task = made.task(key)
        made.start_drawing(task)
        made.live([task])
        made.tick(task, task.resolved.steps // 3)
        seen = _until(socket, 10)
        assert seen["status"] == "running"
        made.tick(task, task.resolved.steps)
        assert _until(socket, 50)["progress"] == 50
        made.finish(task)
        made.live()
        second = made.task(key)
        made.start_drawing(second)
        made.live([second])
        made.tick(second, second.resolved.steps - 1)
        high = _until(socket, 90)["progress"]
        made.record(
            e.WorkerLost(
                worker="worker-1", pid=1, cause="killed", detail="", blamed=False, job=key, take=1,
                index=2,
            )
        )  # fmt: skip
        made.live()
        assert json.loads(socket.recv(timeout=PATIENCE))["progress"] == high
        made.finish(second)
        rest = said(socket)
    assert [one["progress"] for one in rest] == sorted(one["progress"] for one in rest)
    assert rest[-1] == {"job_id": id_, "status": "completed", "progress": 100}
    assert all(one["progress"] < 100 for one in rest[:-1])


def _until(socket: ClientConnection, least: int) -> dict[str, Any]:
    while True:
        seen: dict[str, Any] = json.loads(socket.recv(timeout=PATIENCE))
        if seen["progress"] >= least:
            return seen


def test_a_job_that_fails_says_why_and_ends(served: Served) -> None:
    made = served.production
    key = made.job("a.yaml", Job(prompt="beach"))
    (job,) = ask(served.url, "/api/state").json["jobs"]
    with follow(served.url, f"/ws/{job['id']}") as socket:
        made.record(e.RenderFailed(job=key, take=1, index=1, kind="error", error="no luck"))
        last = said(socket)[-1]
    assert status(made.state, made.state.jobs[key]) == "failed"
    assert (last["status"], last["error"]) == ("failed", "no luck")
    with follow(served.url, f"/ws/{job['id']}") as socket:
        assert [one["status"] for one in said(socket)] == ["failed"]
    assert ask(served.url, f"/jobs/{job['id']}").json["error"] == "no luck"


def test_a_job_that_waits_or_is_held_is_queued_and_says_so(served: Served) -> None:
    made = served.production
    made.job("a.yaml", Job(prompt="x", hold=True))
    made.job("b.yaml", Job(characters=("Nobody",)))
    for job in ask(served.url, "/api/state").json["jobs"]:
        told = ask(served.url, f"/jobs/{job['id']}").json
        assert told["status"] == "queued"
        assert told["waiting"]


def test_followers_that_leave_and_open_ones_at_the_end_do_no_harm(served: Served) -> None:
    made = served.production
    made.job("a.yaml", Job(prompt="beach"))
    (job,) = ask(served.url, "/api/state").json["jobs"]
    with follow(served.url, f"/ws/{job['id']}") as socket:
        socket.recv(timeout=PATIENCE)
        socket.send("anything")
        socket.recv(timeout=PATIENCE)
    with follow(served.url, f"/ws/{job['id']}") as socket:
        socket.recv(timeout=PATIENCE)
        began = time.monotonic()
        served.server.stop()
        assert time.monotonic() - began < 3


def test_nobody_follows_what_is_not_there(served: Served) -> None:
    with pytest.raises(InvalidStatus) as caught, follow(served.url, "/ws/00000000"):
        pass
    assert caught.value.response.status_code == 404
    assert caught.value.response.headers["X-Content-Type-Options"] == "nosniff"


def test_the_estimate_goes_by_the_pictures_drawn_last(tmp_path: Path) -> None:
    with Playing(tmp_path / "inbox") as run:
        first = generate(run)
        assert first["estimated_time"] is None
        run.until_said(f"/jobs/{first['job_id']}", "status", "completed")
        run.until_said("/health", "queue_size", 0)
        run.pool.patient = True
        places = []
        for _ in range(6):
            made = generate(run)
            places.append(made["queue_position"])
            assert made["estimated_time"] >= 0
        assert places[-1] >= 2
        run.pool.patient = False


@pytest.mark.parametrize(
    ("host", "proxy", "way"),
    [("anime.example", "https", "wss"), ("anime.example", "http", "ws"),
     ("anime.example", None, "ws"), (None, "https", "ws")],
)  # fmt: skip
def test_a_socket_is_encrypted_where_a_proxy_that_is_named_says_so(
    tmp_path: Path, host: str | None, proxy: str | None, way: str
) -> None:
    with Playing(tmp_path / "inbox", also=("anime.example",)) as run:
        there = host or run.url.partition("://")[2]
        said = [("Host", there), *((("X-Forwarded-Proto", proxy),) if proxy else ())]
        made = run.send("POST", "/generate", {"prompt": "x"}, (JSON, *said)).json
        assert made["websocket_url"] == f"{way}://{there}/ws/{made['job_id']}"


@pytest.mark.parametrize("body", [b"", b"{", b"prompt=x", b"kind: job"])
def test_a_body_that_is_no_json_is_400(run: Playing, body: bytes) -> None:
    answer = run.send("POST", "/generate", body)
    assert (answer.status, "no JSON" in answer.json["detail"]) == (400, True)
