"""The workers of many machines as the runner sees them: the face of `pipeline.pool.WorkerPool`.

Owns which picture is with whom, what becomes of it when a node is lost, and which models are held.
How orders get to a node is the fleet's, and what a node does with them its station's. Never waits,
but to end; knows no Ray, and never imports torch.
"""

import itertools
import logging
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

from pipeline import __version__
from pipeline.cluster import words as w
from pipeline.cluster.desk import Desk
from pipeline.cluster.fleet import Fleet
from pipeline.cluster.members import Given, Hand, Member, Members, said
from pipeline.cluster.places import FOLDERS, PACKAGE
from pipeline.core import observed as o
from pipeline.core.resolved import Task
from pipeline.modelfiles import ModelFiles
from pipeline.pool.manner import USUAL, Manner
from pipeline.pool.models import ALONE, Models, Several

log = logging.getLogger(__name__)

_MERCY = 2.0
"""Seconds that stations have, beside the grace of their pictures, to say their last word."""
_BEAT = 0.02
"""Seconds between two looks whether they have."""
_WAY: Final = (
    f"copy it to the same path there, or into a folder that {FOLDERS} names there, then retry"
)


class ClusterPool:
    """Arguments as for `pipeline.pool.WorkerPool`, `workers` on each station of the `fleet`.

    A worker is called `NODE:worker-N`; there are as many as stations have, from moment to moment.
    `clock` is CLOCK_MONOTONIC in seconds.
    """

    def __init__(
        self,
        root: Path,
        model: ModelFiles,
        *,
        fleet: Fleet,
        workers: int,
        device: str,
        threads: int,
        wake: Callable[[], None],
        manner: Manner = USUAL,
        several: Several = ALONE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fleet, self._wake, self._clock = fleet, wake, clock
        self._models = Models(model, several)
        self._setup = w.Setup(
            version=__version__, models=(model, *several.others), held=self._models.held,
            workers=workers, device=device, threads=threads, manner=manner, package=PACKAGE,
            weights=dict(several.room.weights), most=several.room.most,
        )  # fmt: skip
        self._desk = Desk(root.resolve(), model.told, wake)
        self._members = Members(several=self._models.several)
        self._numbers = itertools.count(1)
        self._waiting: deque[Task] = deque()
        """What was given back, and goes to whoever else can draw it."""
        self._unsaid: list[o.Report] = []
        self._now = clock()
        """When it was last polled: what a worker takes is the same until the next time."""
        self._stopping = self._closed = self._resting = False
        self._judged = False
        """Whether it is known that nodes can draw, or was told that none can."""

    def start(self) -> None:
        """Begin to open stations; workers are warm some seconds after their node is there."""
        self._fleet.start(self._setup, self._wake)

    def poll(self) -> list[o.Report]:
        """What has happened since the last time, in order; never waits."""
        self._now = now = self._clock()
        reports, self._unsaid = self._unsaid, []
        for post, word in () if self._closed else self._fleet.heard():
            reports += self._gone(post) if word is None else self._heard(post, word, now)
        reports += self._desk.landed()
        reports += self._switched(now)
        reports += self._give_waiting(now)
        return [*reports, *self._all_broken()]

    def step(self, now: float) -> None:
        """Nothing: who is silent for too long, its own station replaces."""

    def free(self) -> tuple[str, ...]:
        """Names of the workers that are idle, and hold what is to be held.

        Where no station has any model each stands for a worker, so that a picture gets its answer:
        that nobody can draw it.
        """
        if self._stopping or self._resting:
            return ()
        well = self._members.well
        if well and all(member.opened and not member.models for member in well):
            return tuple(member.hand("worker-1").name for member in well)
        each = self._members.hands()
        return tuple(hand.name for member, hand in each if self._members.idle(member, hand))

    def takes(self, worker: str, task: Task) -> bool:
        """Whether that worker can draw this; if nobody can, each is to say so."""
        found = self._members.find(worker)
        if found is not None and self._members.able(found[1], task, self._now):
            return True
        return self._members.nobody(task, self._now)

    @property
    def held(self) -> tuple[str, ...]:
        """The models that are to be held, by each station as far as it has them."""
        return self._models.held

    def fits(self, models: tuple[str, ...]) -> bool:
        """Whether these models may be held together, on the smallest device that there is."""
        return self._models.fits(models)

    def hold(self, models: tuple[str, ...]) -> None:
        """Have all stations hold these models and no others, as far as they have them."""
        self._models.change(models, self._clock())
        self._members.turn += 1
        for post in self._members.posts:
            self._order_models(post)

    def submit(self, worker: str, task: Task) -> None:
        """Have a free worker draw a picture. One that no node can draw fails and says why.

        Raises:
            ValueError: the worker is not free, or cannot draw this while another may.
        """
        found = self._members.find(worker)
        if found is None or worker not in self.free() or not self.takes(worker, task):
            raise ValueError(f"{worker} is not free to draw {task.id}")
        if self._members.nobody(task, self._now):
            self._unsaid.append(self._refused(worker, task, self._now))
            self._wake()
        else:
            self._give(found[0], found[2], task)

    def cancel(self, task: str) -> None:
        """Have a picture, by its task's id, stopped after its current step.

        It may still be finished instead; whoever asks again changes nothing.
        """
        for post, member in self._members.posts.items():
            for hand in member.hands.values():
                given = hand.given
                if given is not None and given.task.id == task and not given.unwanted:
                    given.unwanted = True
                    self._fleet.send(post, w.Cancel(number=given.number))
        for waiting in [each for each in self._waiting if each.id == task]:
            self._waiting.remove(waiting)
            self._unsaid.append(o.Stopped(worker="", task=waiting))
            self._wake()

    def rest(self) -> None:
        """Have all stations end the processes that hold the models, until `rouse`.

        Raises:
            ValueError: a worker is drawing.
        """
        if self._waiting or any(hand.given is not None for _, hand in self._members.hands()):
            raise ValueError("a worker is drawing")
        self._resting = True
        for post in self._members.posts:
            self._fleet.send(post, w.Rest())

    def rouse(self) -> None:
        """Have them start again; workers are warm some seconds later."""
        self._resting = False
        for post in self._members.posts:
            self._fleet.send(post, w.Rouse())

    def live(self) -> tuple[o.WorkerLive, ...]:
        """What each worker does at this moment."""
        turn = self._members.turn
        return tuple(
            o.WorkerLive(name=hand.name, phase="unloaded")
            if self._resting
            else hand.live(settled=member.turn == turn)
            for member, hand in self._members.hands()
            if member.works
        )

    def pids(self) -> dict[str, int]:
        """The processes that there are now, on whatever node: a keeper of each station, and each
        worker by name."""
        keepers = {
            f"{member.name}:keeper": member.keeper
            for member in self._members.posts.values()
            if member.keeper is not None
        }
        return keepers | {hand.name: hand.pid for _, hand in self._members.hands() if hand.pid}

    def stop(self, grace: float) -> None:
        """End all stations: pictures stop after their current step, or `grace` seconds from now.

        Whoever wants a picture finished waits for its report before. `poll` still tells what was.
        """
        self._stopping = True
        for post in self._members.posts:
            self._fleet.send(post, w.End(grace=grace))
        deadline = time.monotonic() + grace + _MERCY
        while self._members.posts and time.monotonic() < deadline:
            reports = self.poll()
            self._unsaid += reports
            time.sleep(_BEAT)
        self.kill()

    def kill(self) -> None:
        """End all stations at once; pictures that came are put in place."""
        self._stopping = True
        if not self._closed:
            self._closed = True
            self._fleet.close()
            self._desk.close()

    def _heard(self, post: str, word: w.Word, now: float) -> list[o.Report]:
        if isinstance(word, w.Opening):
            self._members.add(post, self._fleet.name(post))
            return []
        member = self._members.posts.get(post)
        if member is None:
            return []  # It was taken for lost.
        match word:
            case w.Opened():
                self._opened(post, member, word)
            case w.Lives():
                member.said(word)
                if (room := self._members.smallest()) is not None:
                    self._models.measured(*room)
            case w.Warmed(worker=own, pid=pid):
                self._judged = True
                return [o.WorkerWarm(worker=member.hand(own).name, pid=pid)]
            case w.Dead():
                return self._died(member, word)
            case w.Unfit(lack=lack):
                member.unfit(lack)
                log.warning("%s", said(member.name, lack))
            case w.Broke(error=error, hint=hint):
                member.broke(word)
                log.error("%s cannot draw: %s%s", member.name, error, f"; {hint}" if hint else "")
            case w.Ended():
                return self._gone(post)
            case _:
                return self._of_a_picture(member, word, now)
        return []

    def _opened(self, post: str, member: Member, word: w.Opened) -> None:
        member.open(word)
        for lack in word.lacks:
            log.warning("%s; %s", said(member.name, lack), _WAY)
        self._order_models(post)
        if self._resting:
            self._fleet.send(post, w.Rest())
        if self._stopping:
            self._fleet.send(post, w.End(grace=0.0))

    def _order_models(self, post: str) -> None:
        self._fleet.send(post, w.Hold(turn=self._members.turn, models=self._models.held))

    def _of_a_picture(
        self, member: Member,
        word: w.Begun | w.Ticked | w.Drawn | w.Failing | w.Halted | w.Returned, now: float,
    ) -> list[o.Report]:  # fmt: skip
        """What is said of a picture that the station still has; of any other, nothing."""
        hand = _with(member, word.number)
        if hand is None or hand.given is None:
            return []
        given, task = hand.given, hand.given.task
        match word:
            case w.Begun(encoding=encoding):
                # The clock of another machine says nothing here.
                return [o.Began(worker=hand.name, task=task, at=now, encoding=encoding)]
            case w.Ticked(step=step, steps=steps, preview=preview):
                given.step, given.steps = step, steps
                return [
                    o.Stepped(worker=hand.name, task=task, step=step, steps=steps, preview=preview)
                ]
            case w.Drawn():
                hand.done()
                self._desk.land(hand.name, task, word)
            case w.Failing(kind=kind, error=error):
                hand.given = None
                return [o.Failed(worker=hand.name, task=task, kind=kind, error=error)]
            case w.Halted():
                hand.done()
                return [o.Stopped(worker=hand.name, task=task)]
            case w.Returned(lacks=lacks):
                hand.given = None
                return self._returned(member, hand, given, lacks, now)
        return []

    def _returned(
        self, member: Member, hand: Hand, given: Given, lacks: tuple[w.Lack, ...], now: float
    ) -> list[o.Report]:
        member.lacks(lacks, now)
        for lack in lacks:
            log.warning("%s; %s", said(member.name, lack), _WAY)
        if given.unwanted:
            return [o.Stopped(worker=hand.name, task=given.task)]
        self._waiting.append(given.task)
        return []

    def _died(self, member: Member, word: w.Dead) -> list[o.Report]:
        hand = member.hand(word.worker)
        hand.died(word.pid)
        task = None
        if hand.given is not None and hand.given.number == word.number:
            task, hand.given = hand.given.task, None
        return [
            o.Lost(
                worker=hand.name, pid=word.pid, cause=word.cause, detail=word.detail,
                blamed=word.blamed, task=task,
            )
        ]  # fmt: skip

    def _gone(self, post: str) -> list[o.Report]:
        """A station has ended. What it draws others will draw, and what it may still say of that
        means nothing: its post is forgotten."""
        member = self._members.forget(post)
        if member is None or self._stopping:
            return []
        log.warning("%s is gone; what it was drawing is drawn elsewhere", member.name)
        return [
            o.Lost(
                worker=hand.name, pid=hand.pid or 0, cause="node",
                detail=f"{member.name} is gone", blamed=False,
                task=hand.given.task if hand.given is not None else None,
            )
            for hand in member.hands.values()
            if hand.given is not None or hand.pid is not None
        ]  # fmt: skip

    def _give(self, post: str, hand: Hand, task: Task) -> None:
        given = hand.given = Given(next(self._numbers), task)
        self._desk.pack(given.number, hand.own, task, lambda draw: self._fleet.send(post, draw))

    def _give_waiting(self, now: float) -> list[o.Report]:
        """What came back goes to whoever is idle and able; if nobody is able, it fails."""
        reports: list[o.Report] = []
        for task in list(self._waiting):
            if self._members.nobody(task, now):
                self._waiting.remove(task)
                reports.append(self._refused("", task, now))
            elif not self._stopping and (chosen := self._members.chosen(task, now)) is not None:
                self._waiting.remove(task)
                self._give(*chosen, task)
        return reports

    def _refused(self, worker: str, task: Task, now: float) -> o.Failed:
        why = self._members.why_nobody(task, now)
        error = f"no node can draw this: {why}; {_WAY}"
        return o.Failed(worker=worker, task=task, kind="error", error=error)

    def _switched(self, now: float) -> list[o.Report]:
        """That the models which were ordered are there, once a worker can draw with them."""
        for member, hand in self._members.hands():
            if self._members.idle(member, hand) and {*self.held} <= {*member.models}:
                switched = self._models.arrived(now)
                return [switched] if switched is not None else []
        return []

    def _all_broken(self) -> list[o.Report]:
        """Where all nodes that there are cannot draw, and never could, nobody ever will."""
        members = list(self._members.posts.values())
        if self._judged or self._stopping or not members:
            return []
        if not all(member.broken for member in members):
            return []
        self._judged = True
        named = "; ".join(f"{each.name}: {each.broken}" for each in members)
        return [o.Broken(error=f"no node can draw: {named}", hint=members[0].hint)]


def _with(member: Member, number: int) -> Hand | None:
    """Who has the picture of that order."""
    for hand in member.hands.values():
        if hand.given is not None and hand.given.number == number:
            return hand
    return None
