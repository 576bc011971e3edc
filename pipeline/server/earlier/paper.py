"""Manifests as this program writes them: YAML with a seal, by which it knows its own again.

Owns the text. The seal is a sha256 over all that follows it: once somebody has changed a manifest,
it is theirs. Never touches the disk.
"""

import hashlib
import re
from typing import Any

import msgspec
import yaml

from pipeline.core.manifest import Manifest
from pipeline.inbox.load import load
from pipeline.server.refusal import Refused

_SEAL = "# Made over HTTP, and changed over HTTP until you change it here. sha256 of the rest: "
_HEAD = re.compile(re.escape(_SEAL).encode() + rb"([0-9a-f]{64})\n")
_PLAIN = re.compile(r"[^\W\d_]\w*([ -]\w+)*")
_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}


class _Dumper(yaml.SafeDumper):
    """Text is quoted wherever YAML could take it for something else."""

    def ignore_aliases(self, data: Any) -> bool:
        """Nothing is written as a reference to something above."""
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    plain = _PLAIN.fullmatch(text) and text.casefold() not in _WORDS and len(text) < 80
    style = None if plain else "|" if "\n" in text else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def write(manifest: Manifest, file: str) -> bytes:
    """The manifest as text, sealed.

    Raises:
        Refused: 422, if a manifest that says this has errors.
    """
    fields = msgspec.to_builtins(manifest)
    body: bytes = yaml.dump(
        fields, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=2**20, encoding="utf-8"
    )
    data = f"{_SEAL}{hashlib.sha256(body).hexdigest()}\n".encode() + body
    read = load(data, file)
    if read.problems:
        raise Refused(422, "; ".join(_said(one.message, one.hint) for one in read.problems))
    said = [msgspec.json.encode(document.manifest) for document in read.documents]
    if said != [msgspec.json.encode(manifest)]:
        raise Refused(422, "this cannot be written as a manifest without a change to it")
    return data


def is_ours(data: bytes) -> bool:
    """Whether these bytes are a manifest that this program wrote, and nobody changed."""
    head = _HEAD.match(data)
    return head is not None and hashlib.sha256(data[head.end() :]).hexdigest().encode() == head[1]


def _said(message: str, hint: str) -> str:
    return f"{message} ({hint})" if hint else message
