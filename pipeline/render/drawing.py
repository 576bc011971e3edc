"""What is told of the pictures that are drawn at once: that they begin, their steps, and their ends
where nobody wants them any more.

Owns who of them is still wanted. Never draws.
"""

import time
from collections.abc import Callable, Sequence

from pipeline.core.resolved import Task
from pipeline.wire import Begin, Halted, Message, Step, Waits

_SIGN = 5.0
"""Seconds between two signs of life of one who waits."""


class Halt(Exception):
    """None of the pictures is wanted any longer."""


class Drawing:
    """Pictures that one call of the pipeline draws, in its order. `unwanted` says by the id of a
    task whether it is to be stopped."""

    def __init__(
        self,
        tasks: Sequence[Task],
        unwanted: Callable[[str], bool],
        say: Callable[[Message], None],
    ) -> None:
        self._tasks, self._unwanted, self._say = tasks, unwanted, say
        self._emerged: list[bytes] = []
        self._said_at = time.monotonic()
        self.halted: set[str] = set()
        """Those of whom it was said that they are no longer drawn; as long as others are, their
        share of the work goes on."""

    def waiting(self) -> None:
        """Others denoise now; that it waits for them is said now and then.

        Raises:
            Halt: there is no need to.
        """
        self._heed()
        now = time.monotonic()
        if now >= self._said_at + _SIGN:
            self._said_at = now
            for _, task in self._wanted():
                self._say(Waits(task=task.id))

    def begun(self, encoding: float) -> None:
        """The first call of the UNet comes now, after so many seconds of the text encoder.

        Raises:
            Halt: there is no need of it.
        """
        self._heed()
        at = time.monotonic()
        for _, task in self._wanted():
            self._say(Begin(task=task.id, at=at, encoding=encoding))

    def emerged(self, jpegs: list[bytes]) -> None:
        """What each of them looks like by the step that is told next."""
        self._emerged = jpegs

    def stepped(self, step: int, steps: int) -> None:
        """A step is done.

        Raises:
            Halt: no other is needed.
        """
        emerged, self._emerged = self._emerged, []
        for number, task in self._wanted():
            preview = emerged[number] if emerged else None
            self._say(Step(task=task.id, step=step, steps=steps, preview=preview))
        self._heed()

    def _wanted(self) -> list[tuple[int, Task]]:
        return [each for each in enumerate(self._tasks) if each[1].id not in self.halted]

    def _heed(self) -> None:
        for _, task in self._wanted():
            if self._unwanted(task.id):
                self.halted.add(task.id)
                self._say(Halted(task=task.id))
        if len(self.halted) == len(self._tasks):
            raise Halt
