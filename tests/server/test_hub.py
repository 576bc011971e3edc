"""Facts come in order and all of them, or the listener is let go; of ticks only the latest."""

from __future__ import annotations

import asyncio

from pipeline.journal import Line
from pipeline.server.hub import GATHER, Hub, Listener, fact, frame
from pipeline.server.topics import Topic, Wants


def line(seq: int) -> Line:
    raw = b'{"seq":%d}' % seq
    return Line(seq=seq, at="", v=1, type="x", crc="", raw=raw)


def test_a_frame_is_as_the_standard_says() -> None:
    assert frame("tick", b"{}") == b"event: tick\ndata: {}\n\n"
    assert fact(line(7)) == b'id: 7\nevent: fact\ndata: {"seq":7}\n\n'


def test_facts_in_order_and_the_latest_of_each_tick() -> None:
    async def main() -> bytes | None:
        hub = Hub(0)
        listener = hub.join()
        hub.fact(line(1))
        for step in range(500):
            hub.say("task a", b"a%d" % step)
            hub.say("task b", b"b%d" % step)
        hub.fact(line(2))
        return await listener.read()

    assert asyncio.run(main()) == fact(line(1)) + fact(line(2)) + b"a499b499"


def test_a_fact_that_was_told_is_not_told_again() -> None:
    hub = Hub(5)
    hub.fact(line(5))
    hub.fact(line(6))
    assert hub.since(5) == [fact(line(6))]


def test_it_remembers_as_many_as_it_says() -> None:
    hub = Hub(10, recent=3)
    assert hub.since(10) == []
    assert hub.since(9) is None
    for seq in range(11, 16):
        hub.fact(line(seq))
    assert hub.since(15) == []
    assert hub.since(12) == [fact(line(seq)) for seq in (13, 14, 15)]
    assert hub.since(11) is None


def test_one_too_far_behind_is_let_go_and_the_others_are_not() -> None:
    async def main() -> tuple[bytes | None, bytes | None]:
        hub = Hub(0, most=3)
        slow, quick = hub.join(), hub.join()
        for seq in range(1, 4):
            hub.fact(line(seq))
            await quick.read()
        hub.fact(line(4))
        return await slow.read(), await quick.read()

    assert asyncio.run(main()) == (None, fact(line(4)))


def test_closing_ends_every_listener_and_the_next() -> None:
    async def main() -> list[bytes | None]:
        hub = Hub(0)
        waiting = hub.join()
        reading = asyncio.create_task(waiting.read())
        await asyncio.sleep(0)
        hub.close()
        return [await reading, await hub.join().read()]

    assert asyncio.run(main()) == [None, None]


def test_who_left_is_told_nothing() -> None:
    async def main() -> bytes | None:
        hub = Hub(0)
        listener = hub.join()
        hub.leave(listener)
        hub.fact(line(1))
        listener.end()
        return await listener.read()

    assert asyncio.run(main()) is None


def test_each_is_told_what_it_wants_and_what_concerns_all() -> None:
    async def main() -> list[bytes | None]:
        hub = Hub(0)
        by_project, by_job = hub.join(Wants(project="p")), hub.join(Wants(job="p/b"))
        hub.fact(line(1), Topic(job="p/a", project="p"))
        hub.fact(line(2), Topic(job="p/b", project="p"))
        hub.fact(line(3), Topic(nobody=True))
        hub.fact(line(4))
        assert hub.since(0, Wants(job="p/a")) == [fact(line(1)), fact(line(4))]
        assert hub.since(2, Wants(job="p/a")) == [fact(line(4))]
        return [await by_project.read(), await by_job.read()]

    assert asyncio.run(main()) == [
        fact(line(1)) + fact(line(2)) + fact(line(4)),
        fact(line(2)) + fact(line(4)),
    ]


def test_one_that_is_let_go_is_known_to_be_late_and_holds_no_memory() -> None:
    async def main() -> None:
        hub = Hub(0, most=2)
        late = hub.join()
        for seq in range(1, 5):
            hub.fact(line(seq))
        assert late.late
        assert not late._facts
        closed = hub.join()
        hub.close()
        assert not closed.late

    asyncio.run(main())


def test_after_quiet_it_tells_at_once_and_then_of_several_together() -> None:
    async def at_once(listener: Listener) -> bytes | None:
        reading = asyncio.create_task(listener.read())
        await asyncio.sleep(0)
        assert reading.done()
        return reading.result()

    async def main() -> list[bytes | None]:
        hub = Hub(0)
        listener = hub.join()
        hub.fact(line(1))
        told = [await at_once(listener)]
        hub.fact(line(2))
        hub.fact(line(3))
        told.append(await listener.read())
        await asyncio.sleep(2 * GATHER)
        hub.fact(line(4))
        return [*told, await at_once(listener)]

    assert asyncio.run(main()) == [fact(line(1)), fact(line(2)) + fact(line(3)), fact(line(4))]
