"""LoRA files as the journal knows them, and by what name a manifest finds one.

Pure: reads no file. What is in one is read by `pipeline.adapters`.
"""

from collections.abc import Iterator

from msgspec import Struct

from pipeline.core.ip_adapters import IpAdapter

SUFFIX = ".safetensors"
PICKLES = (".pt", ".pth", ".ckpt", ".bin", ".pkl")
LORAS, CONTROLS = "loras", "controlnets"
"""Folders in which such files are looked for too."""
_AS_FOLDER = "diffusion_pytorch_model.safetensors"
"""What diffusers calls the weights of a ControlNet in a folder of its own."""


class AdapterFile(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A file of weights, as far as it can be a LoRA.

    `fault` says why it is none that can be used with any model, or is empty; `unfit` why not with
    a certain one, by that model's sha256. A file that is no LoRA has no `sha256`, unless it is a
    ControlNet: then it is `control`, `unfit` is meant of that, and `fault` still of a LoRA. One
    that is an IP-Adapter says so in `prompting`.
    """

    sha256: str = ""
    fault: str = ""
    unfit: dict[str, str] = {}
    control: bool = False
    prompting: IpAdapter | None = None

    def why_not(self, model: str) -> str:
        """What is wrong with it as a LoRA of this model, given as sha256; empty if nothing is."""
        return self.fault or self.unfit.get(model, "")

    def why_no_control(self, model: str) -> str:
        """What is wrong with it as a ControlNet of this model; empty if nothing is."""
        if self.control:
            return self.unfit.get(model, "")
        if self.sha256:
            return "it is no ControlNet but a LoRA; name it in lora"
        return self.fault.replace("it is no LoRA", "it is no ControlNet", 1)


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


def weights_fault(file: str) -> tuple[str, str]:
    """What is wrong with a name of weights by itself, and the way out; empty if nothing is."""
    name = file.casefold()
    if name.endswith(PICKLES):
        return (
            f"{file!r} is a pickle, which can run any code, and is not read",
            "take the .safetensors of it, or convert it where you trust it",
        )
    if inside(file) is None:
        return (
            f"{file!r} is outside the inbox, where nothing is read",
            "copy the file into the inbox, beside the manifest or into a folder above it",
        )
    return "", ""


def places(folders: list[str], name: str, also: str = LORAS) -> Iterator[str]:
    """Where in the inbox the file may stand that a manifest calls `name`, first choice first.

    `folders` are that of the manifest and all above it; each may have a folder called `also`.
    A ControlNet may be a folder with weights as diffusers writes it.
    """
    below = inside(name)
    if below is None:
        return
    files = [below] if is_adapter_file(below) else [f"{below}{SUFFIX}", below]
    if also == CONTROLS and not is_adapter_file(below):
        files[-1] = f"{below}/{_AS_FOLDER}"
    for folder in folders:
        for file in files:
            yield f"{folder}/{file}".lstrip("/")
            yield f"{folder}/{also}/{file}".lstrip("/")
