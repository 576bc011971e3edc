"""The page's own fold of the journal, and what is kept ready to be shown of it.

Owns one State that nobody else touches, a view of every job made anew only when something it
rests on has changed, and the table of picture ids. Lives in one thread. Never decides anything.
"""

from pathlib import Path

import msgspec
from msgspec import Struct

from pipeline import __version__
from pipeline.core import events as e
from pipeline.core.evolve import evolve
from pipeline.core.keys import PROJECT_FILES
from pipeline.core.pending import queue
from pipeline.core.state import Image, State
from pipeline.server.view import (
    JobView,
    LiveView,
    Snapshot,
    character_view,
    job_view,
    picture_id,
    project_view,
    rejected_view,
)

_encoder = msgspec.json.Encoder()


class _Card(Struct, frozen=True):
    """A job's view, ready made, and what it was made from."""

    job: object
    declared: int
    view: JobView
    raw: msgspec.Raw


class Board:
    """What the journal says, as the page shows it; `state` is this board's alone."""

    def __init__(self, state: State, *, inbox: Path) -> None:
        self.state = state
        self.inbox = inbox
        # Counts the events that may change how a job resolves though the job itself stays.
        self._declared = 0
        self._cards: dict[str, _Card] = {}
        self._pictures = {
            picture_id(job.key, take.number, index): (job.key, take.number, index)
            for job in state.jobs.values()
            for take in job.takes
            for index in take.images
        }

    def fold(self, seq: int, at: str, event: e.Event) -> None:
        """Fold one recorded event; one that is in the state already changes nothing."""
        if seq <= self.state.seq:
            return
        evolve(self.state, seq, at, event)
        match event:
            case (
                e.RunnerStarted()
                | e.ProjectDeclared()
                | e.ProjectWithdrawn()
                | e.CharacterDeclared()
                | e.CharacterWithdrawn()
                | e.StylesDeclared()
                | e.StylesWithdrawn()
                | e.WildcardDeclared()
                | e.WildcardWithdrawn()
                | e.AdapterDeclared()
                | e.AdapterWithdrawn()
            ):
                self._declared += 1
            case e.ManifestRejected(file=file) | e.ManifestMended(file=file):
                # The jobs under a project's file wait while that has errors.
                self._declared += file.rpartition("/")[2] in PROJECT_FILES
            case e.ImageRendered() | e.ImageReused():
                place = (event.job, event.take, event.index)
                self._pictures[picture_id(*place)] = place
            case _:
                pass

    def job(self, key: str) -> JobView:
        """The job as it stands now; raises KeyError for a key the journal does not know."""
        return self._card(key).view

    def queue(self) -> tuple[str, ...]:
        """The jobs with pictures that nobody has begun, in the order in which they are drawn."""
        return tuple(
            job.key
            for job in queue(self.state)
            if (view := self.job(job.key)).left and view.status in ("queued", "rendering")
        )

    def picture(self, name: str) -> Image | None:
        """The finished picture of that public id, if the journal knows one."""
        place = self._pictures.get(name)
        if place is None:
            return None
        key, number, index = place
        takes = (take for take in self.state.jobs[key].takes if take.number == number)
        found = next((take.images[index] for take in takes if index in take.images), None)
        return None if found is None or found.discarded else found

    def snapshot(self, live: LiveView) -> bytes:
        """Everything the page shows, as JSON. A withdrawn job is shown while it has pictures."""
        state = self.state
        cards = [self._card(key) for key in state.jobs]
        shown = Snapshot(
            seq=state.seq,
            at=state.at,
            version=__version__,
            inbox=str(self.inbox),
            model=state.model.name if state.model else None,
            paused=state.paused,
            finished=state.finished,
            projects=tuple(map(project_view, state.projects.values())),
            characters=tuple(map(character_view, state.characters.values())),
            jobs=tuple(card.raw for card in cards if _shown(card.view)),
            queue=self.queue(),
            rejected=tuple(rejected_view(*item) for item in sorted(state.rejected.items())),
            live=live,
        )
        return _encoder.encode(shown)

    def _card(self, key: str) -> _Card:
        job = self.state.jobs[key]
        card = self._cards.get(key)
        if card is None or card.job is not job or card.declared != self._declared:
            view = job_view(self.state, job)
            raw = msgspec.Raw(_encoder.encode(view))
            card = self._cards[key] = _Card(job, self._declared, view, raw)
        return card


def _shown(view: JobView) -> bool:
    return view.status != "withdrawn" or any(take.images for take in view.takes)
