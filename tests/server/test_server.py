"""The server begins on a port of its own, ends at once with open tabs, and says a taken port."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from pipeline.audience import Audience
from pipeline.server import CannotListen, Server
from tests.server.asking import Stream, ask
from tests.server.conftest import Served
from tests.server.productions import Production, folded


def test_port_zero_takes_a_free_one_and_says_which(served: Served) -> None:
    assert served.url == f"http://127.0.0.1:{served.server.port}"
    assert ask(served.url, "/health").status == 200


def test_a_taken_port_is_an_error_that_names_host_port_and_the_way_out(
    production: Production,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(CannotListen) as caught:
            production.server(port).start()
    assert f"127.0.0.1:{port}" in str(caught.value)
    assert "--port 0" in str(caught.value)
    assert caught.value.exit_code == 3


def test_an_address_that_is_not_ours_is_an_error(production: Production) -> None:
    server = Server(
        inbox=production.inbox, journal=production.path, state=folded(production.path),
        host="192.0.2.1", port=0, token="none",
    )  # fmt: skip
    with pytest.raises(CannotListen, match=r"192\.0\.2\.1:0"):
        server.start()


def test_stop_does_not_wait_for_open_streams(served: Served) -> None:
    with Stream(served.url) as read, Stream(served.url) as unread:
        assert read.take(1)[0].event == "snapshot"
        began = time.monotonic()
        served.server.stop()
        assert time.monotonic() - began < 3
        assert list(read) == []
        assert unread.status == 200


def test_stop_does_not_wait_for_a_stalled_reader(served: Served) -> None:
    with Stream(served.url) as stalled:
        served.production.reject_many(900, "x" * 10_000)
        began = time.monotonic()
        served.server.stop()
        assert time.monotonic() - began < 3
        assert stalled.status == 200


def test_stop_ends_the_thread_and_frees_the_port(served: Served) -> None:
    served.server.stop()
    served.server.stop()
    assert [thread for thread in threading.enumerate() if thread.name == "page"] == []
    again = served.production.server(served.server.port)
    assert again.start() == served.url
    again.stop()


def test_one_server_stopped_leaves_another_alone(served: Served, production: Production) -> None:
    other = production.server()
    url = other.start()
    with Stream(url) as stream:
        stream.take(1)
        served.server.stop()
        production.reject("a.yaml", "bad")
        assert stream.take(1)[0].event == "fact"
    other.stop()


def test_what_is_said_before_the_start_counts_and_after_the_end_does_no_harm(
    production: Production,
) -> None:
    server = production.server()
    audience: Audience = server
    production.audience = [audience]
    production.begin()
    production.live()
    url = server.start()
    told = ask(url, "/health").json
    assert told["journal"]["seq"] == 1
    assert told["model_preloaded"] is True
    server.stop()
    production.reject("a.yaml", "bad")
    production.live()
