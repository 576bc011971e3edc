"""Asking the real server, byte by byte: any header, and its stream frame by frame."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

PATIENCE = 10.0
"""Seconds before a test that waits for the server fails."""


class Answer(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Frame(NamedTuple):
    event: str
    data: str
    id: int | None

    @property
    def json(self) -> Any:
        return json.loads(self.data)


def ask(
    url: str,
    path: str,
    headers: Sequence[tuple[str, str]] = (),
    *,
    method: str = "GET",
    host: str | None = "",
) -> Answer:
    """One request; `host` is the Host header, "" for the right one, None for none at all."""
    connection = _sent(url, path, headers, method, host)
    try:
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read())
    finally:
        connection.close()


class Stream:
    """An open `/events`; iterating it gives frames and waits for the next."""

    def __init__(
        self,
        url: str,
        path: str = "/events",
        last: int | None = None,
        headers: Sequence[tuple[str, str]] = (),
    ) -> None:
        known = [] if last is None else [("Last-Event-ID", str(last))]
        self._connection = _sent(url, path, [*headers, *known], "GET", "")
        self._answer = self._connection.getresponse()
        self.status = self._answer.status
        self.headers = self._answer.headers

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._answer.close()
        self._connection.close()

    def __iter__(self) -> Iterator[Frame]:
        """The frames until the server ends the stream; comments and `retry` are left out."""
        fields: dict[str, str] = {}
        while line := self._answer.readline():
            text = line.decode().rstrip("\n")
            if text:
                name, _, value = text.partition(":")
                fields[name] = value.removeprefix(" ")
            elif "event" in fields:
                seq = fields.get("id")
                yield Frame(fields["event"], fields["data"], None if seq is None else int(seq))
                fields = {}
            else:
                fields = {}

    def lines(self) -> Iterator[str]:
        """All that is sent, as it is, until the server ends the stream."""
        while line := self._answer.readline():
            yield line.decode().rstrip("\n")

    def take(self, count: int) -> list[Frame]:
        """The next frames, that many."""
        frames = iter(self)
        return [next(frames) for _ in range(count)]


def _sent(
    url: str, path: str, headers: Sequence[tuple[str, str]], method: str, host: str | None
) -> http.client.HTTPConnection:
    place = urlsplit(url)
    connection = http.client.HTTPConnection(
        place.hostname or "", place.port or 80, timeout=PATIENCE
    )
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    if host is not None:
        connection.putheader("Host", host or place.netloc)
    for name, value in headers:
        connection.putheader(name, value)
    connection.endheaders()
    return connection
