"""One thing that was looked at, and how it is. Owns the value."""

from typing import Literal

from msgspec import Struct

Verdict = Literal["good", "poor", "bad"]


class Finding(Struct, frozen=True, kw_only=True):
    """What was found of `check`: `good`; `poor`, a run works and something may go wrong; or `bad`,
    no run can work. `way` is the command or the act that mends it, empty where nothing is wrong."""

    check: str
    verdict: Verdict
    said: str
    way: str = ""


def good(check: str, said: str) -> Finding:
    return Finding(check=check, verdict="good", said=said)


def poor(check: str, said: str, way: str) -> Finding:
    return Finding(check=check, verdict="poor", said=said, way=way)


def bad(check: str, said: str, way: str) -> Finding:
    return Finding(check=check, verdict="bad", said=said, way=way)
