"""Who may ask: only pages and programs on this machine that mean this server.

Owns the allow-lists of Host, Origin and fetch metadata, and the headers that keep a browser from
making anything of an answer but what it is. Reads the raw headers only: `request.url` repeats
whatever Host said. Never looks at paths except where a visitor may come from elsewhere.
"""

from collections.abc import Iterable
from http import HTTPStatus

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


def names(host: str, port: int) -> frozenset[str]:
    """What a request's Host may be, in lower case, when the server listens on host and port."""
    hosts = {"127.0.0.1", "localhost", "[::1]", f"[{host}]" if ":" in host else host}
    ports = (f":{port}", "") if port == HTTP_PORT else (f":{port}",)
    return frozenset(f"{name.lower()}{end}" for name in hosts for end in ports)


HTTP_PORT = 80
"""The port that browsers leave out of Host and Origin."""


class Guard:
    """Refuses what is not ours before the app sees it; lets GET and HEAD through, nothing else."""

    def __init__(self, app: ASGIApp, *, names: frozenset[str]) -> None:
        self._app = app
        self._names = names
        self._origins = {f"http://{name}" for name in names}

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
        if len(said["host"]) != 1 or said["host"][0].lower() not in self._names:
            ours = ", ".join(sorted(self._names))
            return _refuse(421, f"the Host of this request is none of this server's: {ours}")
        if scope["method"] not in ("GET", "HEAD"):
            refused = _refuse(405, "this server only answers GET and HEAD; write a manifest")
            refused.headers["Allow"] = "GET, HEAD"
            return refused
        if not {origin.lower() for origin in said["origin"]} <= self._origins:
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
