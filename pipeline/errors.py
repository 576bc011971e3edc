"""The one root of every error this program raises on purpose.

Owns the shape: a message that names the offender, the value and the place, a hint that names
the way out, and the exit code of the command that ends by it. Leaves stand beside the code that
raises them, never here.
"""

from __future__ import annotations

from typing import ClassVar


class AnimeError(Exception):
    """Something a person can act on.

    `message` says what is wrong and where; `hint`, if there is one, what to do about it.
    `exit_code` is the process's exit status when the error ends a command: 1 findings or
    failures, 2 usage, 3 environment, 4 the inbox is held by another runner, 6 the journal is
    damaged or cannot be written.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message if self.hint is None else f"{self.message}\n  hint: {self.hint}"
