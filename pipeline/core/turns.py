"""Whose turn it is where several models draw: what is handed out next, or that another is wanted.

Pure. Owns the promise that nothing thrashes and nothing starves: pictures are drawn in their order,
but while one is at the head whose model is not at hand, up to `MOST_PASSED` of the same priority
whose model is go first, if they are among the next `MOST_SEEN`. So between two switches either so
many were drawn, or none of that priority was left there; and nothing waits for more than so many
that came after it.
"""

from collections import deque
from collections.abc import Callable, Iterable
from itertools import islice

from msgspec import Struct
from msgspec.structs import replace

MOST_PASSED = 24
"""So many pictures go before an earlier one for the sake of their model, from switch to switch."""

MOST_SEEN = 1000
"""So many pictures are looked at: a queue may be long, and this is asked for every picture."""


class Due(Struct, frozen=True, kw_only=True):
    """A picture that may be drawn now: its job's priority, and the sha256 of its model."""

    priority: int
    model: str


class Turns(Struct, frozen=True, kw_only=True):
    """`held` are the models at hand, the one that was drawn with last at the end; `passed` counts
    the pictures since the last switch that went before an earlier one."""

    held: tuple[str, ...]
    passed: int = 0


class Draw(Struct, frozen=True, kw_only=True):
    """The picture of that number, from 0, is next; `turns` is what is so once it is handed out."""

    number: int
    turns: Turns


class Switch(Struct, frozen=True, kw_only=True):
    """Nothing more is handed out until this model is at hand."""

    model: str


def turn(due: Iterable[Due], turns: Turns) -> Draw | Switch | None:
    """What to do for a worker that is free; `due` are the pictures in the order of the queue, of
    which no more are looked at than needed. None where there is none."""
    head: Due | None = None
    for number, one in enumerate(islice(due, MOST_SEEN)):
        if head is None:
            head = one
            if one.model in turns.held:
                return Draw(number=0, turns=_drawn(turns, one.model, passed=0))
            if turns.passed >= MOST_PASSED:
                break
        elif one.priority != head.priority:
            break
        elif one.model in turns.held:
            return Draw(number=number, turns=_drawn(turns, one.model, passed=1))
    return None if head is None else Switch(model=head.model)


def switched(turns: Turns, model: str, fits: Callable[[tuple[str, ...]], bool]) -> Turns:
    """The models at hand once this one is, which always goes in: those that were not drawn with for
    longest leave until `fits` says that the rest and this fit into memory together."""
    kept = tuple(one for one in turns.held if one != model)
    while kept and not fits((*kept, model)):
        kept = kept[1:]
    return Turns(held=(*kept, model))


def count_switches(
    due: Iterable[Due], turns: Turns, fits: Callable[[tuple[str, ...]], bool]
) -> list[str]:
    """The models that would be taken, one after another, until all of that is drawn."""
    left, found = deque(due), list[str]()  # Mostly the first is taken.
    while (move := turn(left, turns)) is not None:
        match move:
            case Draw(number=number):
                del left[number]
                turns = move.turns
            case Switch(model=model):
                found.append(model)
                turns = switched(turns, model, fits)
    return found


def _drawn(turns: Turns, model: str, passed: int) -> Turns:
    if passed == 0 and turns.held[-1:] == (model,):
        return turns
    held = (*(one for one in turns.held if one != model), model)
    return replace(turns, held=held, passed=turns.passed + passed)
