"""The token: asked of everybody where others can reach the server, and never sent elsewhere."""

from __future__ import annotations

import hmac
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from pipeline.server import Server
from pipeline.server.door import NeedsToken, is_loopback
from tests.server.asking import Stream, ask
from tests.server.playing import JSON, Playing
from tests.server.productions import Production, folded

TOKEN = "0123456789abcdef-Token"
BEARER = ("Authorization", f"Bearer {TOKEN}")


class Locked(NamedTuple):
    run: Playing
    cookie: tuple[str, str]


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Locked]:
    root: Path = tmp_path_factory.mktemp("locked") / "inbox"
    with Playing(root, token=TOKEN) as run:
        answer = ask(run.url, f"/?token={TOKEN}")
        assert answer.status == 303
        cookie, _, attributes = answer.headers["Set-Cookie"].partition(";")
        assert "httponly" in attributes.lower()
        assert "samesite=lax" in attributes.lower()
        yield Locked(run, ("Cookie", cookie))


def test_a_link_with_the_token_leads_to_the_page_and_nowhere_else(locked: Locked) -> None:
    path = f"/?token={TOKEN}&next=//evil.example&url=http://evil.example"
    answer = ask(locked.run.url, path)
    assert answer.status == 303
    assert answer.headers["Location"] == "/"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert ask(locked.run.url, "/", [locked.cookie]).status == 200


def test_a_stream_needs_it(locked: Locked) -> None:
    assert ask(locked.run.url, "/events").status == 401
    with Stream(locked.run.url, headers=[BEARER]) as stream:
        assert stream.take(1)[0].event == "snapshot"


def test_the_cookie_is_not_the_token(locked: Locked) -> None:
    assert TOKEN not in locked.cookie[1]


@pytest.mark.parametrize(
    "path",
    ["/", "/api/state", "/health", "/static/app.js", "/openapi.json", "/api/anime/projects",
     "/pictures/0", "/no"],
)  # fmt: skip
def test_nothing_is_told_without_it(locked: Locked, path: str) -> None:
    answer = ask(locked.run.url, path)
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert "Set-Cookie" not in answer.headers
    assert ask(locked.run.url, path, [BEARER]).status in (200, 404)
    assert ask(locked.run.url, path, [locked.cookie]).status in (200, 404)


@pytest.mark.parametrize(
    "said",
    [
        ("Authorization", "Bearer"),
        ("Authorization", "Bearer "),
        ("Authorization", f"Bearer {TOKEN}x"),
        ("Authorization", f"Bearer {TOKEN[:-1]}"),
        ("Authorization", f"Basic {TOKEN}"),
        ("Authorization", TOKEN),
        ("Authorization", "Bearer \xff"),
        ("Cookie", f"anime={TOKEN}"),
        ("Cookie", "anime-0=1"),
        ("X-Token", TOKEN),
    ],
)
def test_what_is_not_the_token_is_refused(locked: Locked, said: tuple[str, str]) -> None:
    assert ask(locked.run.url, "/api/state", [said]).status == 401


def test_a_wrong_link_and_a_token_elsewhere_than_at_the_page_are_refused(locked: Locked) -> None:
    url = locked.run.url
    many = "/?" + "&".join("token=x" for _ in range(500))
    paths = ("/?token=", "/?token=x", f"/?token=x&token={TOKEN}", f"/?Token={TOKEN}",
             f"/api/state?token={TOKEN}", many, "/?token=%ff", "/?%00=&&;=token")  # fmt: skip
    for path in paths:
        assert ask(url, path).status == 401, path
    assert ask(url, f"/?token={TOKEN}", method="HEAD").status == 401


def test_two_tokens_are_none(locked: Locked) -> None:
    name, value = locked.cookie
    both = [(name, f"{value}; {value}")]
    assert ask(locked.run.url, "/api/state", both).status == 401
    assert ask(locked.run.url, "/api/state", [BEARER, BEARER]).status == 401


def test_writing_needs_it_and_another_site_is_refused_all_the_same(locked: Locked) -> None:
    run, body = locked.run, {"name": "Door"}
    path = "/api/anime/projects"
    assert run.send("POST", path, body).status == 401
    assert run.send("POST", path, body, [JSON, BEARER]).status == 200
    assert run.send("POST", path, body, [JSON, locked.cookie]).status == 200
    foreign = [JSON, locked.cookie, ("Origin", "http://evil.example")]
    assert run.send("POST", path, body, foreign).status == 403


def test_a_socket_needs_it(locked: Locked) -> None:
    run = locked.run
    made = run.send("POST", "/generate", {"prompt": "x"}, [JSON, BEARER]).json
    address = f"{run.url.replace('http', 'ws')}/ws/{made['job_id']}"
    with pytest.raises(InvalidStatus) as caught, connect(address):
        pass
    assert caught.value.response.status_code == 401
    for header in (BEARER, locked.cookie):
        with connect(address, additional_headers=[header]) as socket_:
            assert socket_.recv(timeout=10)


def test_tokens_are_compared_in_constant_time(
    locked: Locked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every comparison goes through the one that takes the same time for all of one length, and
    all that it is given has one length."""
    seen: list[int] = []
    real = hmac.compare_digest

    def noted(one: bytes, other: bytes) -> bool:
        seen.extend((len(one), len(other)))
        return real(one, other)

    monkeypatch.setattr(hmac, "compare_digest", noted)
    assert ask(locked.run.url, "/api/state", [("Authorization", "Bearer x")]).status == 401
    assert ask(locked.run.url, "/api/state", [BEARER]).status == 200
    assert seen == [32] * 4


def test_who_can_be_reached_by_others_needs_a_token_or_the_word_none(
    production: Production,
) -> None:
    def server(token: str) -> Server:
        return Server(
            inbox=production.inbox, journal=production.path, state=folded(production.path),
            host="0.0.0.0", port=0, token=token,
        )  # fmt: skip

    with pytest.raises(NeedsToken) as caught:
        server("").start()
    assert caught.value.exit_code == 2
    assert "ANIME_TOKEN" in str(caught.value)
    assert "--token none" in str(caught.value)
    for token, status in (("none", 200), (TOKEN, 401)):
        made = server(token)
        made.start()
        local = f"http://127.0.0.1:{made.port}"
        assert ask(local, "/health").status == status
        made.stop()


def test_only_this_machine_is_loopback() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "127.9.9.9", "::1", "localhost", "LOCALHOST")))
    others = ("0.0.0.0", "::", "", "192.0.2.7", socket.gethostname() + ".example", "127.evil")
    assert not any(map(is_loopback, others))
