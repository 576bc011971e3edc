"""IP-Adapters and image encoders as the journal knows them, and whether they go together.

Pure: reads no file. What is in one is read by `pipeline.references`.
"""

from msgspec import Struct

_ENCODERS = {1024: "ViT-H", 1280: "ViT-bigG", 768: "ViT-L"}
"""By what an encoder's projection gives."""
_DEEP = {1280: "ViT-H", 1664: "ViT-bigG", 1024: "ViT-L"}
"""By how wide its layers are."""


class IpAdapter(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A file of weights, as far as it can be an IP-Adapter.

    `fault` says why it can be used with no model, `unfit` why not with a certain one, by that
    model's sha256. It listens to `width` values of a picture: the encoder's projected ones, or, if
    it is `deep`, those of each patch in the last layer but one.
    """

    sha256: str = ""
    fault: str = ""
    unfit: dict[str, str] = {}
    width: int = 0
    deep: bool = False

    def why_not(self, model: str) -> str:
        """What is wrong with it for this model, given as sha256; empty if nothing is."""
        return self.fault or self.unfit.get(model, "")


class ImageEncoder(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A folder of a CLIP vision model: what its layers and its projection give, in values. `fault`
    says why it cannot be used, or is empty."""

    sha256: str = ""
    fault: str = ""
    hidden: int = 0
    projected: int = 0

    def why_not(self, adapter: IpAdapter) -> str:
        """Why it does not go with an adapter, being fine by itself; empty if it does."""
        gives = self.hidden if adapter.deep else self.projected
        if gives == adapter.width:
            return ""
        names = _DEEP if adapter.deep else _ENCODERS
        return (
            f"it gives {gives} values{_called(names, gives)}, and the IP-Adapter wants "
            f"{adapter.width}{_called(names, adapter.width)}"
        )


class ReferenceModel(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What shows reference pictures to the model, as the settings name it: an IP-Adapter and an
    image encoder; `file` and `folder` are what they are called."""

    file: str = ""
    adapter: IpAdapter | None = None
    folder: str = ""
    encoder: ImageEncoder | None = None


def _called(names: dict[int, str], width: int) -> str:
    return f" ({names[width]})" if width in names else ""
