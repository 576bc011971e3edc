"""The fleet on a Ray cluster: an actor for each GPU or node, heard until it is gone.

Owns every call of Ray, each in a thread of its own, since they block: one counts the nodes, one
sends, one hears. Ray starts actors, gives each its GPU, carries bytes, and tells when a node is
lost. An actor that has died is never started again under its old name: what was ordered of the dead
one must not reach another.
"""

import logging
import os
import queue
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from msgspec.structs import replace

from pipeline.cluster.census import Slot, name_of, slots
from pipeline.cluster.fleet import Heard
from pipeline.cluster.post import MODE, TOKEN, Post
from pipeline.cluster.words import Broke, Ended, Opening, Order, Setup, pack, words_of
from pipeline.errors import AnimeError

log = logging.getLogger(__name__)

CENSUS = 2.0
"""Seconds between two looks at which nodes there are."""
PATIENCE = 5.0
"""Seconds that a station with nothing to say is listened to at once."""
SILENCE = 60.0
"""A station that does not answer for so many seconds is taken for lost."""
SLOW = 60.0
"""Seconds after which it is said that Ray has not started an actor."""
_ROW = 3
"""So many actors in a row that say nothing at a place, and none can be started there."""
_SETBACKS = (2.0, 5.0, 15.0, 60.0)
"""Seconds until a place is tried again whose station was lost, the first time, the second …"""
_DOOR = 5.0
"""Seconds in which a cluster's door has to open."""
_EARS = 0.25
"""Most seconds until a station that was just opened is listened to."""


class NoRay(AnimeError):
    """Ray is not installed."""

    exit_code: ClassVar[int] = 3


class Unprotected(AnimeError):
    """Ray without authentication runs any code for whoever can reach it."""

    exit_code: ClassVar[int] = 2


class CannotReach(AnimeError):
    """There is no such cluster, or it does not let us in."""

    exit_code: ClassVar[int] = 3


def connect(address: str) -> "RayFleet":
    """The fleet of the cluster at `address`, `auto` or `HOST:PORT`; waits until it has answered.

    To be called from the main thread, before it takes its signals: Ray takes SIGTERM.

    Raises:
        Unprotected: this process is not told to use a token.
        NoRay: Ray is not installed.
        CannotReach: the cluster does not answer, or refuses.
    """
    if os.environ.get(MODE) != TOKEN:
        raise Unprotected(
            f"--cluster {address}: Ray is used with token authentication alone, since without it "
            "whoever can reach a node can run any code there",
            f"on every machine: export {MODE}={TOKEN}; make a token on one with "
            "`ray get-auth-token --generate`, and copy ~/.ray/auth_token to the others",
        )
    try:
        import ray
    except ImportError as error:
        raise NoRay(
            f"--cluster {address} needs Ray: {error}", "pip install 'anime-pipeline[cluster]'"
        ) from None
    way = (
        "this machine has to be a node of the cluster, with the same token: "
        "ray start --head here, or ray start --address=HOST:6379"
    )
    try:
        _knock(address)
        ray.init(
            address=address, namespace="anime", log_to_driver=False, configure_logging=False,
            logging_level=logging.WARNING,
        )  # fmt: skip
    except Exception as error:  # Of many kinds; none of them is ours.
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise CannotReach(f"--cluster {address}: {first}", way) from error
    return RayFleet(ray)


def _knock(address: str) -> None:
    """Raise OSError where nobody listens: Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if host:
        socket.create_connection((host.strip("[]"), int(port)), _DOOR).close()


class _Station:
    """One actor: where it is, and what is on its way to and from it."""

    def __init__(self, post: str, slot: Slot, name: str, actor: Any, now: float) -> None:
        self.post, self.slot, self.name, self.actor = post, slot, name, actor
        self.sent = 0
        self.ear: Any = None
        self.asked_at = self.opened_at = now
        self.heard = self.told = False


class RayFleet:
    """The fleet, as `pipeline.cluster.fleet.Fleet`. `ray` is the module, connected; `cast` is the
    class of its actors."""

    def __init__(self, ray: Any, cast: type = Post) -> None:
        self.ray, self._cast = ray, cast
        self._wake: Callable[[], None] = lambda: None
        self._setup: Setup | None = None
        self._lock = threading.Lock()
        self._stations: dict[str, _Station] = {}
        self._names: dict[str, str] = {}
        self._failures: dict[tuple[str, int | None], int] = {}
        self._due: dict[tuple[str, int | None], float] = {}
        self._unborn: dict[tuple[str, int | None], str] = {}
        """The posts of places where no actor could be started, until the next try."""
        self._opened = 0
        self._heard: deque[Heard] = deque()
        self._out: queue.SimpleQueue[tuple[str, Order] | None] = queue.SimpleQueue()
        self._closed = threading.Event()
        self._barren = False
        self._threads = [
            threading.Thread(target=work, name=f"ray-{name}", daemon=True)
            for name, work in (("nodes", self._count), ("out", self._send), ("in", self._listen))
        ]

    def start(self, setup: Setup, wake: Callable[[], None]) -> None:
        self._setup, self._wake = setup, wake
        for thread in self._threads:
            thread.start()

    def heard(self) -> Iterator[Heard]:
        while self._heard:
            yield self._heard.popleft()

    def send(self, post: str, order: Order) -> None:
        self._out.put((post, order))

    def name(self, post: str) -> str:
        return self._names[post]

    def close(self) -> None:
        """All actors are killed: their keepers and workers die with them. Once is enough."""
        if self._closed.is_set():
            return
        self._closed.set()
        self._out.put(None)
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(2 * PATIENCE)
        for station in self._stations.values():
            self._kill(station)
        self.ray.shutdown()

    def _say(self, post: str, *words: Any) -> None:
        self._heard.extend((post, word) for word in words)
        self._wake()

    def _count(self) -> None:
        """See which nodes there are, and open what is not open."""
        while True:
            try:
                found = slots(self.ray.nodes(), self._setup.device if self._setup else "auto")
                self._note(found)
                for place in self._unborn.keys() - {(slot.node, slot.gpu) for slot in found}:
                    self._say(self._unborn.pop(place), None)
                for slot in found:
                    self._open(slot, time.monotonic())
            except Exception as error:  # The cluster may be back at the next look.
                log.warning("the cluster's nodes cannot be listed: %s", error)
            self._complain(time.monotonic())
            if self._closed.wait(CENSUS):
                return

    def _note(self, found: list[Slot]) -> None:
        """Say it once where there is no place for a station."""
        if not found and not self._barren and self._setup is not None:
            want, way = (
                ("GPU", "; --device cpu draws on CPUs")
                if self._setup.device != "cpu"
                else ("CPU", "")
            )
            log.warning("no node of the cluster has a %s yet; one that joins is used%s", want, way)
        self._barren = not found

    def _open(self, slot: Slot, now: float) -> None:
        place = (slot.node, slot.gpu)
        with self._lock:
            taken = {(each.slot.node, each.slot.gpu) for each in self._stations.values()}
            names = {each.name for each in self._stations.values()}
        if place in taken or now < self._due.get(place, 0.0) or self._setup is None:
            return
        if place in self._unborn:
            self._say(self._unborn.pop(place), None)
        self._opened += 1
        name = name_of(slot, names)
        post = f"{name}#{self._opened}"
        strategy = self.ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
            node_id=slot.node, soft=False
        )
        # Else one whose torch finds no GPU would draw on its CPU, which is another picture.
        device = "cpu" if slot.gpu is None else "cuda"
        setup = replace(self._setup, name=name, device=device)
        actor = self.ray.remote(self._cast).options(
            num_gpus=0 if slot.gpu is None else 1, num_cpus=0, max_concurrency=4, max_restarts=0,
            scheduling_strategy=strategy,
        ).remote(pack(setup))  # fmt: skip
        self._names[post] = name
        self._say(post, Opening())
        with self._lock:
            self._stations[post] = _Station(post, slot, name, actor, now)

    def _complain(self, now: float) -> None:
        for station in list(self._stations.values()):
            if not station.heard and not station.told and now - station.opened_at > SLOW:
                station.told = True
                log.warning(
                    "%s: Ray has not started an actor there for %d s; are its GPUs taken?",
                    station.name, SLOW,
                )  # fmt: skip

    def _send(self) -> None:
        while (item := self._out.get()) is not None:
            post, order = item
            station = self._stations.get(post)
            if station is None:
                continue
            station.sent += 1
            try:
                station.actor.order.remote(station.sent, pack(order))
            except Exception as error:  # It is dead, and that is heard too.
                log.info("%s takes no order: %s", station.name, error)

    def _listen(self) -> None:
        while not self._closed.is_set():
            now = time.monotonic()
            with self._lock:
                stations = list(self._stations.values())
            ears = {}
            for station in stations:
                if station.ear is None:
                    station.ear, station.asked_at = self._ask(station), now
                if station.ear is not None:
                    ears[station.ear] = station
            if not ears:
                self._closed.wait(_EARS)
                continue
            ready, waiting = self.ray.wait(list(ears), num_returns=1, timeout=_EARS)
            for ear in ready:
                self._hear(ears[ear])
            for ear in waiting:
                station = ears[ear]
                if station.heard and now - station.asked_at > SILENCE:
                    self._lose(station, f"it has not answered for {SILENCE:.0f} s")

    def _ask(self, station: _Station) -> Any:
        try:
            return station.actor.listen.remote(PATIENCE)
        except Exception as error:
            self._lose(station, str(error))
            return None

    def _hear(self, station: _Station) -> None:
        try:
            words = words_of(self.ray.get(station.ear))
        except Exception as error:  # Of the actor, of its node, or on the way.
            self._lose(station, str(error))
            return
        station.heard, station.ear = True, None
        self._failures.pop((station.slot.node, station.slot.gpu), None)
        if words:
            self._say(station.post, *words)
        if any(isinstance(word, Ended) for word in words):
            self._lose(station, "it has ended")

    def _lose(self, station: _Station, why: str) -> None:
        """It is heard no more, whatever has become of it; its place is tried again later."""
        place = (station.slot.node, station.slot.gpu)
        with self._lock:
            self._stations.pop(station.post, None)
        row = self._failures[place] = self._failures.get(place, 0) + 1
        self._due[place] = time.monotonic() + _SETBACKS[min(row, len(_SETBACKS)) - 1]
        self._kill(station)
        first = next(iter(why.strip().splitlines()), "") or "no reason is known"
        log.log(logging.INFO if station.heard else logging.WARNING, "%s: %s", station.name, first)
        if not station.heard and row >= _ROW and self._lives(station.slot.node):
            self._unborn[place] = station.post
            self._say(station.post, Broke(error=f"no actor can be started there: {first}"))
        else:
            self._say(station.post, None)

    def _lives(self, node: str) -> bool:
        try:
            return any(each["NodeID"] == node and each["Alive"] for each in self.ray.nodes())
        except Exception:
            return False

    def _kill(self, station: _Station) -> None:
        try:
            self.ray.kill(station.actor)
        except Exception as error:  # It is dead already.
            log.debug("%s: %s", station.name, error)
