"""The state machine: a person, a pool and a disk that do what they like to one inbox.

`python -m tests.faults.machine --examples N --steps M` runs it and says how many steps it made.
"""

import argparse
import hashlib
import shutil
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from pipeline.core import commands as c
from pipeline.orders import send
from tests.faults.world import World

JOBS = ("show/a.yaml", "show/b.yaml", "c.yaml")
KEYS = ("show/a", "show/b", "c")
BIBLE = "show/akira.yaml"
PROJECT = "show/project.yaml"
BROKEN = "kind: job\npromt: rain\n"

files = st.sampled_from(JOBS)
keys = st.sampled_from(KEYS)
targets = st.one_of(keys, st.none())
commands: st.SearchStrategy[c.Command] = st.one_of(
    st.builds(c.Cancel, target=targets),
    st.builds(c.Hold, target=targets),
    st.builds(c.Release, target=targets),
    st.builds(c.Retry, target=targets),
    st.builds(c.Pause),
    st.builds(c.Resume),
    st.builds(c.Restore, job=keys, take=st.integers(1, 3)),
    st.builds(c.Redraw, target=targets),
    st.builds(c.Render, target=targets, stale=st.booleans()),
    st.builds(c.Prioritise, job=keys, priority=st.integers(-2, 2)),
)


class Machine(RuleBasedStateMachine):
    """Every rule does one thing; the world turns in rules of its own, or in the midst of them."""

    steps: ClassVar[dict[str, int]] = {}

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="anime-machine-"))
        self.world = World(self.folder / "inbox")
        self.removed: dict[str, bytes] = {}
        self.given = 0

    def _count(self, name: str) -> None:
        Machine.steps[name] = Machine.steps.get(name, 0) + 1

    def _put(self, file: str, data: bytes) -> None:
        path = self.world.root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.tmp")
        part.write_bytes(data)
        part.replace(path)

    @rule(
        file=files,
        words=st.sampled_from(("rain", "snow", "wind")),
        count=st.integers(1, 3),
        akira=st.booleans(),
        rests=st.booleans(),
    )
    def submit_or_edit(self, file: str, words: str, count: int, akira: bool, rests: bool) -> None:
        self._count("submit or edit")
        figure = "characters: [akira]\n" if akira and file.startswith("show/") else ""
        text = f"kind: job\nprompt: {words}\ncount: {count}\n{figure}"
        self._put(file, text.encode())
        if rests:
            self.world.rest()

    @rule(look=st.sampled_from(("red hair", "blue hair")), steps=st.integers(10, 12))
    def edit_the_bible(self, look: str, steps: int) -> None:
        self._count("edit the bible")
        self._put(BIBLE, f"kind: character\nname: akira\nappearance: {look}\n".encode())
        self._put(PROJECT, f"kind: project\nname: Show\ndefaults:\n  steps: {steps}\n".encode())

    @rule(file=st.sampled_from((*JOBS, BIBLE, PROJECT)))
    def remove(self, file: str) -> None:
        self._count("remove")
        path = self.world.root / file
        if path.exists():
            self.removed[file] = path.read_bytes()
            path.unlink()

    @rule()
    def bring_back(self) -> None:
        self._count("bring back")
        while self.removed:
            self._put(*self.removed.popitem())

    @rule(file=files)
    def break_it(self, file: str) -> None:
        self._count("break")
        self._put(file, BROKEN.encode())

    @rule(file=files)
    def mend(self, file: str) -> None:
        self._count("mend")
        path = self.world.root / file
        if path.exists() and path.read_bytes() == BROKEN.encode():
            self._put(file, b"kind: job\nprompt: mended\n")

    @rule(said=commands)
    def command(self, said: c.Command) -> None:
        self._count("command")
        self.given += 1
        send(self.world.root, said, at=self.given)

    @rule(patient=st.booleans())
    def draw_at_once_or_not(self, patient: bool) -> None:
        self._count("pace")
        self.world.running()
        self.world.pool.patient = patient

    @rule(number=st.integers(1, 3), blamed=st.booleans())
    def worker_dies(self, number: int, blamed: bool) -> None:
        self._count("worker dies")
        self.world.running()
        self.world.pool.lose(f"worker-{number}", "crash", blamed=blamed)

    @rule(job=keys, kind=st.sampled_from(("error", "out_of_memory", "disk_full")))
    def worker_fails(self, job: str, kind: str) -> None:
        self._count(f"worker fails: {kind}")
        self.world.running()
        self.world.pool.fail(job, kind=kind)  # type: ignore[arg-type]

    @rule()
    def kill(self) -> None:
        self._count("kill")
        if self.world.runner is not None:
            self.world.die()

    @rule(calls=st.integers(0, 12), share=st.floats(0.0, 1.0))
    def kill_in_the_midst(self, calls: int, share: float) -> None:
        """At a write, which may leave a torn tail, or before a flush."""
        self._count("kill at a write or flush")
        self.world.running()
        self.world.files.left, self.world.files.share = calls, share
        if self.world.rest():
            self.world.files.left = None

    @rule(room=st.integers(0, 300))
    def disk_full(self, room: int) -> None:
        self._count("disk full")
        runner = self.world.running()
        runner.stop()  # One that goes on waits for room; this one is to end.
        self.world.files.room = room
        if self.world.rest():
            self.world.die()

    @rule(seconds=st.integers(-100_000, 100_000))
    def clock_jumps(self, seconds: int) -> None:
        self._count("clock jumps")
        self.world.clock += timedelta(seconds=seconds)

    @rule()
    def keep_snapshot(self) -> None:
        self._count("kept snapshot")
        self.world.keep()

    @rule()
    def start_from_what_is_settled(self) -> None:
        if self.world.rest():
            self._count("start from what is settled")
            self.world.keep()
            self.world.die()

    @rule()
    def lose_snapshot(self) -> None:
        self._count("lost snapshot")
        shutil.rmtree(self.world.root / ".pipeline/cache", ignore_errors=True)

    @rule(number=st.integers(0, 5))
    def take_a_picture_away(self, number: int) -> None:
        self._count("picture taken away")
        there = sorted(self.world.root.rglob("*.png"))
        if number < len(there):
            self.world.taken.add(self._sha256(there[number]))
            there[number].unlink()

    @rule(seconds=st.sampled_from((0.01, 0.1, 1.0, 61.0)))
    def step(self, seconds: float) -> None:
        self._count("step")
        self.world.step(seconds)

    @rule()
    def rest(self) -> None:
        self._count("rest")
        if self.world.rest() and not self.world.pool.patient:
            self.world.check_pictures()

    @invariant()
    def nothing_is_lost(self) -> None:
        self.world.check()

    def teardown(self) -> None:
        try:
            self._end()
        finally:
            if self.world.runner is not None:
                self.world.die()
            shutil.rmtree(self.folder)

    def _end(self) -> None:
        """Everything mended and a new start: it comes to rest, and says what a fresh inbox does."""
        for file in JOBS:
            self.mend(file)
        if self.world.runner is not None:
            self.world.die()
        assert self.world.rest()
        self.world.check()
        self.world.check_pictures()
        fresh = self.folder / "fresh"
        other = self._copied(fresh)
        try:
            assert other.rest()
            assert self.world.declared() == other.declared()
        finally:
            other.die()

    def _copied(self, fresh: Path) -> World:
        world = World(fresh)
        world.pool.patient = True
        for path in sorted(self.world.root.rglob("*.yaml")):
            target = fresh / path.relative_to(self.world.root)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
        return world

    @staticmethod
    def _sha256(path: Path) -> str:
        return hashlib.sha256(path.read_bytes()).hexdigest()


def run(examples: int, steps: int, *, steady: bool, shrink: bool = True) -> None:
    """Run the machine; raises what it finds."""
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            derandomize=steady,
            database=None,
            deadline=None,
            phases=(Phase.explicit, Phase.generate, *((Phase.shrink,) if shrink else ())),
            suppress_health_check=list(HealthCheck),
        ),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=100)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--shrink", action="store_true", help="look for the shortest failure")
    asked = parser.parse_args()
    begun = time.monotonic()
    run(asked.examples, asked.steps, steady=False, shrink=asked.shrink)
    for name, times in sorted(Machine.steps.items()):
        print(f"{times:7} {name}")
    print(f"{sum(Machine.steps.values()):7} steps in {time.monotonic() - begun:.0f} s, 0 lost")


if __name__ == "__main__":
    main()
