"""Jobs that a snapshot leaves out: finished ones, a page at a time, or one by its id.

Owns what `/api/jobs` may be asked for, and which jobs it lets through. Looks at the state only, as
far back as the board does for one question.
"""

from collections.abc import Callable, Mapping

from msgspec import Struct
from starlette.datastructures import QueryParams

from pipeline.core.state import JobState
from pipeline.server.board import Board, cursor
from pipeline.server.catalogue import When
from pipeline.server.refusal import Refused
from pipeline.server.view import JobsPage

MOST = 200
"""Jobs on a page."""
LONGEST = 1000
"""Characters of a value in the address."""

_Fits = Callable[[Board, JobState], bool]

SHOWS: Mapping[str, _Fits] = {
    "all": lambda board, job: True,
    "done": lambda board, job: not job.withdrawn,
    "over": lambda board, job: job.withdrawn,
    "stale": lambda board, job: board.is_stale(job.key),
    "approved": lambda board, job: "approved" in _verdicts(job),
    "rejected": lambda board, job: "rejected" in _verdicts(job),
    "open": lambda board, job: None in _verdicts(job),
}
"""Which jobs are asked for, as the page's filters call them; the last three by what was said of any
picture."""

QUERY = {
    "before": "where the page before ended, or what is left out of a snapshot begins",
    "limit": f"how many, 1 to {MOST}; {MOST} if it is not said",
    "of": "the key of a project or of a character",
    "show": f"one of {', '.join(SHOWS)}",
    "words": "words that stand in its key, prompts, characters or the names of its files",
    "job": "this one alone, by its key or id, also where it is not at rest; or several",
    "picture": "the one alone that this picture is of, by its id",
}


class Asked(Struct, frozen=True, kw_only=True):
    """What a page is to have."""

    before: When | None
    limit: int
    of: str | None
    show: str
    words: tuple[str, ...]


def answer(board: Board, query: QueryParams) -> JobsPage:
    """The page of jobs that is asked for.

    Raises:
        Refused: 422 for a value that means nothing here.
    """
    if names := query.getlist("job"):
        if len(names) > MOST or any(len(name) > LONGEST for name in names):
            raise Refused(422, f"?job= is a key or an id, and stands there at most {MOST} times")
        return board.named(names)
    if (name := _said(query, "picture")) is not None:
        return board.pictured(name)
    asked = _asked(query)
    fits, words, jobs = SHOWS[asked.show], asked.words, board.state.jobs

    def right(key: str) -> bool:
        job = jobs[key]
        return fits(board, job) and (not words or _says(job, words))

    return board.page(asked.before, asked.limit, asked.of, right)


def _asked(query: QueryParams) -> Asked:
    before, limit = _said(query, "before"), _said(query, "limit") or str(MOST)
    moment = cursor(before) if before is not None else None
    if before is not None and moment is None:
        raise Refused(422, "?before= is what a page or a snapshot said")
    if not (limit.isdecimal() and len(limit) < 9 and 1 <= int(limit) <= MOST):
        raise Refused(422, f"?limit= is a number from 1 to {MOST}")
    show = _said(query, "show") or "all"
    if show not in SHOWS:
        raise Refused(422, f"?show= is one of {', '.join(SHOWS)}")
    words = tuple((_said(query, "words") or "").casefold().split())
    return Asked(
        before=moment, limit=int(limit), of=_said(query, "of"), show=show, words=words
    )  # fmt: skip


def _said(query: QueryParams, name: str) -> str | None:
    said = query.get(name)
    if said is not None and len(said) > LONGEST:
        raise Refused(422, f"?{name}= has at most {LONGEST} characters")
    return said or None


def _verdicts(job: JobState) -> set[str | None]:
    """What was said of its pictures."""
    return {
        image.verdict for take in job.takes for image in take.images.values() if not image.discarded
    }


def _says(job: JobState, words: tuple[str, ...]) -> bool:
    prompts = {cell.resolved.prompt: None for take in job.takes for cell in take.cells}
    files = (image.file for take in job.takes for image in take.images.values())
    text = " ".join((job.key, *job.spec.everybody, *prompts, *files)).casefold()
    return all(word in text for word in words)
