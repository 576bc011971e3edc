"""The JSON Schema of the manifests, from their types, for editors that complete and underline.

Owns the schema's form and the copy of it in an inbox, which new manifests name, so that it is at
hand without a network and in every clone.
"""

import os
from pathlib import Path
from typing import Any

import msgspec

from pipeline.commands.fields import KINDS, every_field
from pipeline.core.styles import PRESETS

FILE = ".manifest.schema.json"
"""Where an inbox keeps it; hidden, so that it is in nobody's way, and for git to keep."""
DIALECT = "https://json-schema.org/draft/2020-12/schema"
COMMENT = "Written by anime for editors; anime init writes it anew."


def schema_of(kind: str | None) -> str:
    """The schema of one kind of manifest, or of any, as indented JSON (draft 2020-12)."""
    if kind is None:
        _, components = msgspec.json.schema_components(
            list(KINDS.values()), ref_template="#/$defs/{name}"
        )
        schema = _any_kind() | {"$defs": components}
    else:
        schema = msgspec.json.schema(KINDS[kind])
    _tell(schema["$defs"])
    head = {"$schema": DIALECT, "$comment": COMMENT, "title": "A manifest of an anime production"}
    return msgspec.json.format(msgspec.json.encode(head | schema), indent=2).decode()


def keep(inbox: Path) -> Path | None:
    """Make the inbox's copy say what is true now; returns it if it was written.

    A file of that name that we did not write stays as it is. Raises OSError.
    """
    file, text = inbox / FILE, f"{schema_of(None)}\n".encode()
    try:
        before = file.read_bytes()
    except FileNotFoundError:
        before = None
    if before == text or (before is not None and COMMENT.encode() not in before[:500]):
        return None
    part = file.with_name(f"{FILE}.part")
    part.write_bytes(text)
    part.replace(file)
    return file


def modeline(file: str) -> str:
    """The first line of a manifest at this path of the inbox, by which editors find the schema."""
    to = os.path.relpath(FILE, os.path.dirname(file) or ".")
    return f"# yaml-language-server: $schema={to}\n"


def _any_kind() -> dict[str, Any]:
    """Decided by `kind` first: of one that is known, an editor completes and underlines only its
    own fields, which it cannot where it is told only that one of three must fit."""
    return {
        "type": "object",
        "required": ["kind"],
        "properties": {"kind": {"enum": list(KINDS), "description": "what the manifest describes"}},
        "allOf": [
            {
                "if": {"required": ["kind"], "properties": {"kind": {"const": kind}}},
                "then": {"$ref": f"#/$defs/{cls.__name__}"},
            }
            for kind, cls in KINDS.items()
        ],
    }


def _tell(definitions: dict[str, Any]) -> None:
    """What an editor shows beside a field: its meaning and what holds without it. A default that
    is nothing is left out, or the editor would write it."""
    absent = {(each.holder, each.path.rpartition(".")[2]): each.absent for each in every_field()}
    for name, definition in definitions.items():
        for field, schema in definition.get("properties", {}).items():
            left_out = absent.get((name, field), "")
            if left_out not in ("", "required", "nothing"):
                schema["description"] = f"{schema['description']}. Left out: {left_out}"
            if schema.get("default", True) in (None, "", (), [], {}):
                del schema["default"]
            if field == "style":
                schema.setdefault("anyOf", []).insert(0, {"enum": [*PRESETS, "none"]})
