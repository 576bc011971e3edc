"""A command on its way from the command line to the runner, and the answer on its way back.

Owns what is refused at once, how long an answer is waited for, and what is said without one. Writes
nothing but the command's file.
"""

import time
from pathlib import Path

from msgspec.structs import replace

from pipeline import orders
from pipeline.commands.checking import ANY_MODEL
from pipeline.commands.planning import rehearsed
from pipeline.commands.standing import holder
from pipeline.core import commands as c
from pipeline.core import events as e
from pipeline.core.obey import obey
from pipeline.core.state import State
from pipeline.errors import AnimeError
from pipeline.history import PRIVATE, event_of, journal_path, restore
from pipeline.journal import Tail

PATIENCE = 5.0
"""Seconds that an answer is waited for."""
POLL = 0.05
"""Seconds between two looks at the journal."""

LATER = "no runner is up; at the next start: {}"
SLOW = "the runner has not answered yet; it will do it when it can"


class Refused(AnimeError):
    """The command cannot be obeyed: nothing has that name, or there is no such take."""


def give(inbox: Path, command: c.Command, *, seconds: float = PATIENCE) -> str:
    """Give a command and wait for its answer, if a runner is there to give one; what to say.

    Raises:
        Refused: it cannot be obeyed; where the journal and the manifests show that already, no
            file is written.
        NotYetRun: the inbox has no journal.
        JournalDamaged, JournalFailed, UnknownEvent: the journal cannot be read.
    """
    command = _by_key(inbox, command)
    state = restore(inbox)
    running = holder(inbox / PRIVATE) is not None
    expected = _expected(inbox, state, command, running=running)
    name = orders.send(inbox, command, at=time.time_ns())
    if not running:
        return LATER.format(expected)
    answer = _answer(Tail(journal_path(inbox), after=state.seq), name, seconds)
    if answer is None:
        return SLOW
    if answer.refused:
        raise Refused(answer.answer, answer.hint or None)
    return answer.answer


def _by_key(inbox: Path, command: c.Command) -> c.Command:
    """The command with a manifest's path, as a shell completes it, made relative to the inbox."""
    match command:
        case (
            c.Prioritise(job=name)
            | c.Restore(job=name)
            | c.Approve(job=name)
            | c.Reject(job=name)
            | c.Unjudge(job=name)
        ):
            return replace(command, job=key_of(inbox, name))
        case c.Pause() | c.Resume():
            return command
        case _ if command.target is not None:
            return replace(command, target=key_of(inbox, command.target))
        case _:
            return command


def key_of(inbox: Path, name: str) -> str:
    """A manifest's path as seen from here, as the inbox sees it; any other name as it is."""
    path = Path.cwd() / name
    if name.endswith((".yaml", ".yml")) and path.is_file() and path.is_relative_to(inbox):
        return path.relative_to(inbox).as_posix()
    return name


def _expected(inbox: Path, state: State, command: c.Command, *, running: bool) -> str:
    """What the answer would be now.

    What the manifests say and no runner has seen yet is not in the journal: without a runner they
    are asked at once, with one before anything is refused.
    """
    known = state if running else _as_at_start(inbox, state)
    answer = _last(obey(known, "", command))
    if answer is not None and answer.refused and running:
        answer = _last(obey(_as_at_start(inbox, state), "", command))
    if answer is None:
        return f"{_word(command)} as asked"
    if answer.refused:
        raise Refused(answer.answer, answer.hint or None)
    return answer.answer


def _as_at_start(inbox: Path, state: State) -> State:
    """The state that the next start of a runner would come to."""
    return rehearsed(
        inbox,
        state.model or ANY_MODEL,
        workers=state.workers,
        models=tuple(state.models.values()),
        reference_model=state.reference_model,
    )


def _word(command: c.Command) -> str:
    return type(command).__name__.casefold()


def _last(events: list[e.Event]) -> e.CommandAnswered | None:
    answers = [event for event in events if isinstance(event, e.CommandAnswered)]
    return answers[-1] if answers else None


def _answer(tail: Tail, name: str, seconds: float) -> e.CommandAnswered | None:
    deadline = time.monotonic() + seconds
    while True:
        for line in tail.read():
            event = event_of(line)
            if isinstance(event, e.CommandAnswered) and event.command == name:
                return event
        if time.monotonic() > deadline:
            return None
        time.sleep(POLL)
