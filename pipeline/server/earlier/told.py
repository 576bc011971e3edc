"""An answer of the earlier interface as JSON, never kept by anybody on the way."""

import msgspec
from msgspec import Struct
from starlette.responses import Response


def told(value: Struct) -> Response:
    """The answer that says this."""
    headers = {"Cache-Control": "no-store"}
    return Response(msgspec.json.encode(value), 200, headers, media_type="application/json")
