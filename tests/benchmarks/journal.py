"""Durable appends, and folding a journal from its first line, against SQLite doing the same."""

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from pipeline.core import events as e
from pipeline.core.evolve import evolve
from pipeline.core.state import State
from pipeline.history import fold, journal_path
from pipeline.journal import Entry, Journal, replay
from tests.benchmarks.table import Row
from tests.production import Production

ROUNDS, COMMITS = 15, 40
EVENTS = 100_000


def journal(folder: Path, device: str) -> list[Row]:
    """Both in turn on the same disk, in many short rounds."""
    made = _production(EVENTS // 4)
    return [*_appends(folder, made), *_replays(folder, made)]


def _production(jobs: int) -> list[Entry]:
    """What the journal says of so many jobs that were submitted, asked for, begun and drawn."""
    made = Production()
    made.drop("show/project.yaml", "kind: project\nname: Show\nstyle: cyberpunk\n")
    made.drop("show/akira.yaml", "kind: character\nname: Akira\nappearance: [silver hair]\n")
    for number in range(jobs):
        text = f"kind: job\nprompt: rooftop at night, {number}\ncharacters: [akira]\n"
        made.drop(f"show/{number % 100}/{number}.yaml", text)
        for task in made.tasks(1):
            made.paint(task)
    named = map(e.encode, made.events)
    return [Entry(type=name, fields=fields, v=e.VERSION) for name, fields in named]


def _appends(folder: Path, entries: list[Entry]) -> Iterator[Row]:
    """Commits of as many events as there are producers waiting."""
    connection = sqlite3.connect(folder / "appends.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE events (seq INTEGER PRIMARY KEY, at TEXT, fields BLOB)")
    bare = os.open(folder / "bare", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    with Journal.open(folder / "appends", clock=_now) as ours:
        for producers, wanted in ((1, ">= 0.9"), (16, ">= 1.5")):
            batches = [entries[n : n + producers] for n in range(0, COMMITS * producers, producers)]

            def append(batches: list[list[Entry]] = batches) -> None:
                for batch in batches:
                    ours.append(batch)

            def insert(batches: list[list[Entry]] = batches) -> None:
                for batch in batches:
                    at = ours.now()
                    connection.execute("BEGIN")
                    connection.executemany(
                        "INSERT INTO events (at, fields) VALUES (?, ?)",
                        [(at, entry.fields) for entry in batch],
                    )
                    connection.execute("COMMIT")

            size = sum(len(line.raw) + 1 for line in ours.append(batches[0]))

            def write(size: int = size) -> None:
                for _ in range(COMMITS):
                    os.write(bare, bytes(size))
                    os.fdatasync(bare)

            mine, theirs = _in_turn(append, insert, ROUNDS)
            least, _ = _in_turn(write, lambda: None, ROUNDS)
            yield Row(
                what=f"durable appends, {producers} producer{'s' if producers > 1 else ''}",
                against="SQLite, WAL, synchronous=FULL, the same batches",
                figure=theirs / mine,
                wanted=wanted,
                note=f"{len(batches) * producers / mine:,.0f} against "
                f"{len(batches) * producers / theirs:,.0f} events a second; writing and flushing "
                f"as many bytes and nothing else, {len(batches) * producers / least:,.0f}, which "
                f"is {theirs / least:.2f}",
            )
    connection.close()
    os.close(bare)


def _replays(folder: Path, entries: list[Entry]) -> Iterator[Row]:
    """From the first line to the state; SQLite gives the same lines, without a check of them."""
    (folder / "replays").mkdir()
    with Journal.open(folder / "replays" / ".pipeline", clock=_now) as ours:
        for start in range(0, len(entries), 256):
            ours.append(entries[start : start + 256])
    path = journal_path(folder / "replays")
    connection = sqlite3.connect(folder / "replays.db")
    connection.execute("CREATE TABLE events (seq INTEGER PRIMARY KEY, at TEXT, line BLOB)")
    connection.executemany(
        "INSERT INTO events VALUES (?, ?, ?)", ((it.seq, it.at, it.raw) for it in replay(path))
    )
    connection.commit()

    def read() -> None:
        fold(replay(path))

    def select() -> None:
        state = State()
        for seq, at, line in connection.execute("SELECT seq, at, line FROM events ORDER BY seq"):
            evolve(state, seq, at, e.decode(line))

    def decode() -> None:
        for (line,) in connection.execute("SELECT line FROM events"):
            e.decode(line)

    mine, theirs = _in_turn(read, select, 3)
    alone, _ = _in_turn(decode, lambda: None, 3)
    connection.close()
    yield Row(
        what=f"replay of {len(entries):,} events, each verified",
        against="SQLite read, decode and the same fold",
        figure=theirs / mine,
        wanted=">= 2",
        note=f"{len(entries) / mine:,.0f} against {len(entries) / theirs:,.0f} events a second; "
        f"SQLite read and decode alone {len(entries) / alone:,.0f}",
    )


def _in_turn(
    one: Callable[[], None], other: Callable[[], None], rounds: int
) -> tuple[float, float]:
    """The median seconds of each; they take turns, so that both meet the same machine."""
    times: list[tuple[float, float]] = []
    for _ in range(rounds):
        begun = time.perf_counter()
        one()
        middle = time.perf_counter()
        other()
        times.append((middle - begun, time.perf_counter() - middle))
    return median(first for first, _ in times), median(second for _, second in times)


def _now() -> datetime:
    return datetime.now(UTC)
