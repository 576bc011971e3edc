"""Fleets without Ray: one whose stations are real and of this process, one that a test plays."""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

from msgspec.structs import replace

from pipeline.cluster import words as w
from pipeline.cluster.fleet import Heard
from pipeline.cluster.station import Station


class Here:
    """Real stations in threads of this process, by the names of `nodes`, each with its folders of
    weights; what goes in and out does so as bytes."""

    def __init__(self, nodes: dict[str, tuple[Path, ...]], cache: Path | None = None) -> None:
        self._nodes, self._cache = nodes, cache
        self._setup: w.Setup | None = None
        self._wake: Callable[[], None] = lambda: None
        self._heard: deque[Heard] = deque()
        self.stations: dict[str, Station] = {}
        self._lost: set[str] = set()
        self._ears: list[threading.Thread] = []

    def start(self, setup: w.Setup, wake: Callable[[], None]) -> None:
        self._setup, self._wake = setup, wake
        for name in self._nodes:
            self.join(name)

    def heard(self) -> Iterator[Heard]:
        while self._heard:
            yield self._heard.popleft()

    def send(self, post: str, order: w.Order) -> None:
        if post in self.stations:
            self.stations[post].order(w.order_of(w.pack(order)))

    def name(self, post: str) -> str:
        return post.split("#", maxsplit=1)[0]

    def close(self) -> None:
        for post in list(self.stations):
            self.lose(post)
        for ear in self._ears:
            ear.join()

    def join(self, name: str, folders: tuple[Path, ...] = ()) -> str:
        """A node joins; its post."""
        assert self._setup is not None
        post = f"{name}#{len(self._ears)}"
        setup = w.setup_of(w.pack(replace(self._setup, name=name)))
        self._heard.append((post, w.Opening()))
        station = Station(setup, folders=self._nodes.get(name, folders), cache=self._cache)
        self.stations[post] = station
        self._ears.append(threading.Thread(target=self._listen, args=(post, station), daemon=True))
        self._ears[-1].start()
        return post

    def lose(self, post: str) -> None:
        """A node is lost: from now on nothing is heard of it."""
        self._lost.add(post)
        self._heard.append((post, None))
        self._wake()
        station = self.stations.pop(post)
        station.order(w.End(grace=0.0))
        station.join()

    def _listen(self, post: str, station: Station) -> None:
        ended = False
        while not ended:
            for word in w.words_of(w.pack(station.listen(0.5))):
                ended = ended or isinstance(word, w.Ended)
                if post not in self._lost:
                    self._heard.append((post, word))
            self._wake()


class Played:
    """A fleet whose nodes the test plays: it says their words, and has what they were ordered."""

    def __init__(self) -> None:
        self.setup: w.Setup | None = None
        self.ordered: dict[str, list[w.Order]] = {}
        self.closed = False
        self._heard: deque[Heard] = deque()
        self.answer_ends = True

    def start(self, setup: w.Setup, wake: Callable[[], None]) -> None:
        self.setup = setup

    def heard(self) -> Iterator[Heard]:
        while self._heard:
            yield self._heard.popleft()

    def send(self, post: str, order: w.Order) -> None:
        self.ordered.setdefault(post, []).append(order)
        if isinstance(order, w.End) and self.answer_ends:
            self.say(post, w.Ended())

    def name(self, post: str) -> str:
        return post.split("#", maxsplit=1)[0]

    def close(self) -> None:
        self.closed = True

    def say(self, post: str, *words: w.Word | None) -> None:
        self._heard.extend((post, word) for word in words)

    def drawn(self, post: str) -> list[w.Draw]:
        """What a node was ordered to draw, in order."""
        return [each for each in self.ordered.get(post, []) if isinstance(each, w.Draw)]
