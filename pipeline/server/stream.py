"""The body of `/events`: what a listener missed, then what happens.

Owns the order of frames on one stream: the snapshot, or the facts behind the last one that the
listener has, then facts, ticks and the moment as they come. Reads the journal, in a thread, only
for what the hub no longer remembers; never writes it.
"""

import logging
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import islice, takewhile
from pathlib import Path

from starlette.concurrency import run_in_threadpool

from pipeline.errors import AnimeError
from pipeline.journal import Line, replay
from pipeline.server.hub import Hub, fact, frame
from pipeline.server.topics import ALL, EVERYBODY, Topic, Wants

_CHUNK = 500
_RETRY = b"retry: 1000\n\n"
"""A browser that lost its stream asks again after a second."""
_LATE = b": let go: too far behind; come back with the last id, and nothing is lost\n\n"

_log = logging.getLogger(__name__)


async def stream(
    hub: Hub,
    journal: Path,
    after: int | None,
    *,
    snapshot: Callable[[], bytes],
    live: Callable[[], bytes],
    wants: Wants = ALL,
    topic_of: Callable[[Line], Topic] = lambda _: EVERYBODY,
) -> AsyncIterator[bytes]:
    """The frames for one listener, without end until the hub closes or the listener is let go.

    `after` is the seq of the last fact it has, or None for one that has nothing and is sent the
    snapshot first; so is one that names a fact that has not happened, as that was in another
    journal. `snapshot` and `live` give the present as JSON. Only facts whose `topic_of` it `wants`
    are told; ids stay those of the journal.
    """
    yield _RETRY
    # From here to the first frame nothing is awaited, so that no fact is told twice or missed.
    listener = hub.join(wants)
    try:
        known = hub.seq
        if after is None or after > known:
            yield frame("snapshot", snapshot(), known)
        elif (remembered := hub.since(after, wants)) is not None:
            yield b"".join((*remembered, frame("live", live())))
        else:
            async for lines in _recorded(journal, after, known):
                yield b"".join(fact(line) for line in lines if wants.takes(topic_of(line)))
            yield frame("live", live())
        while (frames := await listener.read()) is not None:
            yield frames
        if listener.late:
            yield _LATE
    finally:
        hub.leave(listener)


async def _recorded(journal: Path, after: int, last: int) -> AsyncIterator[list[Line]]:
    """The journal's lines behind `after` up to `last`, some hundreds at a time."""
    lines = replay(journal)
    seq = after
    try:
        while seq < last and (chunk := await run_in_threadpool(_some, lines, seq, last)):
            yield chunk
            seq = chunk[-1].seq
    except AnimeError as error:
        # The runner finds and says it; a page that gets no more facts still gets the snapshot.
        _log.warning("a page asked for journal lines that cannot be read: %s", error)


def _some(lines: Iterator[Line], after: int, last: int) -> list[Line]:
    wanted = takewhile(lambda line: line.seq <= last, lines)
    return list(islice((line for line in wanted if line.seq > after), _CHUNK))
