"""The token of a server that others can reach: asked of everybody, in constant time.

Owns where it may stand (a Bearer header, a cookie, once in a link to the page) and what is answered
without it. Never says whether a token was nearly right, and never sends anybody but to `/`.
"""

import hashlib
import hmac
from ipaddress import ip_address
from typing import ClassVar
from urllib.parse import parse_qsl

from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import Scope

from pipeline.errors import AnimeError
from pipeline.server.said import Said

OPEN = "none"
"""Said instead of a token by whoever wants none."""


class NeedsToken(AnimeError):
    """Others could reach the page, and nobody said that they may."""

    exit_code: ClassVar[int] = 2


def door(host: str, port: int, token: str) -> "Door | None":
    """The door of a server that listens there, or None where everybody may come in.

    Raises:
        NeedsToken: others can reach it, and there is neither a token nor the word that none is
            wanted.
    """
    if token == OPEN or (not token and is_loopback(host)):
        return None
    if not token:
        raise NeedsToken(
            f"with --host {host or repr(host)} others can reach the page, and there is no token",
            "set ANIME_TOKEN to a secret (openssl rand -hex 16), or say --token none",
        )
    return Door(token, port)


def is_loopback(host: str) -> bool:
    """Whether an address is this machine's own, which nobody else can reach."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


class Door:
    """Lets those in who have the token."""

    def __init__(self, token: str, port: int) -> None:
        self._token = token.encode()
        # Browsers send a cookie to every port of a machine: it is not the token itself.
        self._pass = hmac.new(self._token, b"anime cookie", hashlib.sha256).hexdigest()
        self._cookie = f"anime-{port}"

    def answer(self, scope: Scope, said: Said) -> Response | None:
        """None for whoever has the token; a way to the page for whoever brings it in a link."""
        if self._has_it(said):
            return None
        if scope["type"] == "http" and scope["method"] == "GET" and scope["path"] == "/":
            query = parse_qsl(scope["query_string"].decode("latin-1"))
            brought = [value for name, value in query if name == "token"]
            if len(brought) == 1 and self._is(brought[0], self._token):
                return self._welcome()
        headers = {"WWW-Authenticate": "Bearer"}
        return PlainTextResponse(
            "401 Unauthorized: this server asks for its token: open /?token=… once, or send "
            "Authorization: Bearer …\n",
            401,
            headers,
        )

    def _has_it(self, said: Said) -> bool:
        bearers = said["authorization"]
        if bearers:
            scheme, _, value = bearers[0].partition(" ")
            return (
                len(bearers) == 1
                and scheme.lower() == "bearer"
                and self._is(value.strip(), self._token)
            )
        pairs = (pair.partition("=") for line in said["cookie"] for pair in line.split(";"))
        found = [value.strip() for name, _, value in pairs if name.strip() == self._cookie]
        return len(found) == 1 and self._is(found[0], self._pass.encode())

    def _is(self, brought: str, wanted: bytes) -> bool:
        return hmac.compare_digest(
            hashlib.sha256(brought.encode("utf-8", "surrogatepass")).digest(),
            hashlib.sha256(wanted).digest(),
        )

    def _welcome(self) -> Response:
        answer = RedirectResponse("/", 303, {"Cache-Control": "no-store"})
        # Lax, since Strict would not survive a link from elsewhere; writes look at Origin anyway.
        answer.set_cookie(
            self._cookie, self._pass, max_age=30 * 86_400, path="/", httponly=True, samesite="lax"
        )
        return answer
