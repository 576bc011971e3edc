"""`/health`: in one answer, whether the program does what it is there for.

Owns its shape and which troubles make it degraded. Never guesses: the model counts as loaded
only when the runner says that every worker is warm.
"""

from typing import Literal

from msgspec import Struct

from pipeline import __version__
from pipeline.core.models import Standby, standby
from pipeline.core.observed import Live
from pipeline.core.state import State
from pipeline.server.board import Board
from pipeline.server.view import LiveView, WorkerView

Status = Literal["ok", "starting", "degraded", "draining"]


class InboxHealth(Struct, frozen=True, kw_only=True):
    """The folder of the inbox; `lost` says why it is not there, if so."""

    path: str
    lost: str | None


class JournalHealth(Struct, frozen=True, kw_only=True):
    """The seq of the last fact; `failed` says why no more can be recorded, if so."""

    seq: int
    failed: str | None


class Health(Struct, frozen=True, kw_only=True):
    """`queue_size` counts jobs with pictures that nobody has begun. `models` has how each model
    stands where the settings name several, and `switches` counts how often the workers took
    another."""

    status: Status
    model_preloaded: bool
    queue_size: int
    projects: int
    characters: int
    workers: tuple[WorkerView, ...]
    inbox: InboxHealth
    journal: JournalHealth
    paused: str | None
    models: tuple[Standby, ...]
    switches: int
    version: str


def status_of(live: Live, state: State) -> Status:
    """What hurts most: degraded, then draining, then starting."""
    stuck = state.paused_by in ("disk", "failures")
    if live.inbox_lost is not None or live.journal_failed is not None or stuck:
        return "degraded"
    if live.draining:
        return "draining"
    return "ok" if live.model_preloaded or live.unloaded else "starting"


def health(board: Board, live: Live, shown: LiveView) -> Health:
    """How the program is; `shown` is `live` as the page sees it."""
    state = board.state
    return Health(
        status=status_of(live, state),
        model_preloaded=live.model_preloaded,
        queue_size=len(board.queue()),
        projects=len(state.projects),
        characters=len(state.characters),
        workers=shown.workers,
        inbox=InboxHealth(path=str(board.inbox), lost=live.inbox_lost),
        journal=JournalHealth(seq=state.seq, failed=live.journal_failed),
        paused=state.paused,
        models=standby(state),
        switches=state.switches,
        version=__version__,
    )
