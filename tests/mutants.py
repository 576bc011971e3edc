"""The program with one safeguard taken out at a time: does a test notice?

`python -m tests.mutants [NAME…]` makes a copy of the program for each, takes the safeguard out,
runs the tests that should notice, and prints `caught` or `NOT CAUGHT`; the exit code is 1 if one is
not, or if its text no longer stands in the program.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from msgspec import Struct

CLONE = Path(__file__).parents[1]


class Mutant(Struct, frozen=True, kw_only=True):
    """A safeguard: `old` stands once in `file`, and the program without it has `new` there."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


JOURNAL = ("tests/journal/test_writer.py", "tests/journal/test_power.py")
MUTANTS = (
    Mutant(
        name="a batch is not flushed",
        file="pipeline/journal/writer.py",
        old="        try:\n            self._files.fdatasync(self._fd)\n",
        new="        try:\n            pass\n",
        tests=JOURNAL,
    ),
    Mutant(
        name="a batch is acknowledged before it is flushed",
        file="pipeline/journal/writer.py",
        old="        self._flush()\n        last = lines[-1]\n",
        new="        last = lines[-1]\n        self._end = Mark(offset=end.offset + len(data), "
        "seq=last.seq, crc=last.crc)\n        self._acknowledge()\n        self._flush()\n",
        tests=JOURNAL,
    ),
    Mutant(
        name="the journal's name is not flushed",
        file="pipeline/journal/writer.py",
        old="            files.fdatasync(self._fd)\n            files.sync_folder(folder)\n",
        new="            files.fdatasync(self._fd)\n",
        tests=JOURNAL,
    ),
    Mutant(
        name="a segment's name is not flushed before the next file is made",
        file="pipeline/journal/writer.py",
        old="        try:\n            files.sync_folder(folder)\n            try:\n",
        new="        try:\n            try:\n",
        tests=("tests/journal/test_segments.py", "tests/journal/test_power.py"),
    ),
    Mutant(
        name="checksums are not compared",
        file="pipeline/journal/line.py",
        old="    if not raw.endswith(ending):\n",
        new="    if False:\n",
        tests=("tests/journal/test_damage.py", "tests/journal/test_reader.py"),
    ),
    Mutant(
        name="a short write is not taken back",
        file="pipeline/journal/writer.py",
        old="        try:\n            self._files.ftruncate(self._fd, self._end.offset - "
        "self._start.offset)\n        except OSError as error:\n",
        new="        try:\n            pass\n        except OSError as error:\n",
        tests=("tests/journal/test_faults.py",),
    ),
    Mutant(
        name="a failed flush is tried again",
        file="pipeline/journal/writer.py",
        old="        except OSError as error:\n"
        '            trouble = refusal(self.path, "making a batch durable", error)\n',
        new="        except OSError:\n            self._files.fdatasync(self._fd)\n"
        "            return\n        except ArithmeticError as error:\n"
        '            trouble = refusal(self.path, "making a batch durable", OSError(str(error)))\n',
        tests=("tests/journal/test_faults.py", "tests/faults/test_syscalls.py"),
    ),
    Mutant(
        name="what was acknowledged may pass for a torn tail",
        file="pipeline/journal/reader.py",
        old="        if self.good.offset < self._acknowledged.offset:\n",
        new="        if False:\n",
        tests=("tests/journal/test_damage.py",),
    ),
    Mutant(
        name="what is sealed may pass for a torn tail",
        file="pipeline/journal/reader.py",
        old="        elif self.good.offset < self._sealed:\n",
        new="        elif False:\n",
        tests=("tests/journal/test_segments.py",),
    ),
    Mutant(
        name="a torn tail is cut without being kept",
        file="pipeline/journal/writer.py",
        old='        saved = aside.save(self.path, self._fd, offset, "torn", files=files)\n',
        new="        saved = self.path\n",
        tests=("tests/journal/test_writer.py",),
    ),
    Mutant(
        name="two runners may hold one inbox",
        file="pipeline/journal/files.py",
        old="            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)\n",
        new="            pass\n",
        tests=("tests/journal/test_lock.py",),
    ),
    Mutant(
        name="a seal is believed whatever the file holds",
        file="pipeline/journal/seal.py",
        old="        if seal.sum != _sum(now, part):\n            break\n",
        new="",
        tests=("tests/journal/test_seal.py",),
    ),
    Mutant(
        name="a snapshot's own hash is not looked at",
        file="pipeline/kept.py",
        old=" or head.sha256 != sha256(packed).hexdigest()",
        new="",
        tests=("tests/test_snapshot.py",),
    ),
    Mutant(
        name="a snapshot of another journal is believed",
        file="pipeline/kept.py",
        old=" if has(journal, head.mark) else None",
        new="",
        tests=("tests/test_snapshot.py",),
    ),
    Mutant(
        name="what is settled is believed behind what a later snapshot says",
        file="pipeline/settled.py",
        old=" or noted[0].seq < after.seq",
        new="",
        tests=("tests/test_settled.py",),
    ),
    Mutant(
        name="a file counts as known although another was read under its name since",
        file="pipeline/settled.py",
        old="    anew = named | state.rejected.keys()\n",
        new="    anew = set[str]()\n",
        tests=("tests/test_settled.py",),
    ),
    Mutant(
        name="what was recorded and not followed up is taken for settled",
        file="pipeline/settled.py",
        old="        jobs |= reach.jobs\n",
        new="",
        tests=("tests/test_settled.py",),
    ),
    Mutant(
        name="a picture has its name before its bytes are on the disk",
        file="pipeline/pictures.py",
        old="            os.fsync(stream.fileno())\n",
        new="            pass\n",
        tests=("tests/faults/test_durable.py",),
    ),
    Mutant(
        name="a picture is told before its name is on the disk",
        file="pipeline/pictures.py",
        old="            disk.sync_folder(target.parent)\n            return Placed(",
        new="            return Placed(",
        tests=("tests/faults/test_durable.py",),
    ),
    Mutant(
        name="a command's file goes before its answer is on the disk",
        file="pipeline/runner.py",
        old="            self._record(decide(self.state, look))\n",
        new="            self._orders.done(look)\n"
        "            self._record(decide(self.state, look))\n",
        tests=("tests/faults/test_durable.py",),
    ),
    Mutant(
        name="deaths of workers are not counted",
        file="pipeline/core/takes.py",
        old="blamed=job.blamed + 1)",
        new="blamed=job.blamed)",
        tests=("tests/core/test_decide.py",),
    ),
    Mutant(
        name="nothing is looked at but what hints speak of",
        file="pipeline/inbox/watch.py",
        old="        if hinted.everything or self._scanned_at is None or "
        "now >= self._scanned_at + RESCAN:\n",
        new="        if self._scanned_at is None:\n",
        tests=("tests/inbox/test_watch.py",),
    ),
    Mutant(
        name="a process does not notice that its parent is dead",
        file="pipeline/render/birth.py",
        old='    if sys.platform == "linux":\n',
        new="    if False:\n",
        tests=("tests/render/test_birth.py",),
    ),
    Mutant(
        name="a process whose parent died before it looked goes on",
        file="pipeline/render/birth.py",
        old="    if os.getppid() != parent:\n",
        new="    if False:\n",
        tests=("tests/render/test_birth.py",),
    ),
)


def main() -> int:
    """Take each out in turn; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants")
    parser.add_argument("names", nargs="*", metavar="NAME", help="part of a mutant's name")
    asked = parser.parse_args().names
    missed = 0
    for mutant in MUTANTS:
        if asked and not any(name in mutant.name for name in asked):
            continue
        begun = time.monotonic()
        caught = is_caught(mutant)
        missed += not caught
        word = "caught" if caught else "NOT CAUGHT"
        print(f"{word:<10}  {time.monotonic() - begun:5.1f} s  {mutant.name}", flush=True)
    return 1 if missed else 0


def is_caught(mutant: Mutant) -> bool:
    """Whether one of its tests fails without the safeguard; those have to pass with it."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for part in ("pipeline", "tests", "examples", "pyproject.toml"):
            _link(CLONE / part, copy / part)
        file = copy / mutant.file
        text = file.read_text()
        if text.count(mutant.old) != 1:
            print(f"{mutant.file} has it {text.count(mutant.old)} times: {mutant.old!r}")
            return False
        file.unlink()
        file.write_text(text.replace(mutant.old, mutant.new))
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *mutant.tests],
            cwd=copy, env={**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    # 1 is a failed test; any other is no answer.
    if done.returncode not in (0, 1):
        print(done.stdout[-2000:], done.stderr[-2000:], sep="\n")
    return done.returncode == 1


def _link(source: Path, target: Path) -> None:
    """The same files under other names, which costs nothing; only what is replaced differs."""
    if source.is_file():
        os.link(source, target)
        return
    shutil.copytree(
        source, target, copy_function=_hard, ignore=shutil.ignore_patterns("__pycache__")
    )


def _hard(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


if __name__ == "__main__":
    sys.exit(main())
