"""What the doctor says of real folders, journals, ports and models: the fault, and the way out."""

import json
import socket
from pathlib import Path

import pytest

from pipeline.core import events as e
from pipeline.doctor import Finding, examine
from pipeline.doctor.folder import file_system, folder
from pipeline.doctor.record import record
from pipeline.settings import Settings, gather
from tests.cli.command import anime
from tests.cli.command import record as journal_of

MOUNTS = """\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:40 / /mnt/my\\040pictures rw - nfs4 server:/pictures rw
31 30 0:41 / /mnt/my\\040pictures/銀 rw,noatime shared:5 master:1 - tmpfs tmpfs rw
"""


def _settings(inbox: Path, **flags: object) -> Settings:
    return gather({"inbox": str(inbox), **flags}, environ={}, cwd=inbox)


def _of(findings: list[Finding], check: str) -> Finding:
    """The worst of what was found of one thing."""
    named = [one for one in findings if one.check == check]
    return max(named, key=lambda one: ("good", "poor", "bad").index(one.verdict))


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/home/me/inbox", "ext4"),
        ("/mnt/my pictures/inbox", "nfs4"),
        ("/mnt/my pictures/銀/inbox", "tmpfs"),
        ("/mnt/my", "ext4"),
    ],
)
def test_the_file_system_is_that_of_the_nearest_mount(path: str, kind: str) -> None:
    assert file_system(Path(path), MOUNTS) == kind
    assert file_system(Path(path), "") is None


def test_a_good_folder_is_good_and_nothing_of_the_look_stays(tmp_path: Path) -> None:
    found = list(folder(tmp_path))
    assert {one.verdict for one in found if one.check != "disk"} == {"good"}
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_bad() -> None:
    """A real one, which root cannot write to either."""
    found = _of(list(folder(Path("/sys/kernel/mm"))), "inbox")
    assert found.verdict == "bad"
    assert "/sys/kernel/mm cannot be written" in found.said
    assert "/sys/kernel/mm" in found.way


def test_git_at_work_and_a_journal_that_git_would_take_are_named(tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "index.lock").touch()
    said = [one for one in folder(inbox) if one.check == "git"]
    assert [one.verdict for one in said] == ["poor", "poor"]
    assert said[0].way == f"if no git runs there, rm {tmp_path}/.git/index.lock"
    assert said[1].way == f"echo .pipeline/ >> {inbox}/.gitignore"
    (tmp_path / ".git" / "index.lock").unlink()
    (inbox / ".gitignore").write_text("# ours\n.pipeline/\n")
    assert [one.verdict for one in folder(inbox) if one.check == "git"] == ["good"]


def test_a_damaged_journal_is_bad_and_says_how_to_mend_it(tmp_path: Path) -> None:
    path = journal_of(tmp_path, [e.QueuePaused(reason=why) for why in ("one", "two", "three")])
    path.write_bytes(path.read_bytes().replace(b"three", b"threw"))
    found = _of(list(record(tmp_path, _settings(tmp_path, port="0"))), "journal")
    assert found.verdict == "bad"
    assert "events.jsonl:3" in found.said
    assert "anime log repair" in found.way


def test_a_port_that_somebody_has_is_bad(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        found = _of(list(record(tmp_path, _settings(tmp_path, port=str(port)))), "port")
    assert found.verdict == "bad"
    assert f"127.0.0.1:{port} cannot be had" in found.said


def test_no_inbox_is_the_first_thing_that_is_said(tmp_path: Path) -> None:
    found = next(examine(_settings(tmp_path / "none")))
    assert (found.check, found.verdict) == ("inbox", "bad")
    assert found.way == f"make one: anime init {tmp_path / 'none'}"


@pytest.mark.process
def test_a_machine_that_can_run_it_is_told_so(tmp_path: Path) -> None:
    """With a real look at torch, and at sharing between two real processes."""
    (tmp_path / "inbox").mkdir()
    done = anime("doctor", "--inbox", "inbox", "--port", "0", "--json", cwd=tmp_path)
    found = {one["check"]: one for one in json.loads(done.stdout)}
    assert done.returncode == 0, done.stdout
    assert found["torch"]["verdict"] == "good"
    assert found["sharing"]["said"].startswith("two processes map the same weights")
    assert found["model"]["said"].endswith("of weights, whole")


@pytest.mark.process
def test_a_machine_that_cannot_is_told_all_of_it_at_once(tmp_path: Path) -> None:
    (tmp_path / "inbox").mkdir()
    (tmp_path / "model").mkdir()
    flags = ("--inbox", "inbox", "--port", "0", "--model", "model", "--device", "cuda")
    done = anime("doctor", *flags, cwd=tmp_path, CUDA_VISIBLE_DEVICES="", ANIME_CLUSTER="auto")
    assert done.returncode == 3
    assert f"BAD   model        model {tmp_path}/model has no model_index.json" in done.stdout
    assert "BAD   device       device is cuda (--device): " in done.stdout
    assert "--device cpu" in done.stdout
    assert "BAD   cluster" in done.stdout
