"""`anime log verify`, `anime log repair` and `anime replay`, as a person meets them."""

import json
import os
import shlex
from pathlib import Path

import pytest

from pipeline.core import events as e
from pipeline.history import PRIVATE
from pipeline.journal import Entry, Journal
from tests.cli.command import anime, noon, record
from tests.golden import FOLDER

pytestmark = pytest.mark.process


def _golden(tmp_path: Path) -> Path:
    """An inbox with the golden journal of version 1 as its own; the journal's path."""
    folder = tmp_path / "inbox" / PRIVATE
    folder.mkdir(parents=True)
    (folder / "events.jsonl").write_bytes((FOLDER / "v1.jsonl").read_bytes())
    Journal.open(folder, clock=noon).close()  # Remembers the acknowledged end.
    return folder / "events.jsonl"


def _damaged(tmp_path: Path) -> tuple[Path, int, int]:
    """The same with damage; its path, the damaged line and where that begins."""
    path = _golden(tmp_path)
    data = path.read_bytes()
    at = data.index(b"SIGSEGV")
    path.write_bytes(data[:at] + b"SIGKILL" + data[at + 7 :])
    return path, data[:at].count(b"\n") + 1, data.rindex(b"\n", 0, at) + 1


def test_log_with_nothing_below_it_still_is_the_log(tmp_path: Path) -> None:
    path = _golden(tmp_path)
    assert anime("log", "--json", cwd=tmp_path).stdout.encode() == path.read_bytes()
    assert anime("log", "--follow", "verify", cwd=tmp_path).returncode == 2


def test_a_whole_journal_is_verified(tmp_path: Path) -> None:
    path = _golden(tmp_path)
    done = anime("log", "verify", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        f"journal    {path}\nwhole      53 lines, 15,180 bytes, up to 2026-11-22 09:37:04\n"
    )
    said = json.loads(
        anime("log", "--inbox", path.parents[1], "verify", "--json", cwd=Path("/")).stdout
    )
    assert (said["lines"], said["bytes"], said["trouble"]) == (53, 15_180, None)


def test_an_inbox_without_a_journal_is_whole(tmp_path: Path) -> None:
    (tmp_path / "inbox").mkdir()
    assert "0 lines, 0 bytes\n" in anime("log", "verify", cwd=tmp_path).stdout
    assert "nothing to mend" in anime("log", "repair", "--yes", cwd=tmp_path).stdout


def test_a_torn_tail_is_said_and_is_no_damage(tmp_path: Path) -> None:
    path = _golden(tmp_path)
    with path.open("ab") as file:
        file.write(b'{"seq":54,"at":"20')
    done = anime("log", "verify", cwd=tmp_path)
    assert done.returncode == 0
    assert "torn       18 bytes from byte 15180: line 54: it has no end" in done.stdout


def test_damage_is_verified_with_its_place_and_the_way_out(tmp_path: Path) -> None:
    path, line, offset = _damaged(tmp_path)
    done = anime("log", "verify", cwd=tmp_path)
    assert done.returncode == 6
    assert f"damaged    {path}:{line} (byte {offset}): it is not the line" in done.stdout
    assert f"anime log repair --inbox {shlex.quote(str(tmp_path / 'inbox'))}" in done.stdout
    said = json.loads(anime("log", "verify", "--json", cwd=tmp_path).stdout)
    assert (said["trouble"]["kind"], said["trouble"]["line"]) == ("damaged", line)
    assert said["trouble"]["offset"] == said["bytes"] == offset
    status = anime("status", cwd=tmp_path)
    assert (status.returncode, status.stdout) == (6, "")
    assert "anime log repair" in status.stderr


def test_repair_says_what_it_would_do_and_does_nothing(tmp_path: Path) -> None:
    path, line, offset = _damaged(tmp_path)
    data, names = path.read_bytes(), sorted(os.listdir(path.parent))
    done = anime("log", "repair", cwd=tmp_path)
    assert done.returncode == 1
    assert f"damaged    events.jsonl:{line} (byte {offset}): it is not the line" in done.stdout
    assert f"stays      {line - 1} lines, {offset:,} bytes\n" in done.stdout
    assert f"goes       {len(data) - offset:,} bytes from byte {offset}: 1 worker_lost, 1 " in (
        done.stdout
    )
    assert f"lost       {54 - line} lines of those that were acknowledged\n" in done.stdout
    assert done.stdout.endswith("with --yes what goes is set aside in a file beside\n")
    assert (path.read_bytes(), sorted(os.listdir(path.parent))) == (data, names)


def test_repair_with_yes_sets_aside_and_the_production_goes_on(tmp_path: Path) -> None:
    path, line, offset = _damaged(tmp_path)
    data = path.read_bytes()
    done = anime("log", "repair", "--yes", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"kept as    {path}.damaged-1\n" in done.stdout
    assert f"kept as    {path.with_name('acknowledged')}.damaged-1\n" in done.stdout
    assert path.read_bytes() == data[:offset]
    assert Path(f"{path}.damaged-1").read_bytes() == data[offset:]
    assert anime("log", "verify", cwd=tmp_path).returncode == 0
    assert json.loads(anime("status", "--json", cwd=tmp_path).stdout)["seq"] == line - 1
    again = json.loads(anime("log", "repair", "--yes", "--json", cwd=tmp_path).stdout)
    assert (again["damage"], again["done"]) == (None, False)


@pytest.mark.parametrize("flags", [(), ("--yes",)])
def test_repair_refuses_while_a_runner_holds_the_inbox(
    tmp_path: Path, flags: tuple[str, ...]
) -> None:
    record(tmp_path / "inbox", [e.QueuePaused(reason="tea"), e.QueueResumed()])
    with Journal.open(tmp_path / "inbox" / PRIVATE, clock=noon) as journal:
        data = journal.path.read_bytes().replace(b"tea", b"sea")
        journal.path.write_bytes(data)
        done = anime("log", "repair", *flags, cwd=tmp_path)
        assert done.returncode == 4
        assert f"held by the runner with pid {os.getpid()}" in done.stderr
        assert journal.path.read_bytes() == data
        assert anime("log", "verify", cwd=tmp_path).returncode == 6


def test_a_newer_programs_journal_is_refused_and_never_mended(tmp_path: Path) -> None:
    folder = tmp_path / "inbox" / PRIVATE
    folder.parent.mkdir()
    with Journal.open(folder, clock=noon) as journal:
        for _ in range(3):
            journal.append([Entry(type="queue_resumed", fields=b'{"louder":1}', v=e.VERSION + 1)])
        path, data = journal.path, journal.path.read_bytes()
    for command in (("log", "verify"), ("status",), ("log",), ("run", "--once")):
        done = anime(*command, cwd=tmp_path)
        assert done.returncode == 6
        said = done.stdout + done.stderr
        assert f"line 1 is a 'queue_resumed' (version {e.VERSION + 1}) that a newer anime" in said
        assert "use the version that wrote it, or a newer one" in said
        assert path.read_bytes() == data
    assert "nothing to mend" in anime("log", "repair", "--yes", cwd=tmp_path).stdout
    path.write_bytes(data[:-30] + b"x" + data[-29:])
    assert anime("log", "repair", "--yes", cwd=tmp_path).returncode == 6
    assert len(path.read_bytes()) == len(data)


def test_replay_shows_the_state_of_then(tmp_path: Path) -> None:
    _golden(tmp_path)
    done = anime("replay", "--at", "2026-11-22 09:06", cwd=tmp_path)
    assert (
        "as of     line 7 of the journal, 2026-11-22 09:06:00\njobs      1 queued\n" in done.stdout
    )
    said = json.loads(anime("replay", "--at", "7", "--json", cwd=tmp_path).stdout)
    assert (said["seq"], said["finished"], said["runner"]) == (7, 1, None)
    assert anime("replay", "--at", "54", cwd=tmp_path).returncode == 2
    assert anime("replay", "--at", "soon", cwd=tmp_path).returncode == 2
    assert anime("replay", cwd=tmp_path).returncode == 2
