"""The order of a run's system calls: nothing is told or forgotten before it is on the disk."""

import re
import shutil
from collections.abc import Iterator

import pytest

from tests.faults.syscalls import CALLS, prepare, run

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed"),
]

_CALL = re.compile(r"(?P<call>\w+)\((?P<said>.*)\)\s+= (?P<result>-?\d+)")
_FILE = re.compile(r"^\d+<(?P<path>[^>]*)>")
_NAMES = re.compile(r'"((?:[^"\\]|\\.)*)"')

Call = tuple[str, list[str]]
"""A call that succeeded, and the paths it was given."""


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> list[Call]:
    """Those of two runs: twelve jobs, and what a person then changed of them."""
    home = tmp_path_factory.mktemp("durable")
    inbox = home / "inbox"
    found: list[Call] = []
    for edited in (False, True):
        prepare(inbox, edited=edited)
        run(inbox, strace=["-y", "-s", "0", "-e", f"trace={','.join(CALLS)}"], home=home)
        found += list(_calls((home / "strace.log").read_text().replace(str(inbox), "")))
    return found


def _calls(log: str) -> Iterator[Call]:
    for line in log.splitlines():
        match = _CALL.match(line)
        if match is None or int(match["result"]) < 0:
            continue
        file = _FILE.match(match["said"])
        yield match["call"], [file["path"]] if file else _NAMES.findall(match["said"])


def _folder(path: str) -> str:
    return path.rpartition("/")[0]


def test_the_journal_is_flushed_after_every_write_and_before_it_is_acknowledged(
    calls: list[Call],
) -> None:
    mine = [
        call
        for call, paths in calls
        if paths[0] in ("/.pipeline/events.jsonl", "/.pipeline/acknowledged")
    ]
    assert mine.count("write") > 10
    text = " ".join(mine)
    assert re.fullmatch(r"(fdatasync pwrite64 (write fdatasync pwrite64 ?)+)+", text + " "), text


def test_the_private_folder_is_on_the_disk_before_anything_in_it_counts(calls: list[Call]) -> None:
    made = calls.index(("mkdir", ["/.pipeline"]))
    first = next(n for n, (call, paths) in enumerate(calls) if paths == ["/.pipeline/acknowledged"])
    between = calls[made:first]
    assert ("fsync", [""]) in between, "the inbox"
    journal = between.index(("fdatasync", ["/.pipeline/events.jsonl"]))
    assert ("fsync", ["/.pipeline"]) in between[journal:], "the folder that has the journal's name"


def test_a_picture_is_on_the_disk_before_it_has_its_name(calls: list[Call]) -> None:
    """And before anything is said of it, so is the name."""
    placed = 0
    for number, (call, paths) in enumerate(calls):
        if call not in ("link", "rename") or not paths[-1].endswith(".png"):
            continue
        placed += 1
        source, target = paths
        if source.endswith(".part"):
            written = max(
                n for n, (c, p) in enumerate(calls[:number]) if c == "write" and p == [source]
            )
            assert ("fsync", [source]) in calls[written:number], f"{target} before its bytes"
        told = next(
            n for n, (c, p) in enumerate(calls[number:], number)
            if c == "write" and p == ["/.pipeline/events.jsonl"]
        )  # fmt: skip
        assert ("fsync", [_folder(target)]) in calls[number:told], f"{target} is told too early"
    assert placed > 13


def test_a_picture_leaves_its_place_only_when_it_stands_elsewhere_on_the_disk(
    calls: list[Call],
) -> None:
    removed = 0
    for number, (call, paths) in enumerate(calls):
        if call != "unlink" or not paths[0].endswith(".png"):
            continue
        removed += 1
        linked = max(
            n
            for n, (c, p) in enumerate(calls[:number])
            if c in ("link", "rename") and paths[0] in p
        )
        elsewhere = _folder(calls[linked][1][-1])
        assert ("fsync", [elsewhere]) in calls[linked:number]
    assert removed > 0


def test_a_command_goes_only_when_its_answer_is_on_the_disk(calls: list[Call]) -> None:
    gone = [
        n for n, (call, paths) in enumerate(calls)
        if call == "unlink" and paths[0].startswith("/.pipeline/commands/")
        and paths[0].endswith(".json")
    ]  # fmt: skip
    assert gone
    for number in gone:
        journal = [c for c, p in calls[:number] if p == ["/.pipeline/events.jsonl"]]
        assert journal[-1] == "fdatasync"
