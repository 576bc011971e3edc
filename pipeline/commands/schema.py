"""The JSON Schema of the manifests, from their types, for editors that complete and underline."""

import msgspec

from pipeline.core.manifest import Character, Job, Manifest, Project

KINDS: dict[str, type] = {"project": Project, "character": Character, "job": Job}


def schema_of(kind: str | None) -> str:
    """The schema of one kind of manifest, or of any, as indented JSON (draft 2020-12)."""
    schema = msgspec.json.schema(Manifest if kind is None else KINDS[kind])
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return msgspec.json.format(msgspec.json.encode(head | schema), indent=2).decode()
