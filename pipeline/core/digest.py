"""Canonical JSON and sha256 over it: when two values are the same.

Canonical JSON here: UTF-8, keys sorted, no spaces, numbers as msgspec writes them.
"""

import hashlib
from typing import Any

import msgspec

_encoder = msgspec.json.Encoder(order="sorted")


def canonical(value: Any) -> bytes:
    """The one spelling of a value as JSON; structs leave out what is at its default."""
    return _encoder.encode(value)


def digest(value: Any) -> str:
    """sha256 of the canonical JSON, 64 hex digits."""
    return hashlib.sha256(canonical(value)).hexdigest()


def seed_of(content: str) -> int:
    """The seed that belongs to a document without one: the first 32 bits of its digest."""
    return int(content[:8], 16)


def public_id(kind: str, key: str) -> str:
    """The id that the HTTP interface speaks of: 8 hex digits over kind and key."""
    return hashlib.sha256(f"{kind}:{key}".encode()).hexdigest()[:8]


def id_of(kind: str, key: str, own: str | None) -> str:
    """The public id of something whose manifest may have its `own`."""
    return own or public_id(kind, key)
