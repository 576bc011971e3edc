"""The timeline says what ran when on which worker, and how each picture ended."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pipeline.core import events as e
from pipeline.core.manifest import Job
from pipeline.server.night import Fold, Night, Story
from tests.server.productions import MADE, MODEL, Production, entry, noon

START = e.RunnerStarted(version="0", model=MODEL, workers=3, device="cpu", pid=1)


def began(job: str, worker: str = "worker-1", index: int = 1) -> e.RenderStarted:
    return e.RenderStarted(job=job, take=1, index=index, worker=worker)


def drawn(job: str, index: int = 1) -> e.ImageRendered:
    return e.ImageRendered(
        job=job, take=1, index=index, seed=1, file=f"{job}.png", sha256="0" * 64, seconds=1.0,
        worker="worker-1", made=MADE,
    )  # fmt: skip


def failed(job: str) -> e.RenderFailed:
    return e.RenderFailed(job=job, take=1, index=1, kind="error", error="no such tensor")


def lost(worker: str, job: str | None = None) -> e.WorkerLost:
    return e.WorkerLost(
        worker=worker, pid=7, cause="out_of_memory", detail="killed by the kernel", blamed=True,
        job=job, take=None if job is None else 1, index=None if job is None else 1,
    )  # fmt: skip


def ends(*facts: e.Event) -> list[tuple[str, str, str, str | None, str]]:
    """Worker, job, begin, end and how of each span, after these facts at 1, 2 and so on."""
    fold = Fold()
    for at, fact in enumerate(facts, start=1):
        fold.fold(str(at), fact)
    return [
        (span.worker, span.job, span.began, span.ended, span.how)
        for span in (*fold.spans, *fold.open.values())
    ]


def test_a_picture_is_drawn_from_its_begin_to_its_end() -> None:
    assert ends(START, began("a"), began("b", "worker-2"), drawn("a"), drawn("b")) == [
        ("worker-1", "a", "2", "4", "drawn"),
        ("worker-2", "b", "3", "5", "drawn"),
    ]


def test_what_is_being_drawn_has_no_end() -> None:
    assert ends(began("a")) == [("worker-1", "a", "1", None, "drawing")]


def test_what_failed_or_was_lost_says_so() -> None:
    facts = (began("a"), failed("a"), began("b"), lost("worker-1", "b"))
    assert ends(*facts) == [
        ("worker-1", "a", "1", "2", "failed"),
        ("worker-1", "b", "3", "4", "lost"),
    ]
    fold = Fold()
    for fact in facts:
        fold.fold("at", fact)
    told = [(trouble.worker, trouble.job, trouble.text) for trouble in fold.troubles]
    assert told == [
        ("worker-1", "a", "no such tensor"),
        ("worker-1", "b", "out of memory: killed by the kernel"),
    ]


def test_a_program_that_was_killed_lost_what_it_drew_at_its_last_sign_of_life() -> None:
    assert ends(START, began("a"), began("b", "worker-2"), drawn("b"), START) == [
        ("worker-2", "b", "3", "4", "drawn"),
        ("worker-1", "a", "2", "4", "lost"),
    ]


def test_what_is_no_longer_asked_for_was_stopped() -> None:
    assert ends(began("a"), e.JobCancelled(job="a"), began("b"), began("c")) == [
        ("worker-1", "a", "1", "2", "stopped"),
        ("worker-1", "b", "3", "4", "stopped"),
        ("worker-1", "c", "4", None, "drawing"),
    ]


def test_the_journal_is_read_up_to_the_begin_and_what_comes_later_is_told(tmp_path: Path) -> None:
    later: tuple[e.Event, ...] = (began("a", index=2), drawn("a", 2))
    with Production(tmp_path) as made:
        made.begin()
        task = made.task(made.job("a.yaml", Job(prompt="beach", count=2)))
        made.start_drawing(task)
        made.finish(task)
        before = made.journal.seq
        night = Night(made.path, before)
        second = made.task("a")
        lines = made.journal.append([entry(fact) for fact in later])
        for line, fact in zip(lines, later, strict=True):
            night.heard(line.seq, line.at, fact, line.type)
        night.heard(before, lines[0].at, began("z"), "render_started")
        story = asyncio.run(told(night, noon(), 1.0))
    assert [(span.job, span.index, span.how) for span in story.spans] == [
        ("a", 1, "drawn"),
        ("a", second.index, "drawn"),
    ]
    assert len(story.starts) == 1


def test_only_what_is_asked_for_is_told(tmp_path: Path) -> None:
    with Production(tmp_path) as made:
        made.begin()
        task = made.task(made.job("a.yaml", Job(prompt="beach")))
        made.start_drawing(task)
        made.finish(task)
        night = Night(made.path, made.journal.seq)
        story = asyncio.run(told(night, noon() + timedelta(hours=3), 2.0))
    assert (story.spans, story.starts) == ((), ())
    assert story.last is not None
    assert datetime.fromisoformat(story.last) == noon()
    assert datetime.fromisoformat(story.now) == datetime(2026, 11, 22, 15, 0, 0, 123456, tzinfo=UTC)


async def told(night: Night, now: datetime, hours: float) -> Story:
    return await night.story(now, hours)


def test_what_went_wrong_stands_at_its_picture() -> None:
    fold = Fold()
    facts: tuple[e.Event, ...] = (
        began("a"), failed("a"), began("b"), lost("worker-1", "b"), began("c"), START,
    )  # fmt: skip
    for at, fact in enumerate(facts, start=1):
        fold.fold(str(at), fact)
    assert [span.why for span in fold.spans] == [
        "no such tensor", "out of memory: killed by the kernel",
        "the program ended before it was done",
    ]  # fmt: skip
