"""A client of the earlier system, as it stands, walks its whole interface through the real program.

It knows of our program only what FACTS an earlier client has: paths, fields and status codes. The
program has the bundled model, and one worker.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from pipeline.core import events as e
from tests.processes import Program, facts, program

pytestmark = pytest.mark.process

STARTS = 100.0
"""Seconds within which the program answers, has loaded its model, or has drawn a picture."""


class Client:
    """Speaks to the program at the address that it printed."""

    def __init__(self, running: Program) -> None:
        self.program = running
        found = _wait(lambda: re.search(r"^page +(http://\S+)", running.log(), re.MULTILINE))
        self.url = found[1]
        self._client = httpx.Client(base_url=self.url, timeout=30)

    def get(self, path: str, status: int = 200) -> Any:
        return self._answer(self._client.get(path), status)

    def post(self, path: str, value: Any, status: int = 200) -> Any:
        return self._answer(self._client.post(path, json=value), status)

    def put(self, path: str, value: Any, status: int = 200) -> Any:
        return self._answer(self._client.put(path, json=value), status)

    def close(self) -> None:
        self._client.close()

    @staticmethod
    def _answer(answer: httpx.Response, status: int) -> Any:
        assert answer.status_code == status, answer.text
        return answer.json() if "json" in answer.headers["Content-Type"] else answer.content


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    root = tmp_path_factory.mktemp("client") / "inbox"
    root.mkdir()
    with program(root, "--workers", "1", "--threads", "1") as running:
        made = Client(running)
        yield made
        made.close()


def _wait(look: Any) -> Any:
    deadline, pause = time.monotonic() + STARTS, threading.Event()
    while not (found := look()):
        assert time.monotonic() < deadline, "waited in vain"
        pause.wait(0.05)
    return found


@pytest.mark.timeout(240)
def test_it_walks_the_whole_interface(client: Client) -> None:
    root: Path = client.program.root
    health = client.get("/health")
    assert {"status", "model_preloaded", "queue_size", "projects", "characters"} <= set(health)
    warm = health["model_preloaded"]
    assert not warm or health["workers"][0]["phase"] != "starting"

    made = client.post("/api/anime/projects", {"name": "Neon", "style": "cyberpunk"})
    assert set(made) == {
        "id", "name", "description", "style", "metadata", "created_at", "file_count", "characters",
    }  # fmt: skip
    plain = client.post("/api/anime/projects", {"name": "Plain"})
    assert plain["style"] == "anime"
    listed = client.get("/api/anime/projects")
    assert [one["id"] for one in listed["projects"]] == [made["id"], plain["id"]]
    client.get("/api/anime/projects/", 404)
    client.get("/api/anime/projects/nonsense", 404)
    changed = client.put(f"/api/anime/projects/{made['id']}", {"description": "rain"})
    assert changed == made | {"description": "rain"}
    assert client.get(f"/api/anime/projects/{made['id']}") == changed

    girl = client.post(
        "/api/anime/characters",
        {"project_id": made["id"], "name": "Akira", "appearance": "1girl, red hair, green eyes",
         "personality": "calm", "backstory": "docks", "reference_prompts": ["a"],
         "relationships": {"Rei": "brother"}},
    )  # fmt: skip
    assert client.get(f"/api/anime/characters/{girl['id']}") == girl
    bible = client.get(f"/api/anime/characters/{girl['id']}/bible")
    assert bible["character_id"] == girl["id"]
    assert set(bible["bible"]) == {
        "name", "appearance", "personality", "backstory", "reference_prompts", "generation_count",
    }  # fmt: skip
    client.post("/api/anime/characters", {"project_id": "x", "name": "a", "appearance": "b"}, 422)

    asked = {"prompt": "smile, night sky", "project_id": made["id"], "character_id": girl["id"]}
    job = client.post("/generate", asked)
    assert set(job) == {
        "job_id", "status", "queue_position", "estimated_time", "websocket_url",
    }  # fmt: skip
    assert job["status"] == "queued"
    submitted = [one for one in facts(root) if isinstance(one, e.JobSubmitted)]
    assert [one.spec.id for one in submitted] == [job["job_id"]]
    _follow(job["websocket_url"], job["job_id"])

    done = client.get(f"/jobs/{job['job_id']}")
    assert (done["id"], done["status"], done["progress"]) == (job["job_id"], "completed", 100)
    (image,) = done["images"]
    folder = f"projects/{made['id']}/characters/{girl['id']}/"
    assert re.fullmatch(re.escape(folder) + r"\d{8}_\d{6}_\w+\.01\.png", image["file"])
    assert client.get(image["url"]) == (root / image["file"]).read_bytes()
    assert client.get(f"/api/anime/characters/{girl['id']}")["generation_count"] == 1
    assert client.get(f"/api/anime/projects/{made['id']}")["file_count"] == 1

    client.post("/generate", {"prompt": "x", "style_preset": "cyberpnk"}, 422)
    client.post("/generate", {"prompt": "x", "width": 511}, 422)
    client.get("/jobs/nonsense", 404)
    long = client.post("/generate", {"prompt": "x, " * 3333 + "y"})
    assert client.get(f"/jobs/{long['job_id']}")["status"] in ("queued", "running", "completed")

    health = client.get("/health")
    assert (health["projects"], health["characters"]) == (2, 1)
    assert health["model_preloaded"] is True


def _follow(address: str, id_: str) -> None:
    """Messages come at once and then at least every second, and progress never falls."""
    began, last, progress = time.monotonic(), time.monotonic(), -1
    with connect(address, open_timeout=30) as socket:
        for message in socket:
            now = time.monotonic()
            # Half a second more than promised, as others use this machine too.
            assert now - last < 1.5
            last = now
            said = json.loads(message)
            assert said["job_id"] == id_
            assert said["status"] in ("queued", "running", "completed")
            assert progress <= said["progress"] <= 100
            progress = said["progress"]
            assert (progress == 100) == (said["status"] == "completed")
            assert now - began < STARTS
    assert progress == 100
