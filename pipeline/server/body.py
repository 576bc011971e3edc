"""What a request brings: JSON of a type, bounded in size and in time.

Owns how much is read, how long is waited for it, and what is said of JSON that is not as it should
be. Never knows what it is for; that it is said to be JSON is the guard's to see.
"""

import asyncio
from typing import TypeVar

import msgspec
from starlette.requests import Request

from pipeline.server.refusal import Refused

LARGEST = 2**20
"""Bytes of a body, as of a manifest."""
PATIENCE = 10.0
"""Seconds within which a body has to be there."""

_T = TypeVar("_T")


async def read(request: Request, kind: type[_T]) -> _T:
    """The body as a value of this type.

    Raises:
        Refused: 400 for what is no JSON, 422 for another shape or values out of bounds, 413 for too
            much of it, 408 for one that does not come.
    """
    data = await whole(request)
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError as error:
        raise Refused(422, str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refused(400, f"the body is no JSON: {error}") from None
    except RecursionError:
        raise Refused(422, "the body is nested too deep") from None


async def whole(request: Request, most: int = LARGEST) -> bytes:
    """The body, of at most so many bytes; raises Refused (413, 408) as for `read`."""
    body = bytearray()
    try:
        async with asyncio.timeout(PATIENCE):
            async for chunk in request.stream():
                body += chunk
                if len(body) > most:
                    raise Refused(413, f"a body has at most {most:,} bytes here")
    except TimeoutError:
        raise Refused(408, f"the body did not come within {PATIENCE:g} seconds") from None
    return bytes(body)
