"""The units that ship: systemd reads them without a word, and they say what the program does."""

import re
import shutil
import subprocess
from configparser import RawConfigParser
from pathlib import Path

import pytest

from pipeline.journal import InboxHeld, JournalFailed
from pipeline.settings import SettingsError
from pipeline.weights import ModelError

FOLDER = Path(__file__).parents[1] / "systemd"
SYSTEM, USER = FOLDER / "anime.service", FOLDER / "user" / "anime.service"
WORST = 2.5
"""Exposure, as systemd-analyze reckons it, from 0 (sealed) to 10."""

_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)


def _service(unit: Path) -> dict[str, str]:
    parser = RawConfigParser(strict=False, allow_no_value=True)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string(unit.read_text())
    return dict(parser["Service"])


@pytest.mark.parametrize("unit", [SYSTEM, USER], ids=["system", "user"])
def test_what_a_start_cannot_mend_is_not_started_again(unit: Path) -> None:
    codes = {error.exit_code for error in (SettingsError, ModelError, InboxHeld, JournalFailed)}
    assert {int(code) for code in _service(unit)["RestartPreventExitStatus"].split()} == codes


@pytest.mark.parametrize("unit", [SYSTEM, USER], ids=["system", "user"])
def test_a_stop_has_time_for_the_pictures_in_work(unit: Path) -> None:
    service = _service(unit)
    grace = re.search(r"--grace (\d+)", service["ExecStart"])
    assert grace is not None
    assert int(service["TimeoutStopSec"]) > int(grace[1]) + 10
    assert (service["Type"], service["NotifyAccess"]) == ("notify", "main")


@_systemd
@pytest.mark.parametrize("unit", [SYSTEM, USER], ids=["system", "user"])
def test_systemd_reads_it_without_a_word(unit: Path, tmp_path: Path) -> None:
    """With a program that is there, and without the two lines that older ones do not know."""
    lines = [
        line
        for line in unit.read_text().splitlines()
        if not line.startswith(("RestartSteps=", "RestartMaxDelaySec="))
    ]
    text = re.sub(r"(?m)^ExecStart=\S+", f"ExecStart={shutil.which('true')}", "\n".join(lines))
    copy = tmp_path / "anime.service"
    copy.write_text(re.sub(r"(?m)^(RequiresMountsFor|WorkingDirectory)=.*", r"\1=/", text))
    command = ["systemd-analyze", "verify", "--man=no", str(copy)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    said = [line for line in done.stderr.splitlines() if "anime.service" in line]
    assert said == []


@_systemd
def test_the_system_unit_is_sealed_as_far_as_a_gpu_allows(tmp_path: Path) -> None:
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(SYSTEM)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    assert found is not None, done.stderr
    assert float(found[1]) <= WORST
