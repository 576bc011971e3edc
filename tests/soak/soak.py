"""A production that is lived in: manifests come, change and go, clocks jump, processes are killed.

Owns what is done to it and the judgement at the end. Everything random comes from one seed.
"""

import hashlib
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct
from PIL import Image

from pipeline.core.state import State
from pipeline.history import restore
from tests.faults import frozen
from tests.faults.aftermath import judge, left_in, owed, shared_memory, unowned
from tests.faults.campaign import AGAIN
from tests.processes import Program, gone, write
from tests.soak.meters import Meter

_MOST_JOBS = 40
_BEAT = 0.2
_PROJECT = "kind: project\nname: Soak\nrerender: always\n"
_BIBLE = "kind: character\nname: Aki\nappearance: {hair} hair\n"
_JOB = "kind: job\nprompt: {prompt}\nseed: {seed}\nsteps: 8\nsize: 64x64\ncount: {count}\n{who}"
_WORDS = ("girl", "boy", "red hair", "blue hair", "rain", "city", "night", "smile")


class Verdict(Struct, frozen=True, kw_only=True):
    """What came of it; all but `counts` and `meters` names what is wrong."""

    counts: dict[str, int]
    meters: tuple[str, ...]
    lost: tuple[str, ...]
    double: tuple[str, ...]
    differing: tuple[str, ...]
    growing: tuple[str, ...]

    @property
    def good(self) -> bool:
        return not (self.lost or self.double or self.differing or self.growing)


class Soak:
    """One production under `base`, drawn with the model in the folder `model`."""

    def __init__(self, base: Path, model: Path, *, seed: int, workers: int = 2) -> None:
        self.root, self.calm = base / "lived", base / "calm"
        self.counts: Counter[str] = Counter()
        self._chance = random.Random(seed)
        self._flags = ["--model", str(model), "--workers", str(workers), "--threads", "1"]
        self._clock, self._temporary = base / "clock", base / "tmp"
        self._clock.write_text("0")
        self._temporary.mkdir()
        self._env = {"ANIME_SOAK_CLOCK": str(self._clock), "TMPDIR": str(self._temporary)}
        self._env["XDG_RUNTIME_DIR"] = str(self._temporary)
        self._memory = shared_memory()
        self._jobs: list[str] = []
        self._broken: dict[str, str] = {}
        self._meters = {name: Meter(name) for name in ("runner", "keeper", "worker")}
        self._wrong: list[str] = []
        write(
            self.root, {"project.yaml": _PROJECT, "characters/aki.yaml": _BIBLE.format(hair="red")}
        )

    def run(self, minutes: float, told: Callable[[str], None]) -> Verdict:
        """Live in it for so long, and judge."""
        end, minute = time.monotonic() + 60 * minutes, time.monotonic() + 60
        pause = threading.Event()
        self.program = self._start()
        try:
            while (now := time.monotonic()) < end:
                self._chance.choices(*zip(*self._deeds(), strict=True))[0]()
                self._sample(now)
                if now > minute:
                    minute += 60
                    told(", ".join(f"{count} {name}" for name, count in self.counts.items()))
                pause.wait(self._chance.uniform(0, 4 * _BEAT))
            return self._judge()
        finally:
            self.program.close()

    def _deeds(self) -> list[tuple[Callable[[], None], int]]:
        """What may be done now, and how often compared with the others."""
        return [
            (self._new, 30), (self._edit, 15), (self._remove, 5), (self._bible, 3),
            (self._break, 5), (self._mend, 5), (self._jump, 5), (self._kill_worker, 8),
            (self._kill_keeper, 1), (self._kill_runner, 1),
        ]  # fmt: skip

    def _start(self) -> Program:
        return Program(self.root, *self._flags, env=self._env, module="tests.soak.clocked")

    def _put(self, name: str, text: str) -> None:
        part = self.root / f"{name}.tmp"
        write(self.root, {f"{name}.tmp": text})
        part.replace(self.root / name)

    def _text(self) -> str:
        who = "characters: [aki]\n" if self._chance.random() < 0.3 else ""
        return _JOB.format(
            prompt=", ".join(self._chance.sample(_WORDS, 3)),
            seed=self._chance.randint(1, 10**9),
            count=self._chance.randint(1, 3),
            who=who,
        )

    def _new(self) -> None:
        if len(self._jobs) >= _MOST_JOBS:
            self._remove()
        self.counts["jobs"] += 1
        self._jobs.append(f"scene/job{self.counts['jobs']:05d}.yaml")
        self._put(self._jobs[-1], self._text())

    def _edit(self) -> None:
        sound = [name for name in self._jobs if name not in self._broken]
        if sound:
            self._put(self._chance.choice(sound), self._text())
            self.counts["edits"] += 1

    def _remove(self) -> None:
        if self._jobs:
            name = self._jobs.pop(self._chance.randrange(len(self._jobs)))
            self._broken.pop(name, None)
            (self.root / name).unlink()
            self.counts["edits"] += 1

    def _bible(self) -> None:
        hair = self._chance.choice(("red", "blue", "green", "white"))
        self._put("characters/aki.yaml", _BIBLE.format(hair=hair))
        self.counts["edits"] += 1

    def _break(self) -> None:
        sound = [name for name in self._jobs if name not in self._broken]
        if sound:
            name = self._chance.choice(sound)
            self._broken[name] = (self.root / name).read_text()
            self._put(name, self._broken[name] + "styel: [\n")
            self.counts["edits"] += 1

    def _mend(self) -> None:
        if self._broken:
            name, text = self._broken.popitem()
            self._put(name, text)
            self.counts["edits"] += 1

    def _jump(self) -> None:
        part = self._clock.with_suffix(".part")
        part.write_text(str(self._chance.choice((-86400, -3600, -1, 0, 1, 3600, 86400 * 400))))
        part.replace(self._clock)
        self.counts["clock jumps"] += 1

    def _kill_worker(self) -> None:
        self._kill([pid for pid in self.program.children() if frozen.is_worker(pid)])

    def _kill_keeper(self) -> None:
        keepers = [pid for pid in self.program.children() if frozen.called(pid) == "anime-keeper"]
        family = self.program.children()
        if self._kill(keepers) and not gone(family, 5.0):
            self._wrong.append("a keeper's worker outlived it by 5 s")

    def _kill_runner(self) -> None:
        family = self.program.children()
        self.program.kill()
        self.program.close()
        self.counts["kills"] += 1
        if not gone(family, 5.0):
            self._wrong.append("somebody outlived the runner by 5 s")
        self.program = self._start()

    def _kill(self, pids: list[int]) -> bool:
        # One that has not begun to draw would be killed again and again, and nothing be tested.
        able = [pid for pid in pids if frozen.draws(pid)]
        if able:
            self.counts["kills"] += 1
            frozen.kill(self._chance.choice(able))
        return bool(able)

    def _sample(self, now: float) -> None:
        children = self.program.children()
        self._meters["runner"].sample([self.program.process.pid], now)
        self._meters["keeper"].sample(
            [pid for pid in children if frozen.called(pid) == "anime-keeper"], now
        )
        self._meters["worker"].sample([pid for pid in children if frozen.is_worker(pid)], now)
        if self.program.process.poll() is not None:
            raise AssertionError(f"the program has ended:\n{self.program.log()[-4000:]}")

    def _judge(self) -> Verdict:
        """Mend what is broken, draw the rest, end it, and compare with one undisturbed run."""
        while self._broken:
            self._mend()
        state = self._settled()
        left = [name for name in unowned(self.root, state) if not self._of_one_removed(name, state)]
        self.program.process.send_signal(signal.SIGTERM)
        if self.program.process.wait(60) != 0:
            self._wrong.append(f"it did not end well: {self.program.log()[-2000:]}")
        left += left_in([self._temporary])
        left += [f"/dev/shm/{name}" for name in sorted(shared_memory() - self._memory)]
        after = judge(self.root, {})
        self.counts["pictures"] = after.pictures
        meters = self._meters.values()
        return Verdict(
            counts=dict(self.counts),
            meters=tuple(meter.row() for meter in meters),
            lost=(*after.lost, *after.state, *self._wrong),
            double=after.doubled,
            differing=self._differing(state),
            growing=(*(line for meter in meters for line in meter.grows()), *left),
        )

    def _of_one_removed(self, name: str, state: State) -> bool:
        """Whether it is a picture that was in place when its process was killed, and that nobody
        asks for any more: its manifest is gone, or says another number of them. It stays."""
        key, _, number = name.removesuffix(".png").partition(".")
        job = state.jobs.get(key)
        if job is None or not name.endswith(".png") or not number.isdecimal():
            return False
        removed = job.withdrawn or int(number) > len(job.takes[-1].cells)
        self.counts["late pictures that nobody asks for"] += removed
        return removed

    def _settled(self) -> State:
        """The state once nothing is owed and all that was put in place is known."""
        self._put("scene/last.yaml", self._text())
        deadline, pause = time.monotonic() + AGAIN, threading.Event()
        while time.monotonic() < deadline:
            state = restore(self.root)
            last = state.jobs.get("scene/last")
            if last is not None and last.takes and not owed(state):
                return state
            pause.wait(_BEAT)
        raise TimeoutError(f"still owed: {owed(restore(self.root))}\n{self.program.log()[-2000:]}")

    def _differing(self, state: State) -> tuple[str, ...]:
        """Current pictures that an undisturbed run of the last manifests draws otherwise."""
        for path in self.root.rglob("*.yaml"):
            write(self.calm, {str(path.relative_to(self.root)): path.read_text()})
        calm = Program(self.calm, *self._flags, "--once", env=self._env)
        try:
            code = calm.process.wait(1800)
        finally:
            calm.close()
        if code != 0:
            return (f"the undisturbed run failed:\n{calm.log()[-2000:]}",)
        ours, theirs = _current(self.root, state), _current(self.calm, restore(self.calm))
        both = ours.keys() | theirs.keys()
        return tuple(sorted(str(key) for key in both if ours.get(key) != theirs.get(key)))


def _current(root: Path, state: State) -> dict[tuple[str, int], str]:
    """The pixels, as sha256, of every job in force; the files themselves tell of their takes."""
    found = {}
    for job in state.jobs.values():
        for image in job.takes[-1].images.values() if not job.withdrawn and job.takes else ():
            with Image.open(root / image.file) as picture:
                found[job.key, image.index] = hashlib.sha256(picture.tobytes()).hexdigest()
    return found
