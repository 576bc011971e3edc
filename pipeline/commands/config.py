"""`anime config`: the settings in force. Owns how a value is shown; a secret never is."""

from msgspec import Struct

from pipeline.settings import Settings

SECRET = frozenset({"token"})


class Setting(Struct, frozen=True, kw_only=True):
    """A setting: its value as the places write it, and the place that said it."""

    name: str
    value: str
    origin: str


def in_force(settings: Settings) -> tuple[Setting, ...]:
    """Every setting, in the order of `Settings`."""
    return tuple(
        Setting(
            name=name,
            value=_shown(name, getattr(settings, name)),
            origin=settings.origins.get(name, "default"),
        )
        for name in settings.__struct_fields__
        if name != "origins"
    )


def _shown(name: str, value: object) -> str:
    if name in SECRET:
        return "(set)" if value else "(none)"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return ", ".join(value) or "(none)"
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)
