"""Whose turn it is among models: in the queue's order, without thrashing, and nobody starves."""

from collections.abc import Callable, Iterator

from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.turns import (
    MOST_PASSED,
    MOST_SEEN,
    Draw,
    Due,
    Switch,
    Turns,
    count_switches,
    switched,
    turn,
)

MODELS = "abcd"
_due = st.builds(Due, priority=st.integers(-1, 1), model=st.sampled_from(MODELS))
_queues = st.lists(_due, max_size=120).map(lambda due: sorted(due, key=lambda one: -one.priority))


def _at_most(number: int) -> Callable[[tuple[str, ...]], bool]:
    return lambda models: len(models) <= number


class _Play:
    """The queue drawn to its end, as the runner does it."""

    def __init__(self, queue: list[Due], most: int) -> None:
        self.left = list(enumerate(queue))
        self.drawn: list[int] = []
        self.passed = dict.fromkeys(range(len(queue)), 0)
        """How many that came after it in its own priority were drawn before, by number."""
        self.switches: list[str] = []
        turns = Turns(held=("a",))
        while (move := turn([one for _, one in self.left], turns)) is not None:
            if isinstance(move, Switch):
                assert move.model not in turns.held
                self.switches.append(move.model)
                turns = switched(turns, move.model, _at_most(most))
                assert turns.held[-1] == move.model
                assert len(turns.held) <= most
                continue
            assert isinstance(move, Draw)
            number, one = self.left.pop(move.number)
            assert one.model in turns.held
            for earlier, other in self.left[: move.number]:
                assert other.priority == one.priority
                self.passed[earlier] += 1
            self.drawn.append(number)
            turns = move.turns


@given(_queues, st.integers(1, 4))
def test_everything_is_drawn_once_and_higher_priorities_first(queue: list[Due], most: int) -> None:
    play = _Play(queue, most)
    assert sorted(play.drawn) == list(range(len(queue)))
    priorities = [queue[number].priority for number in play.drawn]
    assert priorities == sorted(priorities, reverse=True)


@given(_queues, st.integers(1, 4))
def test_nothing_thrashes(queue: list[Due], most: int) -> None:
    """Between two switches either so many went before others, or a priority had none left."""
    play = _Play(queue, most)
    levels = {one.priority for one in queue}
    exhausted = sum(len({one.model for one in queue if one.priority == each}) for each in levels)
    assert len(play.switches) <= exhausted + len(queue) // MOST_PASSED


@given(_queues, st.integers(1, 4))
def test_nothing_starves(queue: list[Due], most: int) -> None:
    """At the head of the queue nothing is passed by more than so many; and before it comes to the
    head, only by those that pass whoever is there, for each model once before its own switch."""
    play = _Play(queue, most)
    assert max(play.passed.values(), default=0) <= MOST_PASSED * (len(play.switches) + 1)
    head = 0
    waited = 0
    for number in play.drawn:
        while head in play.drawn[: play.drawn.index(number)]:
            head += 1
            waited = 0
        waited = waited + 1 if number != head else 0
        assert waited <= MOST_PASSED


@given(_queues)
def test_with_all_models_at_hand_the_order_is_the_queues(queue: list[Due]) -> None:
    held = Turns(held=tuple(MODELS))
    drawn = []
    left = list(enumerate(queue))
    while (move := turn([one for _, one in left], held)) is not None:
        assert isinstance(move, Draw)
        drawn.append(left.pop(move.number)[0])
        held = move.turns
    assert drawn == list(range(len(queue)))
    assert held.passed == 0


@given(_queues, st.integers(1, 4))
def test_switches_are_foretold(queue: list[Due], most: int) -> None:
    assert count_switches(queue, Turns(held=("a",)), _at_most(most)) == _Play(queue, most).switches


def test_two_that_alternate_switch_once_in_so_many() -> None:
    queue = [Due(priority=0, model="ab"[number % 2]) for number in range(400)]
    assert len(_Play(queue, 1).switches) <= 400 // MOST_PASSED + 1
    assert _Play(queue[:40], 1).switches == ["b"]


def test_an_earlier_one_waits_for_so_many_and_no_more_though_others_come_without_end() -> None:
    turns, queue = Turns(held=("a",)), [Due(priority=0, model="b")]
    for _ in range(MOST_PASSED):
        move = turn([*queue, *[Due(priority=0, model="a")] * 1000], turns)
        assert isinstance(move, Draw)
        turns = move.turns
    assert turn([*queue, *[Due(priority=0, model="a")] * 1000], turns) == Switch(model="b")


def test_of_a_long_queue_no_more_is_looked_at_than_so_many() -> None:
    looked = 0

    def due() -> Iterator[Due]:
        nonlocal looked
        while True:
            looked += 1
            yield Due(priority=0, model="b")

    assert turn(due(), Turns(held=("a",))) == Switch(model="b")
    assert looked == MOST_SEEN


def test_what_is_urgent_does_not_wait_for_a_model_that_is_at_hand() -> None:
    queue = [Due(priority=5, model="b"), Due(priority=0, model="a")]
    assert turn(queue, Turns(held=("a",))) == Switch(model="b")


def test_the_model_that_was_not_drawn_with_for_longest_goes() -> None:
    turns = Turns(held=("a", "b"))
    move = turn([Due(priority=0, model="a")], turns)
    assert isinstance(move, Draw)
    assert move.turns.held == ("b", "a")
    assert switched(move.turns, "c", _at_most(2)).held == ("a", "c")
    assert switched(move.turns, "c", _at_most(3)).held == ("b", "a", "c")
