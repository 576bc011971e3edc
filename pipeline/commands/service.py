"""`anime service`: one inbox as a service of your own session, by systemd.

Owns the text of the user unit, where it stands, and what is said of it. The unit that ships in
`systemd/user/` is this one for the places its README names. Never touches a unit that it did not
write.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from msgspec import Struct

from pipeline.errors import AnimeError

OURS = "# Written by `anime service install`; run that again rather than change it."
_UNIT = """\
# Runs one inbox of yours, in your home, without root. README.md one folder up says how to install
# it, and anime.service there says why each line is as it is.

[Unit]
Description=Anime production, drawn from manifests

[Service]
# The clone, after `make venv`, and the inbox. %h is your home.
WorkingDirectory={folder}
ExecStart={python} -m pipeline run --inbox {inbox} --grace 60
Type=notify
NotifyAccess=main
TimeoutStartSec=15min
WatchdogSec=3min
KillMode=mixed
TimeoutStopSec=90
Restart=on-failure
RestartSec=5
RestartSteps=6
RestartMaxDelaySec=5min
# 6 is the journal: a failed disk is looked at by a person, not started against again.
RestartPreventExitStatus=2 3 4 6
SuccessExitStatus=130
OOMPolicy=continue
NoNewPrivileges=yes
LockPersonality=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native

[Install]
WantedBy=default.target
"""
_PLAIN = re.compile(r"[A-Za-z0-9_./@:+,=%-]+")

Run = Callable[[Sequence[str]], tuple[int, str]]
"""Runs a command; its exit status and what it printed."""


class NotOurs(AnimeError):
    """A unit of that name is there that somebody else wrote."""

    exit_code: ClassVar[int] = 1


class Service(Struct, frozen=True, kw_only=True):
    """A unit: `state` is systemd's word for it, `absent` without a unit, or `unknown` where systemd
    does not answer. `commands` are those that are left to do by hand."""

    unit: str
    installed: bool
    state: str
    commands: tuple[str, ...] = ()


def unit(*, folder: str, python: str, inbox: str) -> str:
    """The text of the user unit. Paths may begin with `%h`, the home."""
    return _UNIT.format(folder=_quoted(folder), python=_quoted(python), inbox=_quoted(inbox))


def place(environ: Mapping[str, str]) -> Path:
    """Where the unit of a person stands (systemd.unit(5))."""
    config = Path(environ.get("XDG_CONFIG_HOME", ""))
    base = (
        config if config.is_absolute() else Path(environ.get("HOME", "~")).expanduser() / ".config"
    )
    return base / "systemd" / "user" / "anime.service"


def install(inbox: Path, environ: Mapping[str, str], run: Run) -> Service:
    """Write the unit for an inbox and have systemd start it, now and at every login.

    Raises:
        NotOurs: another unit has the name.
        OSError: it cannot be written.
    """
    path = place(environ)
    _refuse_foreign(path)
    # Not resolved: in a virtual environment the link is what finds the packages.
    text = unit(folder=str(Path(__file__).parents[2]), python=sys.executable, inbox=str(inbox))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{OURS}\n{text}")
    return _asked(
        path, run, (("daemon-reload",), ("enable", "--now", "anime"), ("restart", "anime"))
    )


def uninstall(environ: Mapping[str, str], run: Run) -> Service:
    """Stop it and take the unit away; the inbox stays as it is.

    Raises:
        NotOurs: another unit has the name.
    """
    path = place(environ)
    _refuse_foreign(path)
    done = _asked(path, run, (("disable", "--now", "anime"),)) if path.exists() else None
    path.unlink(missing_ok=True)
    left = done.commands if done is not None else ()
    return Service(unit=str(path), installed=False, state="absent", commands=left)


def status(environ: Mapping[str, str], run: Run) -> Service:
    """How it stands."""
    path = place(environ)
    return Service(unit=str(path), installed=path.exists(), state=_state(path, run))


def systemctl(arguments: Sequence[str]) -> tuple[int, str]:
    """`systemctl --user ARGUMENTS`; 127 where there is none."""
    program = shutil.which("systemctl")
    if program is None:
        return 127, "there is no systemctl here"
    command = [program, "--user", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, (done.stdout or done.stderr).strip()


def _asked(path: Path, run: Run, every: Sequence[tuple[str, ...]]) -> Service:
    """Ask systemd in turn; what it does not do is left to the person."""
    for number, arguments in enumerate(every):
        code, _ = run(arguments)
        if code != 0:
            left = tuple(f"systemctl --user {' '.join(each)}" for each in every[number:])
            return Service(unit=str(path), installed=True, state=_state(path, run), commands=left)
    return Service(unit=str(path), installed=True, state=_state(path, run))


def _state(path: Path, run: Run) -> str:
    if not path.exists():
        return "absent"
    _, said = run(("is-active", "anime"))
    word = said.partition("\n")[0]
    return word if word in ("active", "activating", "inactive", "failed") else "unknown"


def _refuse_foreign(path: Path) -> None:
    if path.exists() and not path.read_text(errors="replace").startswith(OURS):
        raise NotOurs(f"{path} was not written by anime", "move it away, or go on with it as it is")


def _quoted(text: str) -> str:
    """A word of a unit's command line (systemd.syntax(7), systemd.service(5))."""
    if _PLAIN.fullmatch(text) and not re.search(r"%(?!h/)", text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"'
