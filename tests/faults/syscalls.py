"""Every system call of a run by which something comes onto the disk, killed or failed in turn.

`strace` stops the run at the n-th call of a kind and kills it there, before the call is done, or
lets the call fail with an error that disks give; see strace(1), `inject`. Then the next run, which
nobody disturbs, has to come to the same pictures and the same state as if nothing had happened.

`python -m tests.faults.syscalls` does it at every point and prints what it found.
"""

import argparse
import errno
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from pipeline.core import events as e
from pipeline.core.commands import Hold, Retry
from pipeline.core.state import State
from pipeline.core.status import status
from pipeline.history import event_of, fold, journal_path
from pipeline.journal import damage_of, replay
from pipeline.orders import send

CALLS = (
    "write", "pwrite64", "fsync", "fdatasync", "rename", "renameat", "renameat2", "link",
    "linkat", "unlink", "unlinkat", "ftruncate", "mkdir",
)  # fmt: skip
"""What changes a file, a name, or what of them is on the disk."""
ERRORS = ("EIO", "ENOSPC", "EDQUOT", "EROFS")
CLONE = Path(__file__).parents[2]
JOBS = 12


class Point(Struct, frozen=True, kw_only=True):
    """The n-th call of its kind, from 1, and what becomes of it: `kill`, `short` or an error."""

    call: str
    number: int
    fault: str

    @property
    def flag(self) -> str:
        what = {"kill": "signal=SIGKILL", "short": "retval=10"}
        return f"{self.call}:{what.get(self.fault, f'error={self.fault}')}:when={self.number}"


class Outcome(Struct, frozen=True, kw_only=True):
    """What is seen of an inbox when all is done: pictures by file, and how each job stands."""

    pictures: dict[str, bytes]
    jobs: dict[str, str]
    rejected: tuple[str, ...]


def prepare(inbox: Path, *, edited: bool = False) -> None:
    """A production of twelve jobs, one of them of two pictures, and a manifest that is wrong.

    `edited` is what a person did after the first run: three jobs changed, one removed, the wrong
    manifest mended, another spoilt, one job held by a command. So pictures go to the shelf, and
    errors come and go.
    """
    show = inbox / "show"
    show.mkdir(parents=True, exist_ok=True)
    (show / "project.yaml").write_text("kind: project\nname: Show\nstyle: manga\n")
    (show / "akira.yaml").write_text("kind: character\nname: Akira\nappearance: [red hair]\n")
    for number in range(1, JOBS + 1):
        text = f"kind: job\nprompt: rain {number}\ncharacters: [akira]\nseed: {number}\n"
        text += "count: 2\n" if number == JOBS else ""
        (show / f"j{number}.yaml").write_text(text)
    (show / "bad.yaml").write_text("kind: job\npromt: rain\n")
    if edited:
        for number in (2, 5, JOBS):
            text = f"kind: job\nprompt: snow {number}\nseed: {number}\n"
            (show / f"j{number}.yaml").write_text(text)
        (show / "j3.yaml").unlink()
        (show / "j4.yaml").write_text("kind: job\nprompt: rain\nstyel: manga\n")
        (show / "bad.yaml").write_text("kind: job\nprompt: fog\nseed: 99\n")
        send(inbox, Hold(target="show/j6"), at=1)


def run(inbox: Path, *, strace: Sequence[str] = (), home: Path) -> subprocess.CompletedProcess[str]:
    """One run to its end, under strace if flags for it are given."""
    program = [sys.executable, "-m", "tests.faults.small", str(inbox)]
    command = ["strace", "-qq", "-o", str(home / "strace.log"), *strace, *program]
    return subprocess.run(
        command if strace else program, cwd=CLONE, text=True, capture_output=True, timeout=120,
        check=False, env={**os.environ, "PYTHONPATH": str(CLONE), "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip


def points(start: Path, home: Path, faults: Sequence[str]) -> list[Point]:
    """Every point of an undisturbed run from `start` on, which stays as it is."""
    inbox = copy(start, home)
    done = run(inbox, strace=["-e", f"trace={','.join(CALLS)}"], home=home)
    assert done.returncode in (0, 1), done.stderr
    lines = (home / "strace.log").read_text().splitlines()
    counts = Counter(line.partition("(")[0] for line in lines if "(" in line)
    return [
        Point(call=call, number=number, fault=fault)
        for call in CALLS
        for number in range(1, counts[call] + 1)
        for fault in faults
    ]


def copy(start: Path, home: Path) -> Path:
    """The same inbox once more, at a place of its own."""
    inbox = home / "inbox"
    shutil.rmtree(inbox, ignore_errors=True)
    shutil.copytree(start, inbox, symlinks=True)
    return inbox


def outcome(inbox: Path) -> Outcome:
    """What is there; raises AssertionError for what must never be."""
    path = journal_path(inbox)
    assert damage_of(path) is None
    lines = list(replay(path))
    drawn = [
        (event.job, event.take, event.index)
        for event in map(event_of, lines)
        if isinstance(event, e.ImageRendered | e.ImageReused)
    ]
    assert len(drawn) == len(set(drawn)), "a picture is there twice"
    left = [str(file) for file in inbox.rglob("*.part")]
    assert not left, f"half a file is left: {left}"
    state = fold(lines)
    for job in state.jobs.values():
        for take in job.takes:
            for image in take.images.values():
                assert (inbox / image.file).is_file(), f"{image.file} is gone"
    return Outcome(
        pictures={
            str(file.relative_to(inbox)): file.read_bytes()
            for file in sorted(inbox.rglob("*.png"))
        },
        jobs={key: _told(state, key) for key in sorted(state.jobs)},
        rejected=tuple(
            sorted(str(file.relative_to(inbox)) for file in inbox.rglob("*.error.txt"))
        ),
    )  # fmt: skip


def _told(state: State, key: str) -> str:
    job = state.jobs[key]
    files = [image.file for take in job.takes for image in take.images.values()]
    return f"{status(state, job)} takes {len(job.takes)} {sorted(files)}"


def strike(point: Point, start: Path, wanted: Outcome, home: Path) -> int:
    """Disturb a run at a point, let the next one end it, and look; the exit code of the first.

    Raises:
        AssertionError: something is lost, double or different; the message says what.
    """
    inbox = copy(start, home)
    flags = ["-e", f"trace={point.call}", "-e", f"inject={point.flag}"]
    first = run(inbox, strace=flags, home=home)
    told = b"".join(line.raw + b"\n" for line in replay(journal_path(inbox)))
    if point.fault == "kill":
        assert first.returncode in (-9, 137), f"it was not killed: {first.returncode}"
    else:
        assert first.returncode in (0, 1, 6), f"exit {first.returncode}: {first.stderr}"
        assert "Traceback" not in first.stderr, first.stderr
        if first.returncode == 6:
            assert str(inbox) in first.stderr, "the message does not name the file"
    second = run(inbox, home=home)
    assert second.returncode in (0, 1), f"the next run: {second.returncode} {second.stderr}"
    _retry(inbox, home, point)
    lines = b"".join(line.raw + b"\n" for line in replay(journal_path(inbox)))
    assert lines.startswith(told), "what was in the journal is no longer"
    found = outcome(inbox)
    assert found.jobs == wanted.jobs, _difference(found.jobs, wanted.jobs)
    assert found.rejected == wanted.rejected
    assert found.pictures.keys() == wanted.pictures.keys()
    assert found.pictures == wanted.pictures, "a picture has other bytes"
    return first.returncode


def _retry(inbox: Path, home: Path, point: Point) -> None:
    """A picture that a disk would not take has failed, and says so; a person tries it again."""
    state = fold(replay(journal_path(inbox)))
    failed = [key for key, job in state.jobs.items() if status(state, job) == "failed"]
    if not failed:
        return
    assert point.fault in ("EIO", "EROFS"), f"{failed} failed"
    for key in failed:
        error = next(iter(state.jobs[key].takes[-1].failed.values()))
        assert os.strerror(getattr(errno, point.fault)) in error, error
    send(inbox, Retry(), at=1)
    third = run(inbox, home=home)
    assert third.returncode in (0, 1), f"the run after: {third.returncode} {third.stderr}"


def _difference(found: dict[str, str], wanted: dict[str, str]) -> str:
    return "\n".join(
        f"{key}: {found.get(key)}, wanted {wanted.get(key)}"
        for key in sorted(found.keys() | wanted.keys())
        if found.get(key) != wanted.get(key)
    )


def stages(home: Path) -> Iterator[tuple[str, Path, Outcome]]:
    """The two runs that are disturbed: what they start from, and what they come to."""
    first, second = home / "first", home / "second"
    prepare(first)
    calm = home / "calm"
    shutil.copytree(first, calm)
    assert run(calm, home=home).returncode == 1
    yield "the first run", first, outcome(calm)
    shutil.copytree(calm, second)
    prepare(second, edited=True)
    for file in second.rglob("*.yaml"):
        os.utime(file)
    shutil.rmtree(calm)
    shutil.copytree(second, calm)
    assert run(calm, home=home).returncode == 1
    yield "a run after edits", second, outcome(calm)


def main() -> int:
    """Strike at every point; the exit code is 1 if anything was lost, double or different."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.syscalls")
    parser.add_argument("--every", type=int, default=1, help="only each so many points")
    given = parser.parse_args()
    codes: Counter[tuple[str, str, int]] = Counter()
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        for name, start, wanted in stages(home):
            there = points(start, home, ["kill", *ERRORS])
            for point in there[:: given.every]:
                kind = "kill" if point.fault == "kill" else "error"
                try:
                    codes[name, kind, strike(point, start, wanted, home)] += 1
                except AssertionError as error:
                    wrong.append(f"{name}, {point.flag}: {error}")
                    print(wrong[-1], file=sys.stderr, flush=True)
    for (name, kind, code), count in sorted(codes.items()):
        print(f"{count:>6}  {kind:<5} in {name}, which ended with {code}")
    print(f"{sum(codes.values()) + len(wrong):>6}  points; lost, double or different {len(wrong)}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
