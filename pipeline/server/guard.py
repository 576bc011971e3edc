"""Who may ask: only this server's own page, and programs that mean this server.

Owns what Host, Origin and fetch metadata may say, and the headers that keep a browser from
making anything of an answer but what it is. Reads the raw headers only: `request.url` repeats
whatever Host said. Never looks at paths except where a visitor may come from elsewhere.
"""

import re
from collections.abc import Iterable
from http import HTTPStatus
from ipaddress import ip_address

from msgspec import Struct
from starlette.datastructures import MutableHeaders
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
}
"""On every answer. Trusted types: no string becomes markup, even by a mistake of ours."""


LOOPBACK = frozenset(("127.0.0.1", "localhost", "[::1]"))
_WILDCARDS = ("", "0.0.0.0", "::")  # noqa: S104 - to compare with, not to listen on
_HOST = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[1-9][0-9]{0,4})?")


class Names(Struct, frozen=True, kw_only=True):
    """The names, in lower case, by which a server may be asked; with `addresses` every IP address
    is one. A site that is rebound to this machine comes by a name of its own, never by an address.

    Which port is said does not matter: behind a tunnel it is another than the server's own.
    """

    known: frozenset[str]
    addresses: bool = False

    def has(self, host: str) -> bool:
        """Whether a Host, in lower case, means this server."""
        said = _HOST.fullmatch(host)
        return said is not None and (
            said["name"] in self.known or (self.addresses and _is_address(said["name"]))
        )

    def __str__(self) -> str:
        return ", ".join([*sorted(self.known), *(["any IP address"] if self.addresses else [])])


def names(host: str, machine: str) -> Names:
    """The names of a server that listens on `host`, on a machine with that name."""
    if host in _WILDCARDS:
        return Names(known=LOOPBACK | {machine.lower()}, addresses=True)
    return Names(known=LOOPBACK | {f"[{host}]".lower() if ":" in host else host.lower()})


def _is_address(name: str) -> bool:
    try:
        return ip_address(name.strip("[]")).version == (6 if name[0] == "[" else 4)
    except ValueError:
        return False


class Guard:
    """Refuses what is not ours before the app sees it; lets GET and HEAD through, nothing else."""

    def __init__(self, app: ASGIApp, *, names: Names) -> None:
        self._app = app
        self._names = names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        app = self._refusal(scope) or self._app
        await app(scope, receive, guarded)

    def _refusal(self, scope: Scope) -> Response | None:
        said = _Said(scope["headers"])
        hosts = [host.lower() for host in said["host"]]
        if len(hosts) != 1 or not self._names.has(hosts[0]):
            return _refuse(
                421,
                f"the Host of this request is none of this server's ({self._names}): open the page "
                "by one of these, or start it with --host and the name you want to use",
            )
        if scope["method"] not in ("GET", "HEAD"):
            refused = _refuse(405, "this server only answers GET and HEAD; write a manifest")
            refused.headers["Allow"] = "GET, HEAD"
            return refused
        if not {origin.lower() for origin in said["origin"]} <= {f"http://{hosts[0]}"}:
            return _refuse(403, "the Origin of this request is another site")
        if not set(said["sec-fetch-site"]) <= {"same-origin", "none"} and not _visit(scope, said):
            return _refuse(403, "another site asked for this (Sec-Fetch-Site)")
        return None


class _Said:
    """The raw headers of a request, every value of a repeated one."""

    def __init__(self, headers: Iterable[tuple[bytes, bytes]]) -> None:
        self._headers = [(name.lower(), value) for name, value in headers]

    def __getitem__(self, name: str) -> list[str]:
        wanted = name.encode("ascii")
        return [value.decode("latin-1") for known, value in self._headers if known == wanted]


def _visit(scope: Scope, said: _Said) -> bool:
    """Whether a person follows a link to the page itself: it tells the other site nothing."""
    return (
        scope["path"] == "/"
        and said["sec-fetch-mode"] == ["navigate"]
        and said["sec-fetch-dest"] == ["document"]
    )


def _refuse(status: int, why: str) -> Response:
    return PlainTextResponse(f"{status} {HTTPStatus(status).phrase}: {why}\n", status)
