"""LoRA files as the journal knows them, and by what name a manifest finds one.

Pure: reads no file. What is in one is read by `pipeline.adapters`.
"""

from collections.abc import Iterator

from msgspec import Struct

from pipeline.core.ip_adapters import IpAdapter

SUFFIX = ".safetensors"
PICKLES = (".pt", ".pth", ".ckpt", ".bin", ".pkl")
_FOLDER = "loras"


class AdapterFile(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A file of weights, as far as it can be a LoRA.

    `fault` says why it is none that can be used with any model, or is empty; `unfit` why not with
    a certain one, by that model's sha256. A file that is no LoRA has no `sha256`; one that is an
    IP-Adapter says so in `prompting`.
    """

    sha256: str = ""
    fault: str = ""
    unfit: dict[str, str] = {}
    prompting: IpAdapter | None = None

    def why_not(self, model: str) -> str:
        """What is wrong with it as a LoRA of this model, given as sha256; empty if nothing is."""
        return self.fault or self.unfit.get(model, "")


def is_adapter_file(file: str) -> bool:
    """Whether a file may hold a LoRA, by its name."""
    return file.endswith(SUFFIX)


def inside(name: str) -> str | None:
    """A name as a path below a folder, without `.` and `..`; None if it leads out of it."""
    parts: list[str] = []
    if name.startswith("/") or "\\" in name or "\0" in name:
        return None
    for part in name.split("/"):
        if part == ".." and not parts:
            return None
        if part == "..":
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    hidden = any(part.startswith(".") for part in parts)
    return "/".join(parts) if parts and not hidden else None


def places(folders: list[str], name: str) -> Iterator[str]:
    """Where in the inbox the file may stand that a manifest calls `name`, first choice first.

    `folders` are that of the manifest and all above it; each may have a folder `loras`.
    """
    below = inside(name)
    if below is None:
        return
    files = [below] if is_adapter_file(below) else [f"{below}{SUFFIX}", below]
    for folder in folders:
        for file in files:
            yield f"{folder}/{file}".lstrip("/")
            yield f"{folder}/{_FOLDER}/{file}".lstrip("/")
