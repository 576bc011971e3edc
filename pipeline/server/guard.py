"""Who may ask: only this server's own page, and programs that mean this server.

Owns what Host, Origin, fetch metadata and the type of a body may say, and the headers that keep a
browser from making anything of an answer but what it is. Reads the raw headers only: `request.url`
repeats whatever Host said. Looks at a path only where a visitor may come from elsewhere.
"""

import re
from collections.abc import Iterable
from http import HTTPStatus
from ipaddress import ip_address

from msgspec import Struct
from starlette.datastructures import MutableHeaders
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.server.body import LARGEST
from pipeline.server.door import Door
from pipeline.server.said import Said

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
_HOST = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:(?P<port>[1-9][0-9]{0,4}))?")
_HTTP = 80
_LONGEST_ADDRESS = 4096
_LONGEST_HEAD = 32_768
_READS = ("GET", "HEAD")
_WRITES = ("POST", "PUT")
_JSON = re.compile(r"application/json(\s*;\s*charset=\"?utf-8\"?)?", re.IGNORECASE)
_LENGTH = re.compile(r"[0-9]{1,10}")
_RANGE = re.compile(r"bytes=([0-9]{1,15}-[0-9]{0,15}|-[0-9]{1,15})")


class Names(Struct, frozen=True, kw_only=True):
    """What may stand in a Host: a name, in lower case, with the server's port; with `addresses`
    every IP address is a name. `also` are whole Hosts besides, as a tunnel or a proxy has them.

    A site that is rebound to this machine comes by a name of its own, never by an address.
    """

    known: frozenset[str]
    port: int
    addresses: bool = False
    also: frozenset[str] = frozenset()

    def has(self, host: str) -> bool:
        """Whether a Host, in lower case, means this server."""
        if host in self.also:
            return True
        said = _HOST.fullmatch(host)
        return (
            said is not None
            and int(said["port"] or _HTTP) == self.port
            and (said["name"] in self.known or (self.addresses and _is_address(said["name"])))
        )

    def origins(self, host: str) -> frozenset[str]:
        """The origins of a page that came by this Host; a proxy may speak TLS."""
        return frozenset((f"http://{host}", *((f"https://{host}",) if host in self.also else ())))

    def __str__(self) -> str:
        own = [f"{name}:{self.port}" for name in sorted(self.known)]
        any_ = [f"any IP address with port {self.port}"] if self.addresses else []
        return ", ".join([*own, *sorted(self.also), *any_])


def names(host: str, machine: str, port: int, also: Iterable[str] = ()) -> Names:
    """The names of a server that listens on `host`, on a machine with that name."""
    every = host in _WILDCARDS
    own = machine.lower() if every else f"[{host}]".lower() if ":" in host else host.lower()
    return Names(
        known=LOOPBACK | {own}, port=port, addresses=every, also=frozenset(map(str.lower, also))
    )


def _is_address(name: str) -> bool:
    try:
        return ip_address(name.strip("[]")).version == (6 if name[0] == "[" else 4)
    except ValueError:
        return False


class Guard:
    """Refuses what is not ours before the app sees it: another's Host or Origin, a method that
    nothing here has, a write that is no JSON, and whoever has no token where there is one."""

    def __init__(self, app: ASGIApp, *, names: Names, door: Door | None = None) -> None:
        self._app = app
        self._names = names
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        app = self._answer(scope) or self._app
        await app(scope, receive, guarded)

    def _answer(self, scope: Scope) -> Response | None:
        """What is said instead of what was asked for; None lets it through."""
        if len(scope["raw_path"]) + len(scope["query_string"]) > _LONGEST_ADDRESS:
            return _refuse(414, f"an address has at most {_LONGEST_ADDRESS} bytes")
        if sum(len(name) + len(value) for name, value in scope["headers"]) > _LONGEST_HEAD:
            return _refuse(431, f"all headers together have at most {_LONGEST_HEAD} bytes")
        said = Said(scope["headers"])
        hosts = [host.lower() for host in said["host"]]
        if len(hosts) != 1 or not self._names.has(hosts[0]):
            return _refuse(
                421,
                f"the Host of this request is none of this server's ({self._names}): open the page "
                "by one of these, or start it with --names and the Host you want to use",
            )
        origins = self._names.origins(hosts[0])
        if scope["type"] == "websocket":
            return _foreign(said, origins) or self._locked(scope, said)
        if scope["method"] not in (*_READS, *_WRITES):
            refused = _refuse(405, "this server answers GET, HEAD, POST and PUT")
            refused.headers["Allow"] = "GET, HEAD, POST, PUT"
            return refused
        visit = scope["method"] in _READS and _visit(scope, said)
        refusal = _foreign(said, origins, browsed=scope["method"] in _READS, visit=visit)
        if refusal is None:
            refusal = self._locked(scope, said)
        if refusal is None:
            refusal = _unreadable(said) if scope["method"] in _WRITES else _ranged(said)
        return refusal

    def _locked(self, scope: Scope, said: Said) -> Response | None:
        """Whether somebody lacks the token; whoever brings it in a link gets a cookie for it."""
        return self._door.answer(scope, said) if self._door is not None else None


def _foreign(
    said: Said, origins: frozenset[str], *, browsed: bool = False, visit: bool = False
) -> Response | None:
    """Whether another site is behind a request. A program says neither of the two; `browsed` is
    whether a person may have typed the address, `visit` whether one followed a link."""
    named = [origin.lower() for origin in said["origin"]]
    if len(named) > 1 or not set(named) <= origins:
        return _refuse(403, "the Origin of this request is another site")
    own = {"same-origin", "none"} if browsed else {"same-origin"}
    if not set(said["sec-fetch-site"]) <= own and not visit:
        return _refuse(403, "another site asked for this (Sec-Fetch-Site)")
    return None


def _unreadable(said: Said) -> Response | None:
    """Whether the body of a write is not what is taken here. A form of another site could be sent
    without asking, JSON cannot."""
    kinds, codings, lengths = said["content-type"], said["content-encoding"], said["content-length"]
    if len(kinds) != 1 or not _JSON.fullmatch(kinds[0].strip()):
        return _refuse(415, "what is written here is JSON: Content-Type: application/json")
    if any(coding.strip().lower() != "identity" for coding in codings):
        return _refuse(415, "what is written here is not compressed")
    if any(not _LENGTH.fullmatch(length) or int(length) > LARGEST for length in lengths):
        return _refuse(413, f"a body has at most {LARGEST:,} bytes")
    return None


def _ranged(said: Said) -> Response | None:
    """Whether parts are asked for that make no sense, or many; of one, all is answered."""
    ranges = said["range"]
    if not ranges or (len(ranges) == 1 and _RANGE.fullmatch(ranges[0].strip())):
        return None
    return _refuse(416, "at most one range, such as bytes=0-99; all is answered even then")


def _visit(scope: Scope, said: Said) -> bool:
    """Whether a person follows a link to the page itself: it tells the other site nothing."""
    return (
        scope["path"] == "/"
        and said["sec-fetch-mode"] == ["navigate"]
        and said["sec-fetch-dest"] == ["document"]
    )


def _refuse(status: int, why: str) -> Response:
    return PlainTextResponse(f"{status} {HTTPStatus(status).phrase}: {why}\n", status)
