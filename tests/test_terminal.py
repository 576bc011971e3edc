"""The terminal: plain lines where nobody looks, moving bars where somebody does, no markup ever."""

import io
import logging

from pipeline.core import events as e
from pipeline.core.observed import Live, Stepped, WorkerLive
from pipeline.journal import Line
from pipeline.terminal import Terminal
from tests.production import Production

LINE = Line(seq=1, at="2026-01-02T12:00:00.000000Z", v=1, type="x", crc="", raw=b"")


class Tty(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


class Broken(io.StringIO):
    """A stream whose reader has gone."""

    def write(self, text: str) -> int:
        raise BrokenPipeError


def drawn(*texts: tuple[str, str]) -> Production:
    production = Production()
    for file, text in texts:
        production.drop(file, text)
    for task in production.tasks():
        production.paint(task)
    return production


def test_elsewhere_there_are_plain_lines() -> None:
    stream = io.StringIO()
    production = drawn(
        ("a [red].yaml", "kind: job\nprompt: x\n"), ("b.yaml", "kind: job\nstyel: x\nprompt: x\n")
    )
    with Terminal(stream) as terminal:
        terminal.changed(Live(workers=(WorkerLive(name="worker-1", pid=1, phase="idle"),)))
        for event in production.events:
            terminal.recorded(LINE, event)
        terminal.note("page", "http://127.0.0.1:1")
    assert stream.getvalue().splitlines() == [
        "rejected    b.yaml  1 problem",
        "            b.yaml:2:1: a job has no field styel",
        "                styel: x",
        "                ^",
        "                hint: did you mean style?",
        "drawn       a [red].01.png  1.0 s  worker-1",
        "page        http://127.0.0.1:1",
    ]


def test_on_a_terminal_each_worker_has_a_bar() -> None:
    stream = Tty()
    production = Production()
    production.drop("a [b].yaml", "kind: job\nprompt: x\n")
    [task] = production.tasks()
    busy = WorkerLive(name="worker-1", pid=1, phase="rendering", task=task, steps=15)
    idle = WorkerLive(name="worker-2", pid=2, phase="idle")
    with Terminal(stream) as terminal:
        terminal.changed(Live(workers=(busy, idle)))
        terminal.ticked(Stepped(worker="worker-1", task=task, step=7, steps=15))
        terminal.note("page", "x")
    said = stream.getvalue()
    assert "7/15" in said
    assert "a [b].01.png" in said
    assert "worker-2" in said
    assert "0 pictures so far" in said


def test_what_a_job_says_cannot_steer() -> None:
    stream = io.StringIO()
    event = e.RenderFailed(job="a", take=1, index=1, kind="error", error="[red]\x1b[2J\u202e\nx")
    Terminal(stream).recorded(LINE, event)
    assert stream.getvalue() == "failed      a [1]  [red]\\x1b[2J\\u202e\\nx\n"


def test_a_reader_that_has_gone_stops_nothing() -> None:
    with Terminal(Broken()) as terminal:
        terminal.note("page", "x")
        terminal.note("page", "x")


def test_what_matters_of_the_moment_is_said_once() -> None:
    stream = io.StringIO()
    terminal = Terminal(stream)
    for live in (Live(), Live(draining=True), Live(draining=True, inbox_lost="it is gone"), Live()):
        terminal.changed(live)
        terminal.changed(live)
    assert [line.split()[0] for line in stream.getvalue().splitlines()] == [
        "stopping", "lost", "back",
    ]  # fmt: skip


def test_warnings_of_the_program_share_the_lines() -> None:
    stream = io.StringIO()
    log = logging.getLogger("pipeline.test")
    with Terminal(stream).hearing():
        log.warning("%s is odd\x07", "this")
        log.info("not this")
    log.warning("nor this, after it")
    assert stream.getvalue() == "warning     this is odd\\x07\n"
