"""Who gives a command gets its answer, whichever of the two is first, or none in time."""

import asyncio

from pipeline.core import events as e
from pipeline.server.answers import Answers


def answered(name: str) -> e.CommandAnswered:
    return e.CommandAnswered(command=name, answer=f"done {name}")


def test_an_answer_that_was_there_first_is_had_at_once() -> None:
    async def scene() -> e.CommandAnswered | None:
        answers = Answers()
        answers.heard(answered("a"))
        return await answers.of("a", 0)

    assert asyncio.run(scene()) == answered("a")


def test_an_answer_that_comes_later_is_waited_for() -> None:
    async def scene() -> list[e.CommandAnswered | None]:
        answers = Answers()
        asking = [asyncio.create_task(answers.of(name, 5)) for name in ("a", "b")]
        await asyncio.sleep(0)
        answers.heard(e.QueueResumed())
        answers.heard(answered("b"))
        answers.heard(answered("a"))
        return await asyncio.gather(*asking)

    assert asyncio.run(scene()) == [answered("a"), answered("b")]


def test_without_an_answer_in_time_there_is_none_and_nobody_is_kept() -> None:
    async def scene() -> tuple[e.CommandAnswered | None, e.CommandAnswered | None]:
        answers = Answers(kept=2)
        late = await answers.of("a", 0)
        for name in "abc":
            answers.heard(answered(name))
        return late, await answers.of("a", 0)

    assert asyncio.run(scene()) == (None, None)
