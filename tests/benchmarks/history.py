"""A long history: what 100,000 finished jobs cost at a start, in memory, and when one comes."""

import gc
import http.client
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

from pipeline.core import events as e
from pipeline.history import PRIVATE
from pipeline.journal import Entry, Journal
from pipeline.settled import SETTLED
from tests.benchmarks.table import Row
from tests.processes import Program
from tests.production import Production

FEW, MANY = 100, 100_000
STARTS = 3
DROPS = 25
LOOK = 1200.0
"""Seconds within which all manifests have been read."""


def history(folder: Path, device: str) -> list[Row]:
    """Starts in turn, then drops in turn into both while they run; the queue is paused, so that
    nothing is drawn meanwhile."""
    few, many = folder / "few", folder / "many"
    _produce(few, FEW)
    _produce(many, MANY)
    _settle(many)
    pages: list[tuple[float, float]] = []
    states: list[tuple[float, float]] = []
    for _ in range(STARTS):
        short, long = (_started(root, close=True) for root in (few, many))
        pages.append((short[1], long[1]))
        states.append((short[2], long[2]))
    low, *_ = _started(few)
    high, *_ = _started(many)
    try:
        first = [_drop(program, 0) for program in (low, high)]
        waits = [(_drop(low, number), _drop(high, number)) for number in range(1, DROPS + 1)]
        peaks = [_peak(program.process.pid) for program in (low, high)]
    finally:
        low.close()
        high.close()
    page, state = median(b for _, b in pages), median(b for _, b in states)
    drop = [median(each) * 1000 for each in zip(*waits, strict=True)]
    return [
        Row(
            what=f"start with {MANY:,} finished jobs, to the page",
            against=f"with {FEW}: {median(a for a, _ in pages):.2f} s",
            figure=page,
            unit="s",
            wanted="<= 1",
            note="from the command to an answer of `/`",
        ),
        Row(
            what="the same, to all that the page shows first",
            against=f"with {FEW}: {median(a for a, _ in states):.2f} s",
            figure=state,
            unit="s",
            wanted="<= 3",
            note="the snapshot of `/events`",
        ),
        Row(
            what="from there until the first drop is on the disk",
            against=f"with {FEW}: {first[0]:.2f} s",
            figure=first[1],
            unit="s",
            note="all that is there has been looked at by then",
        ),
        Row(
            what="memory of the runner, at its most",
            against=f"with {FEW}: {peaks[0] / 1e6:.0f} MB",
            figure=peaks[1] / 1e6,
            unit="MB",
            wanted="<= 500",
            note="VmHWM, page and look at the whole inbox included",
        ),
        Row(
            what=f"one drop into an inbox of {MANY:,} manifests, until it is on the disk",
            against=f"one drop into {FEW}",
            figure=median(b / a for a, b in waits),
            wanted="<= 1.2",
            note=f"{drop[1]:.1f} against {drop[0]:.1f} ms",
        ),
    ]


def _produce(root: Path, jobs: int) -> None:
    """An inbox whose jobs are all drawn, as far as its journal and its manifests tell."""
    made = Production()
    made.drop("anime.toml", 'on_start = "paused"\n')
    made.drop("show/project.yaml", "kind: project\nname: Show\nstyle: cyberpunk\n")
    made.drop("show/akira.yaml", "kind: character\nname: Akira\nappearance: [silver hair]\n")
    gc.disable()  # So much that stays is looked at again and again.
    for number in range(jobs):
        text = f"kind: job\nprompt: rooftop at night, {number}\ncharacters: [akira]\n"
        made.drop(f"show/{number % 100}/{number}.yaml", text)
        for task in made.tasks(1):
            made.paint(task)
    gc.enable()
    for file, text in made.texts.items():
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    with Journal.open(root / ".pipeline", clock=lambda: datetime.now(UTC)) as journal:
        entries = [Entry(type=name, fields=fields, v=e.VERSION)
                   for name, fields in map(e.encode, made.events)]  # fmt: skip
        for start in range(0, len(entries), 1000):
            journal.append(entries[start : start + 1000])


def _settle(root: Path) -> None:
    """Run once until all is read and decided, which the next starts begin with."""
    program = Program(root)
    deadline = time.monotonic() + LOOK
    while not (root / PRIVATE / SETTLED).exists():
        assert program.process.poll() is None, program.log()
        assert time.monotonic() < deadline, "it does not come to rest"
        time.sleep(0.1)
    program.close()


def _started(root: Path, *, close: bool = False) -> tuple[Program, float, float]:
    """The program, and the seconds to its page and to all that the page is told."""
    (root.parent / f"{root.name}.log").unlink(missing_ok=True)
    begun = time.perf_counter()
    program = Program(root)
    while "page " not in program.log():
        assert program.process.poll() is None, program.log()
        time.sleep(0.005)
    address = urlsplit(program.log().partition("page ")[2].split()[0])
    connection = http.client.HTTPConnection(address.hostname or "", address.port)
    connection.request("GET", "/")
    connection.getresponse().read()
    page = time.perf_counter() - begun
    connection.request("GET", "/events")
    answer = connection.getresponse()
    while answer.readline() != b"event: snapshot\n":
        pass
    while answer.readline() != b"\n":
        pass
    state = time.perf_counter() - begun
    connection.close()
    if close:
        program.close()
    return program, page, state


def _drop(program: Program, number: int) -> float:
    """Seconds until a job that is dropped is in the journal."""
    name = f"show/7/new-{number}"
    part, target = program.root / "show/7/.new.tmp", program.root / f"{name}.yaml"
    part.write_text(f"kind: job\nprompt: rain, {number}\ncharacters: [akira]\n")
    program.read()
    begun = time.perf_counter()
    part.replace(target)
    program.until(lambda fact: isinstance(fact, e.JobSubmitted) and fact.key == name, pause=0.0005)
    return time.perf_counter() - begun


def _peak(pid: int) -> int:
    """Bytes that a process held at its most (proc_pid_status(5))."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise ValueError(f"/proc/{pid}/status says nothing of VmHWM")
