"""The stations as the head knows them, by what they said last: who is free, who lacks what.

Owns the mirror: what is known of each worker, and which pictures a station can draw as far as that
is known. Never speaks to a station: the pool does. Times are CLOCK_MONOTONIC in seconds.
"""

from collections.abc import Iterable, Iterator, Mapping

from pipeline.cluster import words as w
from pipeline.cluster.needs import digests_of
from pipeline.core.observed import WorkerLive
from pipeline.core.resolved import Task

FORGOTTEN = 60.0
"""Seconds after which a node is asked again for what it did not have."""


class Given:
    """A picture that a worker was ordered to draw."""

    def __init__(self, number: int, task: Task) -> None:
        self.number, self.task = number, task
        self.unwanted = False
        self.step = self.steps = 0


class Hand:
    """One worker: `own` is its name on its node, `name` the one that everybody else knows."""

    def __init__(self, station: str, own: str) -> None:
        self.own, self.name = own, f"{station}:{own}"
        self.pid: int | None = None
        self.given: Given | None = None
        self._phase: w.Phase = "starting"

    @property
    def idle(self) -> bool:
        """Whether it could be given a picture, as far as it is concerned."""
        return self.given is None and self._phase == "idle"

    def live(self, *, settled: bool) -> WorkerLive:
        """What it does; none is idle whose station has not heard what is to be held."""
        if self.given is not None:
            return WorkerLive(
                name=self.name, pid=self.pid, phase="rendering", task=self.given.task,
                step=self.given.step, steps=self.given.steps,
            )  # fmt: skip
        # One that draws nothing of ours any more will say so itself.
        phase: w.Phase = "idle" if self._phase == "rendering" else self._phase
        if phase == "idle" and not settled:
            phase = "switching"
        return WorkerLive(name=self.name, pid=self.pid, phase=phase)

    def said(self, one: w.OnePhase) -> None:
        self._phase, self.pid = one.phase, one.pid

    def done(self) -> Given | None:
        """It is through with its picture, and can have another."""
        given, self.given, self._phase = self.given, None, "idle"
        return given

    def died(self, pid: int) -> None:
        """That process is dead."""
        if self.pid == pid:
            self._phase, self.pid = "starting", None


class Member:
    """One station: `opened` once it has told its models, `broken` by what, where nothing can be
    drawn there."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.opened = False
        self.broken = self.hint = ""
        self.models: tuple[str, ...] = ()
        self.keeper: int | None = None
        self.hands: dict[str, Hand] = {}
        self.room: tuple[int, int] | None = None
        """Bytes free, and bytes of each weight."""
        self.turn = -1
        """Of the last order of models that it has heard."""
        self._models_lacking: dict[str, w.Lack] = {}
        self._lacking: dict[str, tuple[float, w.Lack]] = {}

    @property
    def works(self) -> bool:
        """Whether it has workers, or will have them."""
        return self.opened and not self.broken and bool(self.models)

    def hand(self, own: str) -> Hand:
        return self.hands.setdefault(own, Hand(self.name, own))

    def open(self, word: w.Opened) -> None:
        self.opened, self.broken, self.models = True, "", word.models
        self._models_lacking = {lack.sha256: lack for lack in word.lacks}

    def said(self, word: w.Lives) -> None:
        """The workers are so now."""
        self.turn, self.keeper = word.turn, word.keeper
        self.room = (word.free, word.each) if word.free else None
        for one in word.workers:
            self.hand(one.name).said(one)

    def broke(self, word: w.Broke) -> None:
        """Nobody draws there now."""
        self.broken, self.hint, self.keeper = word.error, word.hint, None

    def lacks(self, lacks: Iterable[w.Lack], now: float) -> None:
        """It does not have these weights."""
        for lack in lacks:
            self._lacking[lack.sha256] = (now + FORGOTTEN, lack)

    def unfit(self, lack: w.Lack) -> None:
        """A model cannot be loaded there, in this run."""
        self.models = tuple(each for each in self.models if each != lack.sha256)
        self._models_lacking[lack.sha256] = lack

    def able(self, task: Task, now: float, *, several: bool) -> bool:
        """Whether it can draw this, as far as is known."""
        if not self.works or (several and task.resolved.model not in self.models):
            return False
        return not self._lacking or not any(self._missing(task, now))

    def why_not(self, task: Task, now: float, *, several: bool) -> list[str]:
        """What is in the way of that, for people."""
        if self.broken:
            return [f"{self.name} cannot draw: {self.broken}"]
        model = task.resolved.model
        lacking = [
            lack for sha256, lack in self._models_lacking.items() if not several or sha256 == model
        ]
        return [said(self.name, lack) for lack in (*lacking, *self._missing(task, now))]

    def _missing(self, task: Task, now: float) -> Iterator[w.Lack]:
        for sha256 in digests_of(task):
            until, lack = self._lacking.get(sha256, (0.0, None))
            if lack is not None and until > now:
                yield lack


class Members:
    """All stations there are, by post, in the order in which they were heard of; `several` is
    whether there are several models. `turn` counts the orders of models."""

    def __init__(self, *, several: bool) -> None:
        self.several = several
        self.turn = 0
        self._members: dict[str, Member] = {}
        self._posts: dict[str, str] = {}

    @property
    def posts(self) -> Mapping[str, Member]:
        return self._members

    def add(self, post: str, name: str) -> None:
        """There is to be a station."""
        self._members[post] = Member(name)
        self._posts[name] = post

    def forget(self, post: str) -> Member | None:
        """It is not there any more; None if it never was."""
        member = self._members.pop(post, None)
        if member is not None and self._posts.get(member.name) == post:
            del self._posts[member.name]
        return member

    def hands(self) -> Iterator[tuple[Member, Hand]]:
        for member in self._members.values():
            for hand in member.hands.values():
                yield member, hand

    def find(self, worker: str) -> tuple[str, Member, Hand] | None:
        """Whose worker that is, by the name that everybody knows."""
        station, _, own = worker.rpartition(":")
        post = self._posts.get(station)
        member = self._members.get(post or "")
        hand = member.hands.get(own) if member is not None else None
        return None if post is None or member is None or hand is None else (post, member, hand)

    def idle(self, member: Member, hand: Hand) -> bool:
        """Whether it can be given a picture now."""
        return member.works and member.turn == self.turn and hand.idle

    def able(self, member: Member, task: Task, now: float) -> bool:
        return member.able(task, now, several=self.several)

    def nobody(self, task: Task, now: float) -> bool:
        """Whether all stations that are well said what they can do, and that is not among it."""
        well = self.well
        return (
            bool(well)
            and all(member.opened for member in well)
            and not any(self.able(member, task, now) for member in well)
        )

    @property
    def well(self) -> list[Member]:
        """All but those that cannot draw anything, as they may again later."""
        return [member for member in self._members.values() if not member.broken]

    def chosen(self, task: Task, now: float) -> tuple[str, Hand] | None:
        """An idle worker that can draw this, and its post."""
        for post, member in self._members.items():
            if self.able(member, task, now):
                for hand in member.hands.values():
                    if self.idle(member, hand):
                        return post, hand
        return None

    def why_nobody(self, task: Task, now: float) -> str:
        """Why no station can draw this, for people."""
        return "; ".join(
            why
            for member in self._members.values()
            for why in member.why_not(task, now, several=self.several)
        )

    def smallest(self) -> tuple[int, int] | None:
        """Bytes that are free, and bytes of each weight, of the smallest device, if known."""
        rooms = [each.room for each in self._members.values() if each.room is not None]
        return min(rooms) if rooms else None


def said(station: str, lack: w.Lack) -> str:
    """That a node does not have something, in words."""
    return f"{station} has no {lack.called} of sha256 {lack.sha256[:12]} ({lack.why})"
