"""How a run is set up: flags, then the environment, then the user's file, then the inbox's.

Owns the settings' names, ranges and where each value came from. Everything wrong with all four
places is said at once. Never touches the inbox's manifests and never starts anything.
"""

import os
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar, Literal

from msgspec import Struct
from msgspec.structs import replace

from pipeline.errors import AnimeError
from pipeline.inbox.nearest import nearest
from pipeline.model import Told
from pipeline.modelfiles import ModelFiles
from pipeline.pulled import pulled
from pipeline.settings.origins import Fault, Given, Source, from_environment, from_flags, from_toml
from pipeline.settings.table import read_models

INBOX_FILE = "anime.toml"
BUNDLED_MODEL = Path(__file__).parents[1] / "chibi" / "model"
NEVER_FROM_INBOX = ("host", "port", "token", "names", "cluster", "inbox")
"""An inbox may be somebody else's clone: it must not decide who can reach this machine, nor whose
cluster is trusted with code and a token."""


class Settings(Struct, frozen=True, kw_only=True):
    """One run's settings. Paths are absolute; `grace` is in seconds; `threads` 0 means as many as
    the cores allow; `models` are those that manifests may name, by name, and `models_resident` of
    them are held at once, 0 for as many as fit; `token` is '' where none was said, and 'none' where
    none is wanted; `names` are Hosts; `unload_after` is in minutes; `cluster` is a Ray cluster's
    address, '' for this machine alone. `origins` says of each where it came from, such as `--port`
    or `default`."""

    inbox: Path
    model: Path = BUNDLED_MODEL
    vae: Path | None = None
    prediction: Literal["auto", "epsilon", "v_prediction"] = "auto"
    zero_snr: Literal["auto", "yes", "no"] = "auto"
    models: dict[str, ModelFiles] = {}
    models_resident: int = 0
    ip_adapter: Path | None = None
    image_encoder: Path | None = None
    workers: int = 3
    device: str = "auto"
    threads: int = 0
    batch: int = 1
    denoising: int = 0
    start_method: Literal["fork", "spawn"] = "fork"
    host: str = "127.0.0.1"
    port: int = 8328
    token: str = ""
    names: tuple[str, ...] = ()
    grace: float = 60.0
    on_start: Literal["run", "paused"] = "run"
    polling: bool = False
    pause_after: int = 3
    unload_after: int = 0
    previews: int = 3
    cluster: str = ""
    origins: dict[str, str] = {}

    @property
    def told(self) -> Told:
        """What is said of the model that it does not say itself."""
        return Told(
            vae=self.vae, prediction=self.prediction, zero_snr=self.zero_snr,
            ip_adapter=self.ip_adapter, image_encoder=self.image_encoder,
        )  # fmt: skip

    @property
    def usual(self) -> ModelFiles:
        """The model that draws what names none."""
        return ModelFiles(path=self.model, told=self.told)


class SettingsError(AnimeError):
    """Some settings are wrong; the message has a line for each."""

    exit_code: ClassVar[int] = 2


def gather(
    flags: Mapping[str, object], *, environ: Mapping[str, str], cwd: Path, inbox: Path | None = None
) -> Settings:
    """The settings from all four places.

    `flags` are those of the command line by setting name, None where not given. `inbox` fixes the
    inbox, whatever any place says of it.

    Raises:
        SettingsError: unknown names, wrong values, or a file that cannot be read; all of them.
    """
    names = tuple(name for name in Settings.__struct_fields__ if name != "origins")
    sources = [from_flags(flags, cwd), from_environment(environ, names, cwd)]
    user = _user_file(environ)
    if user is not None:
        sources.append(from_toml(user, str(user)))
    root = inbox if inbox is not None else _inbox(sources, cwd)
    sources.append(_guarded(from_toml(root / INBOX_FILE, str(root / INBOX_FILE))))
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    said: dict[str, object] = {}
    faults: list[Fault] = []
    for source in sources:
        faults += source.faults
        for name, given in source.values.items():
            found = _read(name, given, source, names, environ)
            if isinstance(found, Fault):
                faults.append(found)
            elif isinstance(found, list):
                faults += found
            elif name not in values:
                values[name], origins[name] = found, given.origin
                said[name] = given.value
    if faults:
        raise _error(faults)
    values |= _by_name(said.get("model"), values)
    origins = dict.fromkeys(names, "default") | origins
    return Settings(**values | {"inbox": root}, origins=origins)


def _user_file(environ: Mapping[str, str]) -> Path | None:
    """`$XDG_CONFIG_HOME/anime/config.toml`; a relative XDG path counts as none, as XDG says.

    Source: https://specifications.freedesktop.org/basedir-spec/latest/
    """
    config = Path(environ.get("XDG_CONFIG_HOME", ""))
    if config.is_absolute():
        return config / "anime" / "config.toml"
    home = environ.get("HOME")
    return Path(home) / ".config" / "anime" / "config.toml" if home else None


def _inbox(sources: Iterable[Source], cwd: Path) -> Path:
    """The inbox that is named first; else the nearest one around where we stand; else ./inbox."""
    for source in sources:
        given = source.values.get("inbox")
        path = _path(given.value, source.base) if given is not None else None
        if path is not None:
            return path
    for folder in (cwd, *cwd.parents):
        # Not Path.is_file(): a folder above that is closed to us is an error to it.
        if os.path.isfile(folder / INBOX_FILE) or os.path.isdir(folder / ".pipeline"):
            return folder
    return cwd / "inbox"


def _guarded(source: Source) -> Source:
    """The source with a fault for each thing that an inbox may not say, instead of its value."""
    faults = [
        Fault(
            origin=source.values[name].origin,
            message=f"{name} cannot be set in an inbox, which may come from somebody else",
            hint=f"take it away here, and use --{name}, ANIME_{name.upper()} or the user's own "
            "file ~/.config/anime/config.toml",
        )
        for name in NEVER_FROM_INBOX
        if name in source.values
    ]
    values = {name: v for name, v in source.values.items() if name not in NEVER_FROM_INBOX}
    return replace(source, values=values, faults=(*source.faults, *faults))


def _read(
    name: str, given: Given, source: Source, names: tuple[str, ...], environ: Mapping[str, str]
) -> Any:
    """The value of one setting, or the fault with it."""
    if name not in names:
        near = nearest(name, names)
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(names)}"
        return Fault(origin=given.origin, message=f"there is no setting {name!r}", hint=hint)
    if name == "models":
        return read_models(given, lambda said: _model(said, source.base, environ))
    if name in _PATHS:
        path = _path(given.value, source.base)
        if path is None:
            return _wrong(name, given, f"the path of {_PATHS[name]}", "")
        return _model(given.value, source.base, environ) if name == "model" else path
    wanted, hint, read = _RULES[name]
    try:
        return read(given.value, given.text)
    except ValueError:
        return _wrong(name, given, wanted, hint)


def _model(said: object, base: Path, environ: Mapping[str, str]) -> Path | None:
    """Where a model stands: at that path, else where `anime pull` put it; None if it is none."""
    path = _path(said, base)
    return path if path is None or path.exists() else pulled(said, environ) or path


def _by_name(said: object, values: Mapping[str, Any]) -> dict[str, Any]:
    """The usual model where the setting names one of the table; what else is said of it counts."""
    named = values.get("models", {}).get(said) if isinstance(said, str) else None
    if named is None:
        return {}
    told = {name: getattr(named.told, name) for name in named.told.__struct_fields__}
    return {"model": named.path} | {k: v for k, v in told.items() if k not in values}


def _wrong(name: str, given: Given, wanted: str, hint: str) -> Fault:
    # A token that is nearly right must not stand in a log.
    shown = "that" if name == "token" else repr(given.value)
    shown = shown if len(shown) <= 60 else f"{shown[:60]}…"
    if isinstance(given.value, str) and not given.text and name in _RULES:
        with suppress(ValueError):
            _RULES[name][2](given.value, True)
            hint = "take the quotes away"
    return Fault(origin=given.origin, message=f"{name} must be {wanted}, not {shown}", hint=hint)


def _path(text: object, base: Path) -> Path | None:
    """A path in full, or None if it is none, such as `~nobody/inbox`."""
    if isinstance(text, Path):
        text = str(text)
    if not isinstance(text, str) or not text.strip() or "\0" in text:
        return None
    with suppress(RuntimeError):
        return Path(os.path.abspath(base / Path(text).expanduser()))
    return None


def _whole(least: int, most: int) -> Callable[[object, bool], int]:
    def read(value: object, text: bool) -> int:
        if text and isinstance(value, str) and re.fullmatch(r"\s*\d{1,9}\s*", value):
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise ValueError
        return value

    return read


def _seconds(value: object, text: bool) -> float:
    if text and isinstance(value, str):
        value = float(value)
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 86_400:
        raise ValueError
    return float(value)


def _flag(value: object, text: bool) -> bool:
    words = {"1": True, "true": True, "yes": True, "on": True}
    words |= {"0": False, "false": False, "no": False, "off": False}
    if text and isinstance(value, str) and value.strip().casefold() in words:
        return words[value.strip().casefold()]
    if not isinstance(value, bool):
        raise ValueError
    return value


def _word(pattern: str) -> Callable[[object, bool], str]:
    def read(value: object, text: bool) -> str:
        if not isinstance(value, str) or not re.fullmatch(pattern, value.strip()):
            raise ValueError
        return value.strip()

    return read


def _names(value: object, text: bool) -> tuple[str, ...]:
    if isinstance(value, str):
        value = [name.strip() for name in value.split(",")]
    if not isinstance(value, list) or not all(
        isinstance(name, str) and re.fullmatch(_NAME, name) for name in value
    ):
        raise ValueError
    return tuple(value)


_NAME = r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]{1,253})(:[1-9][0-9]{0,4})?"
_PATHS = {
    "inbox": "a folder",
    "model": "a folder or a file",
    "vae": "a file",
    "ip_adapter": "a file",
    "image_encoder": "a folder",
}
_RULES: dict[str, tuple[str, str, Callable[[object, bool], Any]]] = {
    "workers": ("a whole number from 1 to 64", "3 is usual", _whole(1, 64)),
    "device": (
        "auto, cpu or cuda",
        "auto takes the GPU if there is one",
        _word("auto|cpu|cuda"),
    ),
    "prediction": (
        "auto, epsilon or v_prediction",
        "auto is what the model says of itself",
        _word("auto|epsilon|v_prediction"),
    ),
    "zero_snr": (
        "auto, yes or no",
        "auto is what the model says of itself",
        _word("auto|yes|no"),
    ),
    "threads": ("a whole number from 0 to 1024", "0 shares the cores out", _whole(0, 1024)),
    "batch": (
        "a whole number from 1 to 16",
        "each worker draws up to so many pictures at once that are alike; it takes more memory",
        _whole(1, 16),
    ),
    "denoising": (
        "a whole number from 0 to 64",
        "so many workers denoise at once, and the others encode, decode and write; 0 is all",
        _whole(0, 64),
    ),
    "start_method": (
        "fork or spawn",
        "fork takes workers from one process that has all imports; with spawn each has its own",
        _word("fork|spawn"),
    ),
    "host": (
        "a host name or an address",
        "127.0.0.1 keeps the page to this machine",
        _word(r"[A-Za-z0-9.:_-]+"),
    ),
    "token": (
        "none, or 16 to 200 letters, digits or any of -._~+/=",
        "openssl rand -hex 16 makes one; none lets everybody in who can reach the page",
        _word(r"none|[A-Za-z0-9._~+/=-]{16,200}"),
    ),
    "names": (
        "names with their ports, such as localhost:9000 or studio.example, a comma between",
        "by these the page may be opened besides its own, behind a tunnel or a proxy",
        _names,
    ),
    "port": ("a whole number from 0 to 65535", "0 takes a free one", _whole(0, 65_535)),
    "grace": ("seconds from 0 to 86400", "60 is usual", _seconds),
    "on_start": (
        "run or paused",
        "paused waits for anime resume, or a start with --on-start run",
        _word("run|paused"),
    ),
    "pause_after": (
        "a whole number from 0 to 1000",
        "so many jobs that fail in a row pause the queue; 0 never does",
        _whole(0, 1000),
    ),
    "unload_after": (
        "minutes from 0 to 100000",
        "with nothing to draw for so long the GPU is given back; 0 never does",
        _whole(0, 100_000),
    ),
    "models_resident": (
        "a whole number from 0 to 64",
        "so many models are held at once; 0 holds as many as fit",
        _whole(0, 64),
    ),
    "previews": (
        "a whole number from 0 to 1000",
        "the page shows a picture as it emerges every so many steps; 0 never does",
        _whole(0, 1000),
    ),
    "cluster": (
        "auto, or the HOST:PORT of a Ray cluster",
        "`ray start` prints it; auto is the one that this machine is a node of",
        _word(r"auto|(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]{1,253}):[1-9][0-9]{0,4}"),
    ),
    "polling": ("true or false", "true is for network folders", _flag),
}
"""Of each setting: what it must be, what may help, and how it is read (value, whether as text)."""


def _error(faults: list[Fault]) -> SettingsError:
    lines = [
        f"{fault.origin}: {fault.message}" + (f"\n  hint: {fault.hint}" if fault.hint else "")
        for fault in faults
    ]
    if len(lines) == 1:
        return SettingsError(f"{faults[0].origin}: {faults[0].message}", faults[0].hint or None)
    return SettingsError("\n".join([f"{len(lines)} settings are wrong:", *lines]))
