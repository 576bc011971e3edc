"""The page's own fold of the journal, and what is kept ready to be shown of it.

Owns one State that nobody else touches, and the views of the jobs that are shown: all that are not
at rest and the newest of the others, each made anew only when something it rests on has changed.
Lives in one thread. Never decides anything, and never goes through the history for a fact.
"""

from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec
from msgspec import Struct

from pipeline import __version__
from pipeline.core import events as e
from pipeline.core.digest import id_of
from pipeline.core.evolve import evolve
from pipeline.core.keys import PROJECT_FILES
from pipeline.core.models import standby
from pipeline.core.observed import WorkerLive
from pipeline.core.pending import queue
from pipeline.core.state import Image, JobState, State, Take
from pipeline.server import finder
from pipeline.server.catalogue import NOTHING, Catalogue, When, take_some, touched, when
from pipeline.server.doubts import Doubts
from pipeline.server.pace import Pace
from pipeline.server.topics import ALL, Wants, of_file, of_job
from pipeline.server.view import (
    JobsPage,
    JobView,
    LiveView,
    Older,
    Snapshot,
    character_view,
    job_view,
    picture_id,
    project_view,
    rejected_view,
)

SHOWN = 500
"""So many of the jobs at rest are in a snapshot, the newest; older ones come in pages."""
LOOKED_AT = 5000
"""So many jobs are looked at for a page, whether they are asked for or not."""

_encoder = msgspec.json.Encoder()


class _Card(Struct, frozen=True):
    """A job's view, ready made, and after how many declarations; a fact about the job ends it."""

    declared: int
    view: JobView
    raw: msgspec.Raw


class Board:
    """What the journal says, as the page shows it; `state` is this board's alone."""

    def __init__(self, state: State, *, inbox: Path, shown: int = SHOWN) -> None:
        self.state = state
        self.inbox = inbox
        self._most = shown
        # Counts the events that may change how a job resolves though the job itself stays.
        self._declared = 0
        self._cards: dict[str, _Card] = {}
        self._jobs = finder.Jobs(state)
        self._pictures = finder.Pictures(state)
        # Made when somebody first asks, so that a long history does not keep the page from opening.
        self._catalogue: Catalogue | None = None
        self._pace: Pace | None = None
        self._doubts: Doubts | None = None

    def fold(self, seq: int, at: str, event: e.Event) -> None:
        """Fold one recorded event; one that is in the state already changes nothing."""
        if seq <= self.state.seq:
            return
        key, known = touched(event), self._catalogue
        was_stale = known is not None and key is not None and known.out(key)
        submitted = event.key if isinstance(event, e.JobSubmitted) else None
        if submitted is not None:
            self._jobs.forget(submitted)
        evolve(self.state, seq, at, event)
        if key is not None:
            self._cards.pop(key, None)
        if submitted is not None:
            self._jobs.learn(submitted)
        if known is not None and key is not None:
            known.put(key, stale=was_stale)
            self.doubts.changed(key)
        self._pictures.learn(event)
        if self._pace is not None:
            self._pace.heard(self.state, event)
        if _declares(event):
            self._declared += 1
            if known is not None:
                known.recast()
                self.doubts.declared()

    @property
    def catalogue(self) -> Catalogue:
        """All jobs there are to show, counted."""
        if self._catalogue is None:
            self._catalogue = Catalogue(self.state)
        return self._catalogue

    @property
    def doubts(self) -> Doubts:
        """Which jobs are stale, as far as that has been seen."""
        if self._doubts is None:
            self._doubts = Doubts(self.state, self.catalogue, self._stale_in_view)
        return self._doubts

    @property
    def pace(self) -> Pace:
        """How fast pictures are drawn."""
        if self._pace is None:
            known = self.catalogue
            newest, _ = take_some(known.newest(), self._most, self._most, lambda _: True)
            self._pace = Pace(self.state.jobs[key] for key in (*newest, *known.going))
        return self._pace

    def job(self, key: str) -> JobView:
        """The job as it stands now; raises KeyError for a key the journal does not know."""
        if key in self._cards or key in self.catalogue.going:
            return self._card(key).view
        return self._view(key)

    def job_id(self, key: str) -> str:
        """The public id of a job, also of one that the journal does not know."""
        job = self.state.jobs.get(key)
        return id_of("job", key, job.spec.id if job is not None else None)

    def key(self, name: str) -> str | None:
        """The key of the job of that public id."""
        return self._jobs.key(name)

    def queue(self) -> tuple[str, ...]:
        """The jobs with pictures that nobody has begun, in the order in which they are drawn."""
        return tuple(
            job.key
            for job in queue(self.state)
            if (view := self.job(job.key)).left and view.status in ("queued", "rendering")
        )

    def seconds(self, drawing: tuple[WorkerLive, ...], jobs: tuple[str, ...]) -> float | None:
        """How long these jobs of the queue may take, with what is being drawn; None where no
        picture was ever drawn."""
        views = [self.job(key) for key in jobs]
        owed, pictures = sum(view.work for view in views), sum(view.left for view in views)
        return self.pace.seconds(owed, pictures, drawing, self.state.at_once)

    def picture(self, name: str) -> Image | None:
        """The finished picture or sheet of that public id, if the journal knows one."""
        found = self.place(name)
        return None if found is None else found[2]

    def place(self, name: str) -> tuple[JobState, Take, Image] | None:
        """The picture of that public id, with its job and take; a sheet has the number 0."""
        key = self._pictures.key(name)
        if key is None:
            return None
        job = self.state.jobs[key]
        for take in job.takes:
            for image in take.pictures:
                if picture_id(job.key, take.number, image.index) == name:
                    return None if image.discarded else (job, take, image)
        return None

    def snapshot(
        self, live: LiveView, asked: Wants = ALL, drawing: tuple[WorkerLive, ...] = ()
    ) -> bytes:
        """Everything the page shows, or as much of it as is asked for, as JSON. A withdrawn job is
        shown while it has pictures, and the oldest of those at rest only where they are asked for.
        """
        state, known = self.state, self.catalogue
        going, newest, older = self._shown(asked)
        cards = [self._card(key) for key in (*going, *newest)]
        cards.sort(key=lambda card: card.view.order)
        waiting = self.queue()
        projects, characters = known.tallies()
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
            tally=known.whole(),
            loose=projects.get(None, NOTHING),
            counted=self.doubts.counted.all,
            projects=tuple(
                project_view(project, projects.get(key, NOTHING))
                for key, project in state.projects.items()
                if asked.all or asked.project == key
            ),
            characters=tuple(
                character_view(character, characters.get(key, NOTHING))
                for key, character in state.characters.items()
                if asked.all or asked.project == key.rpartition("/")[0]
            ),
            jobs=tuple(card.raw for card in cards),
            older=older,
            queue=tuple(key for key in waiting if asked.takes(of_job(state, key))),
            seconds=self.seconds(drawing, waiting),
            rejected=tuple(
                rejected_view(file, problems)
                for file, problems in sorted(state.rejected.items())
                if asked.takes(of_file(state, file))
            ),
            live=live,
        )
        if asked.all:
            kept = {*going, *newest}
            self._cards = {key: card for key, card in self._cards.items() if key in kept}
        return _encoder.encode(shown)

    def page(
        self, before: When | None, most: int, of: str | None, fits: Callable[[str], bool]
    ) -> JobsPage:
        """Of the jobs at rest that became so before a moment, the newest that fit; of all, or of a
        project or a character by its key."""
        known = self.catalogue
        among = known.of(of) if of is not None else None
        keys, last = take_some(known.newest(among, before), most, LOOKED_AT, fits)
        return JobsPage(jobs=tuple(map(self._view, keys)), before=self._cursor(last))

    def named(self, names: Iterable[str]) -> JobsPage:
        """The jobs of these keys or ids, as far as there are such."""
        keys = (name if name in self.state.jobs else self.key(name) for name in names)
        found = dict.fromkeys(key for key in keys if key is not None)
        jobs = tuple(self._view(key) for key in found if self.catalogue.knows(key))
        return JobsPage(jobs=jobs, before=None)

    def pictured(self, name: str) -> JobsPage:
        """The job that the picture of this id is of."""
        place = self.place(name)
        return self.named([] if place is None else [place[0].key])

    def is_stale(self, key: str) -> bool:
        """Whether a job's pictures were stale when that was last seen."""
        return key in self.catalogue.stale

    def _stale_in_view(self, job: JobState) -> bool | None:
        card = self._cards.get(job.key)
        return card.view.stale if card is not None and card.declared == self._declared else None

    def _shown(self, asked: Wants) -> tuple[list[str], list[str], Older]:
        """What a snapshot has: jobs that are not at rest, the newest of the others, and how many
        there are besides."""
        known = self.catalogue
        if asked.job is not None:
            there = known.knows(asked.job) and asked.takes(of_job(self.state, asked.job))
            return [asked.job] if there else [], [], Older(count=0, before=None)
        going = [key for key in known.going if asked.takes(of_job(self.state, key))]
        among = known.of_project(asked.project) if asked.project is not None else None
        newest, last = take_some(known.newest(among), self._most, self._most, lambda _: True)
        older = known.resting(asked.project) - len(newest)
        return going, newest, Older(count=older, before=self._cursor(last))

    def _cursor(self, key: str | None) -> str | None:
        if key is None:
            return None
        at, order = when(self.state.jobs[key])
        return f"{at}.{order}"

    def _view(self, key: str) -> JobView:
        view = job_view(self.state, self.state.jobs[key])
        self._pictures.shown(view)
        return view

    def _card(self, key: str) -> _Card:
        card = self._cards.get(key)
        if card is None or card.declared != self._declared:
            view = self._view(key)
            raw = msgspec.Raw(_encoder.encode(view))
            card = self._cards[key] = _Card(self._declared, view, raw)
            self.doubts.seen(key, stale=view.stale)
        return card


def cursor(said: str) -> When | None:
    """The moment that a cursor names, or None if it is none."""
    at, _, order = said.rpartition(".")
    return (at, int(order)) if at and order.isdecimal() and len(order) < 20 else None


def _declares(event: e.Event) -> bool:
    """Whether a fact may change how a job resolves that it is not about."""
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
            return True
        case e.ManifestRejected(file=file) | e.ManifestMended(file=file):
            # The jobs under a project's file wait while that has errors.
            return file.rpartition("/")[2] in PROJECT_FILES
        case _:
            return False
