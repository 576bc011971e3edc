"""Only this machine's own page and programs are answered; each refusal has its legitimate twin."""

from __future__ import annotations

import pytest

from pipeline.server import Server
from pipeline.server.guard import names
from tests.server.asking import Stream, ask
from tests.server.conftest import Served
from tests.server.playing import JSON
from tests.server.productions import Production, folded

NAVIGATION = (("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document"))


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "LocalHost", "[::1]"])
@pytest.mark.parametrize("path", ["/", "/health", "/api/state"])
def test_the_names_of_this_machine_are_answered(standing: Served, name: str, path: str) -> None:
    answer = ask(standing.url, path, host=f"{name}:{standing.server.port}")
    assert answer.status == 200


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:9000", "[::1]:1"])
def test_another_port_is_another_server(standing: Served, host: str) -> None:
    assert ask(standing.url, "/api/state", host=host).status == 421


def test_a_tunnel_or_a_proxy_may_be_named(production: Production) -> None:
    production.begin()
    server = Server(
        inbox=production.inbox, journal=production.path, state=folded(production.path), port=0,
        also=["localhost:9000", "Studio.example"],
    )  # fmt: skip
    url = server.start()
    for host in ("localhost:9000", "studio.example"):
        for scheme in ("http", "https"):
            origin = [("Origin", f"{scheme}://{host}")]
            assert ask(url, "/health", origin, host=host).status == 200
    assert ask(url, "/health", host="studio.example:9000").status == 421
    assert ask(url, "/health", [("Origin", "https://localhost:9000")]).status == 403
    server.stop()


@pytest.mark.parametrize(
    "host",
    [
        "evil.example:{port}",
        "localhost.evil.example:{port}",
        "127.0.0.1.evil.example:{port}",
        "127.0.0.1:{port}@evil.example",
        "evil@127.0.0.1:{port}",
        "localhost.:{port}",
        "127.1:{port}",
        "0.0.0.0:{port}",
        "[::ffff:127.0.0.1]:{port}",
        "2130706433:{port}",
        "127.0.0.1:{port},evil.example",
        "127.0.0.1:0{port}",
        "127.0.0.1:",
        "[127.0.0.1]:{port}",
        "[::1",
        "192.0.2.7:{port}",
        "[2001:db8::7]:{port}",
    ],
)
@pytest.mark.parametrize("path", ["/", "/health", "/api/state", "/events", "/pictures/0", "/no"])
def test_a_foreign_host_is_refused(standing: Served, host: str, path: str) -> None:
    answer = ask(standing.url, path, host=host.format(port=standing.server.port))
    assert answer.status == 421
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert b"open the page by one of these, or start it with --names" in answer.body


def test_no_host_or_two_are_refused(standing: Served) -> None:
    right = f"127.0.0.1:{standing.server.port}"
    assert ask(standing.url, "/health", host=None).status in (400, 421)
    assert ask(standing.url, "/health", [("Host", "evil.example")]).status in (400, 421)
    assert ask(standing.url, "/health", [("Host", right)], host="evil.example").status in (400, 421)


def test_an_absolute_address_does_not_stand_in_for_the_host(standing: Served) -> None:
    port = standing.server.port
    target = f"http://127.0.0.1:{port}/health"
    assert ask(standing.url, target, host="evil.example").status == 421


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example", "null", "https://127.0.0.1:{port}", "",
        "http://localhost:{port}", "http://127.0.0.1:1", "http://127.0.0.1",
    ],
)  # fmt: skip
def test_a_foreign_origin_is_refused(standing: Served, origin: str) -> None:
    said = origin.format(port=standing.server.port)
    assert ask(standing.url, "/api/state", [("Origin", said)]).status == 403


def test_our_own_origin_is_answered(standing: Served) -> None:
    answer = ask(standing.url, "/api/state", [("Origin", standing.url)])
    assert answer.status == 200
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize("site", ["cross-site", "same-site", "something-new"])
@pytest.mark.parametrize("path", ["/api/state", "/events", "/pictures/0", "/static/app.js"])
def test_what_another_site_asks_for_is_refused(standing: Served, site: str, path: str) -> None:
    assert ask(standing.url, path, [("Sec-Fetch-Site", site)]).status == 403
    assert ask(standing.url, path, [("Sec-Fetch-Site", site), *NAVIGATION]).status == 403


@pytest.mark.parametrize("site", ["same-origin", "none"])
def test_what_the_page_or_the_person_asks_for_is_answered(standing: Served, site: str) -> None:
    assert ask(standing.url, "/api/state", [("Sec-Fetch-Site", site)]).status == 200


def test_a_link_from_elsewhere_leads_to_the_page_but_does_not_frame_it(standing: Served) -> None:
    assert ask(standing.url, "/", [("Sec-Fetch-Site", "cross-site"), *NAVIGATION]).status == 200
    framed = (("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "iframe"))
    answer = ask(standing.url, "/", [("Sec-Fetch-Site", "cross-site"), *framed])
    assert answer.status == 403
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "X"])
@pytest.mark.parametrize("path", ["/", "/api/state", "/events", "/pictures/0"])
def test_what_is_only_read_cannot_be_written(standing: Served, method: str, path: str) -> None:
    answer = ask(standing.url, path, [JSON], method=method)
    assert answer.status == 405
    allowed = set(answer.headers["Allow"].split(", "))
    assert {"GET", "HEAD"} <= allowed <= {"GET", "HEAD", "POST", "PUT"}


def test_a_websocket_is_not_opened(standing: Served) -> None:
    upgrade = [
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="),
    ]
    assert ask(standing.url, "/ws/0", upgrade).status == 404


def test_a_refused_stream_is_no_stream(standing: Served) -> None:
    with Stream(standing.url) as stream:
        assert stream.status == 200
    refused = ask(standing.url, "/events", [("Origin", "http://evil.example")])
    assert refused.headers["Content-Type"].startswith("text/plain")


def test_the_names_follow_the_address_that_is_listened_on() -> None:
    own = names("Studio.lan", "box", 8328)
    assert own.has("studio.lan:8328")
    assert own.has("localhost:8328")
    assert not own.has("localhost")
    assert not own.has("localhost:8329")
    assert names("127.0.0.1", "box", 80).has("localhost")
    assert not own.has("box:8328")
    assert not own.has("192.0.2.7:8328")
    assert names("fd00::5", "box", 8328).has("[fd00::5]:8328")


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_who_listens_everywhere_is_had_by_every_address_and_its_own_name(host: str) -> None:
    own = names(host, "Box", 8328)
    for said in ("192.0.2.7:8328", "[2001:db8::7]:8328", "box:8328", "localhost:8328"):
        assert own.has(said), said
    for said in ("evil.example:8328", "127.1:8328", "2130706433", "192.0.2.7:9000", "[::g]:8328"):
        assert not own.has(said), said
