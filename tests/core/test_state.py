"""The state as values: a copy goes its own way."""

import msgspec

from pipeline.core.evolve import evolve
from pipeline.core.state import State
from pipeline.history import event_of
from pipeline.journal import replay
from tests.golden import TODAY


def test_a_copy_is_the_same_and_folds_by_itself() -> None:
    """At every place of a journal in which everything happens: the rest, folded into the copy,
    changes nothing of what it was made from."""
    lines = list(replay(TODAY))
    state = State()
    for number, line in enumerate(lines):
        evolve(state, line.seq, line.at, event_of(line))
        before = msgspec.json.encode(state)
        copy = state.copy()
        assert msgspec.json.encode(copy) == before
        for later in lines[number + 1 :]:
            evolve(copy, later.seq, later.at, event_of(later))
        assert msgspec.json.encode(state) == before
