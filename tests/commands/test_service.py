"""`anime service`: the unit as it is written, and a systemd that does or does not answer."""

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from pipeline.commands.service import OURS, NotOurs, install, place, status, uninstall, unit
from tests.cli.command import anime
from tests.test_units import USER


class Systemd:
    """Answers as systemd would, with a record of what it was asked; or not at all."""

    def __init__(self, *, answers: bool = True) -> None:
        self.asked: list[tuple[str, ...]] = []
        self._answers = answers

    def __call__(self, arguments: Sequence[str]) -> tuple[int, str]:
        self.asked.append(tuple(arguments))
        if not self._answers:
            return 1, "Failed to connect to bus: No medium found"
        return 0, "active" if arguments[0] == "is-active" else ""


def test_the_unit_that_ships_is_the_one_that_is_written() -> None:
    text = unit(
        folder="%h/anime-pipeline", python="%h/anime-pipeline/.venv/bin/python",
        inbox="%h/anime/inbox",
    )  # fmt: skip
    assert USER.read_text() == text


def test_it_is_written_for_this_inbox_and_this_python_and_started(tmp_path: Path) -> None:
    systemd = Systemd()
    inbox = tmp_path / 'a "dark" 100% inbox'
    environ = {"HOME": str(tmp_path)}
    done = install(inbox, environ, systemd)
    path = tmp_path / ".config/systemd/user/anime.service"
    assert (done.unit, done.state, done.commands) == (str(path), "active", ())
    assert systemd.asked[:3] == [
        ("daemon-reload",), ("enable", "--now", "anime"), ("restart", "anime"),
    ]  # fmt: skip
    text = path.read_text()
    assert f'--inbox "{tmp_path}/a \\"dark\\" 100%% inbox" --grace 60' in text
    assert f"ExecStart={sys.executable} -m pipeline run" in text
    assert install(inbox, environ, systemd).state == "active", "it may be installed again"


def test_where_systemd_does_not_answer_the_commands_are_said(tmp_path: Path) -> None:
    environ = {"XDG_CONFIG_HOME": str(tmp_path / "config")}
    done = install(tmp_path, environ, Systemd(answers=False))
    assert place(environ) == tmp_path / "config/systemd/user/anime.service"
    assert (done.installed, done.state) == (True, "unknown")
    assert done.commands == (
        "systemctl --user daemon-reload",
        "systemctl --user enable --now anime",
        "systemctl --user restart anime",
    )


def test_it_is_taken_away_and_a_strangers_unit_never_is(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path)}
    systemd = Systemd()
    install(tmp_path, environ, systemd)
    assert not uninstall(environ, systemd).installed
    assert not place(environ).exists()
    assert uninstall(environ, systemd).state == "absent", "it may be taken away again"
    place(environ).write_text("[Service]\nExecStart=/bin/true\n")
    with pytest.raises(NotOurs, match=r"anime\.service was not written by anime"):
        install(tmp_path, environ, systemd)
    with pytest.raises(NotOurs):
        uninstall(environ, systemd)
    assert OURS not in place(environ).read_text()
    assert status(environ, systemd).installed


def test_the_command_says_where_the_unit_is(tmp_path: Path) -> None:
    (tmp_path / "inbox").mkdir()
    done = anime("service", "install", "--inbox", "inbox", cwd=tmp_path)
    assert f"unit    {tmp_path}/.config/systemd/user/anime.service\n" in done.stdout
    assert done.returncode in (0, 1), done.stderr
    assert anime("service", "uninstall", cwd=tmp_path).returncode in (0, 1)
    gone = anime("service", "status", cwd=tmp_path)
    assert (gone.returncode, "state   absent" in gone.stdout) == (1, True)
