"""Hostile requests of every class are refused, each with its legitimate twin accepted.

The table is `tests.server.hostile`; the server is the real one, behind the real runner, and is
spoken to byte by byte.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest

from pipeline.core import events as e
from tests.processes import facts
from tests.server.asking import PATIENCE, ask
from tests.server.hostile import BODY, CASES, PROJECTS, Case, Request
from tests.server.playing import Playing

STATUS = re.compile(rb"HTTP/1\.1 ([0-9]{3}) ")


class Target(NamedTuple):
    run: Playing
    names: dict[str, object]

    def answer(self, request: Request) -> tuple[int, bytes]:
        """Status and headers; a stream that goes on is not read to its end."""
        body = request.body
        for name, value in self.names.items():
            body = body.replace(f"{{{name}}}".encode(), str(value).encode())
        raw = request._replace(body=body).raw(**self.names)
        place = urlsplit(self.run.url)
        with socket.create_connection(("127.0.0.1", place.port or 0), timeout=PATIENCE) as wire:
            # It may be refused before it is whole.
            with suppress(BrokenPipeError, ConnectionResetError):
                wire.sendall(raw)
            head = b""
            while b"\r\n\r\n" not in head:
                try:
                    got = wire.recv(65536)
                except ConnectionResetError:
                    break
                if not got:
                    break
                head += got
        found = STATUS.match(head)
        assert found is not None, head
        return int(found[1]), head


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    root = tmp_path_factory.mktemp("hostile") / "inbox"
    with Playing(root) as run:
        made = run.send("POST", PROJECTS, BODY.encode()).json
        job = run.send("POST", "/generate", {"prompt": "x"}).json["job_id"]
        done = run.until_said(f"/jobs/{job}", "status", "completed")
        picture = done["images"][0]["url"].rpartition("/")[2]
        port = urlsplit(run.url).port
        names = {"port": port, "job": job, "picture": picture, "project": made["id"]}
        yield Target(run, names)


def test_the_table_has_every_class_and_no_case_twice() -> None:
    assert len(CASES) >= 100
    assert len({case.name for case in CASES}) == len(CASES)
    assert all(200 not in case.refused for case in CASES)


def declared(root: Path) -> list[e.Event]:
    """All that was said in manifests; pictures may still be drawn of what was asked for before."""
    kinds = (e.ProjectDeclared, e.CharacterDeclared, e.JobSubmitted, e.ManifestRejected)
    return [fact for fact in facts(root) if isinstance(fact, kinds)]


@pytest.mark.parametrize("case", CASES, ids=lambda case: re.sub(r"[^ -~]", "?", case.name))
def test_a_hostile_request_is_refused_and_its_twin_is_not(target: Target, case: Case) -> None:
    before = declared(target.run.root)
    status, head = target.answer(case.hostile)
    assert status in case.refused, head[:300]
    assert b"access-control-allow" not in head.lower()
    assert declared(target.run.root) == before
    status, head = target.answer(case.twin)
    assert status == case.accepted, head[:300]


def test_after_all_of_them_it_still_does_what_it_is_there_for(target: Target) -> None:
    run = target.run
    assert ask(run.url, "/health").json["status"] == "ok"
    keys = {each.key for each in declared(run.root) if isinstance(each, e.ProjectDeclared)}
    assert keys == {"twin"}
    outside = [path for path in run.root.parent.iterdir() if path != run.root]
    assert outside == []


def test_markup_of_a_manifest_leaves_as_json_and_nothing_else(tmp_path: Path) -> None:
    script = "<script>alert(1)</script>"
    with Playing(tmp_path / "inbox") as run:
        made = run.send("POST", PROJECTS, {"name": script, "description": script})
        assert made.status == 200
        for path in (PROJECTS, f"{PROJECTS}/{made.json['id']}", "/api/state"):
            answer = ask(run.url, path)
            assert answer.headers["Content-Type"] == "application/json"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
            policy = answer.headers["Content-Security-Policy"]
            assert "default-src 'self'" in policy
            assert "unsafe-inline" not in policy
        assert script.encode() not in ask(run.url, "/").body
        missing = ask(run.url, f"/{script}")
        assert missing.headers["Content-Type"].startswith("text/plain")
        assert script.encode() not in missing.body


@pytest.mark.parametrize("data", [b"<svg onload='alert(1)'/>", b"<!doctype html>", b""])
def test_a_picture_that_is_none_is_not_served(tmp_path: Path, data: bytes) -> None:
    with Playing(tmp_path / "inbox") as run:
        job = run.send("POST", "/generate", {"prompt": "x"}).json["job_id"]
        (image,) = run.until_said(f"/jobs/{job}", "status", "completed")["images"]
        assert ask(run.url, image["url"]).status == 200
        (run.root / image["file"]).write_bytes(data)
        assert ask(run.url, image["url"]).status == 404


def test_a_picture_behind_a_link_out_of_the_inbox_is_not_served(tmp_path: Path) -> None:
    with Playing(tmp_path / "inbox") as run:
        job = run.send("POST", "/generate", {"prompt": "x"}).json["job_id"]
        (image,) = run.until_said(f"/jobs/{job}", "status", "completed")["images"]
        file = run.root / image["file"]
        away = tmp_path / "secret.png"
        file.rename(away)
        file.symlink_to(away)
        assert ask(run.url, image["url"]).status == 404
        file.unlink()
        away.rename(file)
        assert ask(run.url, image["url"]).status == 200
