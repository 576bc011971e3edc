"""The page's own fold of the journal, and what is kept ready to be shown of it.

Owns one State that nobody else touches, a view of every job made anew only when something it
rests on has changed, and the table of picture ids. Lives in one thread. Never decides anything.
"""

from pathlib import Path

import msgspec
from msgspec import Struct

from pipeline import __version__
from pipeline.core import events as e
from pipeline.core.digest import id_of
from pipeline.core.evolve import evolve
from pipeline.core.keys import PROJECT_FILES
from pipeline.core.models import standby
from pipeline.core.pending import queue
from pipeline.core.state import Image, JobState, State, Take
from pipeline.server.topics import ALL, Wants, of_file, of_job
from pipeline.server.view import (
    SHEET,
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
        self._pictures |= {
            picture_id(job.key, take.number, SHEET): (job.key, take.number, SHEET)
            for job in state.jobs.values()
            for take in job.takes
            if take.sheet is not None
        }

    def fold(self, seq: int, at: str, event: e.Event) -> None:
        """Fold one recorded event; one that is in the state already changes nothing."""
        if seq <= self.state.seq:
            return
        evolve(self.state, seq, at, event)
        match event:
            case (
                e.RunnerStarted()
                | e.ModelFailed()
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
                | e.PictureDeclared()
                | e.PictureWithdrawn()
            ):
                self._declared += 1
            case e.ManifestRejected(file=file) | e.ManifestMended(file=file):
                # The jobs under a project's file wait while that has errors.
                self._declared += file.rpartition("/")[2] in PROJECT_FILES
            case e.ImageRendered() | e.ImageReused():
                place = (event.job, event.take, event.index)
                self._pictures[picture_id(*place)] = place
            case e.SheetComposed():
                place = (event.job, event.take, SHEET)
                self._pictures[picture_id(*place)] = place
            case _:
                pass

    def job(self, key: str) -> JobView:
        """The job as it stands now; raises KeyError for a key the journal does not know."""
        return self._card(key).view

    def job_id(self, key: str) -> str:
        """The public id of a job, also of one that the journal does not know."""
        job = self.state.jobs.get(key)
        return id_of("job", key, job.spec.id if job is not None else None)

    def queue(self) -> tuple[str, ...]:
        """The jobs with pictures that nobody has begun, in the order in which they are drawn."""
        return tuple(
            job.key
            for job in queue(self.state)
            if (view := self.job(job.key)).left and view.status in ("queued", "rendering")
        )

    def picture(self, name: str) -> Image | None:
        """The finished picture or sheet of that public id, if the journal knows one."""
        found = self.place(name)
        return None if found is None else found[2]

    def place(self, name: str) -> tuple[JobState, Take, Image] | None:
        """The picture of that public id, with its job and take; a sheet has the number 0."""
        place = self._pictures.get(name)
        if place is None:
            return None
        key, number, index = place
        job = self.state.jobs[key]
        for take in job.takes:
            if take.number == number:
                images = (image for image in take.pictures if image.index == index)
                image = next(images, None)
                return None if image is None or image.discarded else (job, take, image)
        return None

    def snapshot(self, live: LiveView, asked: Wants = ALL) -> bytes:
        """Everything the page shows, or as much of it as is asked for, as JSON. A withdrawn job is
        shown while it has pictures."""
        state = self.state
        cards = [self._card(key) for key in state.jobs if asked.takes(of_job(state, key))]
        shown = Snapshot(
            seq=state.seq,
            at=state.at,
            version=__version__,
            inbox=str(self.inbox),
            model=state.model.name if state.model else None,
            models=standby(state),
            switches=state.switches,
            paused=state.paused,
            finished=state.finished,
            projects=tuple(
                project_view(project)
                for key, project in state.projects.items()
                if asked.all or asked.project == key
            ),
            characters=tuple(
                character_view(character)
                for key, character in state.characters.items()
                if asked.all or asked.project == key.rpartition("/")[0]
            ),
            jobs=tuple(card.raw for card in cards if _shown(card.view)),
            queue=tuple(key for key in self.queue() if asked.takes(of_job(state, key))),
            rejected=tuple(
                rejected_view(file, problems)
                for file, problems in sorted(state.rejected.items())
                if asked.takes(of_file(state, file))
            ),
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
