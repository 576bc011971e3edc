"""A request that is not answered with what it asks for, and why, as JSON.

Owns the shape of a refusal. The page and its files are refused in plain text, by the guard.
"""

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.websockets import WebSocket


class Refusal(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why not; `nearest` has the names most like one that is not known, `file` the manifest that is
    in the way or that will be taken up later."""

    detail: str
    nearest: tuple[str, ...] = ()
    file: str = ""


class Refused(Exception):
    """Ends a request with this status and reason."""

    def __init__(
        self, status: int, detail: str, nearest: tuple[str, ...] = (), *, file: str = ""
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.refusal = Refusal(detail=detail, nearest=nearest, file=file)


async def refused(request: Request | WebSocket, error: Exception) -> Response:
    """The answer that says so."""
    assert isinstance(error, Refused)
    headers = {"Cache-Control": "no-store"}
    if error.status == 503:
        headers["Retry-After"] = "5"
    body = msgspec.json.encode(error.refusal)
    return Response(body, error.status, headers, media_type="application/json")
