"""Which jobs there are to show, in which order, and how many of what, however many are finished.

Owns the jobs that are not at rest, those at rest by when something last became of them, and the
counts of each project and cast, kept up fact by fact: no question goes through the history. Holds
keys only, made from the state once, when somebody first asks. Never shows a job.
"""

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator
from heapq import merge
from itertools import islice
from typing import Literal

from msgspec import Struct

from pipeline.core import events as e
from pipeline.core.state import JobState, State, spec_that_draws
from pipeline.core.targets import meant

Standing = Literal["going", "rest", "gone"]
"""`going` jobs have something before them or need somebody; `gone` ones are withdrawn and have no
pictures, so that nobody is shown them."""

When = tuple[str, int]
"""When a job's newest picture was finished, and the job's number, as two may end at once."""


class Tally(Struct, frozen=True, kw_only=True):
    """How many jobs in force there are, pictures of their current takes, jobs whose pictures are
    stale, and pictures of all their takes."""

    jobs: int = 0
    pictures: int = 0
    stale: int = 0
    files: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            jobs=self.jobs + other.jobs,
            pictures=self.pictures + other.pictures,
            stale=self.stale + other.stale,
            files=self.files + other.files,
        )


NOTHING = Tally()


class Group:
    """The jobs of one project with the same characters: `rest` has those at rest, oldest first."""

    __slots__ = ("cast", "files", "jobs", "names", "pictures", "project", "rest", "stale")

    def __init__(self, project: str | None, names: tuple[str, ...]) -> None:
        self.project = project
        self.names = names
        self.jobs = self.pictures = self.files = self.stale = 0
        self.rest: list[str] = []
        self.cast: tuple[str, ...] | None = None

    @property
    def tally(self) -> Tally:
        """Its counts as of now."""
        return Tally(jobs=self.jobs, pictures=self.pictures, stale=self.stale, files=self.files)

    def count(self, job: JobState, sign: int) -> None:
        """Count a job in (1) or out (-1)."""
        if not job.withdrawn:
            self.jobs += sign
        there = 0
        for take in job.takes:
            there = len(take.images)
            for image in take.images.values():
                there -= image.discarded
            self.files += sign * there
        self.pictures += sign * there


class Catalogue:
    """The jobs of one state, which is changed between `out` and `put` only."""

    def __init__(self, state: State) -> None:
        self._state = state
        self.going: dict[str, None] = {}
        self.stale: set[str] = set()
        self._groups: dict[tuple[str | None, tuple[str, ...]], Group] = {}
        resting: list[tuple[str, int, str, Group]] = []
        for key, job in state.jobs.items():
            how = standing(state, job)
            if how == "gone":
                continue
            group = self._group(job)
            takes = job.takes
            if how == "going":
                self.going[key] = None
                group.count(job, 1)
            elif len(takes) == 1 and len(images := takes[0].images) == 1 and not job.withdrawn:
                # Mostly it is one picture, and a long history has very many of them.
                (image,) = images.values()
                group.jobs += 1
                group.pictures += not image.discarded
                group.files += not image.discarded
                resting.append((image.at, job.order, key, group))
            else:
                group.count(job, 1)
                resting.append((_newest(job), job.order, key, group))
        resting.sort()
        self.rest = [key for _, _, key, _ in resting]
        for _, _, key, group in resting:
            group.rest.append(key)

    def out(self, key: str) -> bool:
        """Take a job out, before a fact changes it; returns whether its pictures were stale."""
        job = self._state.jobs.get(key)
        if job is None or (how := standing(self._state, job)) == "gone":
            return False
        group = self._group(job)
        group.count(job, -1)
        if how == "going":
            self.going.pop(key, None)
        else:
            for rest in (self.rest, group.rest):
                del rest[bisect_left(rest, when(job), key=self._when)]
        return self.mark(key, stale=False)

    def put(self, key: str, *, stale: bool = False) -> None:
        """Put a job in, as it is after a fact."""
        job = self._state.jobs.get(key)
        if job is None or (how := standing(self._state, job)) == "gone":
            return
        group = self._group(job)
        group.count(job, 1)
        self.mark(key, stale=stale)
        if how == "going":
            self.going[key] = None
            return
        for rest in (self.rest, group.rest):
            if not rest or self._when(rest[-1]) < when(job):
                rest.append(key)
            else:
                insort(rest, key, key=self._when)

    def mark(self, key: str, *, stale: bool) -> bool:
        """Say whether a job's pictures are stale; returns whether that is another answer."""
        if stale == (key in self.stale):
            return False
        (self.stale.add if stale else self.stale.discard)(key)
        self._group(self._state.jobs[key]).stale += 1 if stale else -1
        return True

    def recast(self) -> None:
        """Characters were declared or withdrawn: a name may mean another one."""
        for group in self._groups.values():
            group.cast = None

    def knows(self, key: str) -> bool:
        """Whether there is such a job to show."""
        job = self._state.jobs.get(key)
        return job is not None and standing(self._state, job) != "gone"

    def of_project(self, key: str) -> list[Group]:
        """The groups of a project."""
        return [group for group in self._groups.values() if group.project == key]

    def of(self, key: str) -> list[Group]:
        """The groups of a project or of a character, by its key."""
        return [one for one in self._groups.values()
                if one.project == key or key in self._cast(one)]  # fmt: skip

    def of_character(self, key: str) -> list[Group]:
        """The groups with a character."""
        return [group for group in self._groups.values() if key in self._cast(group)]

    def newest(
        self, among: Iterable[Group] | None = None, before: When | None = None
    ) -> Iterator[str]:
        """The jobs at rest, newest first: all, or those of some groups; those before a moment
        only, if one is given."""

        def back(rest: list[str]) -> Iterator[str]:
            end = len(rest) if before is None else bisect_left(rest, before, key=self._when)
            return (rest[at] for at in range(end - 1, -1, -1))

        rests = [self.rest] if among is None else [group.rest for group in among]
        ways = [back(rest) for rest in rests if rest]
        return ways[0] if len(ways) == 1 else merge(*ways, key=self._when, reverse=True)

    def resting(self, project: str | None = None) -> int:
        """How many are at rest, of all or of one project."""
        if project is None:
            return len(self.rest)
        return sum(len(group.rest) for group in self.of_project(project))

    def whole(self) -> Tally:
        """The counts of everything."""
        return _sum(group.tally for group in self._groups.values())

    def tallies(self) -> tuple[dict[str | None, Tally], dict[str, Tally]]:
        """The counts by project (None: of no project that is named), and by character."""
        projects: dict[str | None, Tally] = {}
        characters: dict[str, Tally] = {}
        for group in self._groups.values():
            tally = group.tally
            projects[group.project] = projects.get(group.project, NOTHING) + tally
            for character in self._cast(group):
                characters[character] = characters.get(character, NOTHING) + tally
        return projects, characters

    def _when(self, key: str) -> When:
        return when(self._state.jobs[key])

    def _cast(self, group: Group) -> tuple[str, ...]:
        if group.cast is None:
            group.cast = meant(self._state, group.project, group.names)
        return group.cast

    def _group(self, job: JobState) -> Group:
        spec = job.spec
        place = (job.project, spec.everybody if spec.cast else spec.characters)
        group = self._groups.get(place)
        if group is None:
            group = self._groups[place] = Group(*place)
        return group


def standing(state: State, job: JobState) -> Standing:
    """Whether a job is at rest: drawn as its manifest says, or withdrawn with its pictures kept.

    It is the job's alone to say, nothing else's that is declared.
    """
    if job.withdrawn:
        there = (image for take in job.takes for image in take.images.values())
        return "rest" if any(not image.discarded for image in there) else "gone"
    takes, spec = job.takes, job.spec
    if job.cancelled or job.quarantined is not None or not takes or job.key in state.owed:
        return "going"
    last = takes[-1]
    if last.started or last.failed:
        return "going"
    # Equal ones may still differ in the order of what a matrix lists.
    if last.spec is spec or (not spec.matrix and last.spec == spec):
        return "rest"
    return "rest" if spec_that_draws(last.spec) == spec_that_draws(spec) else "going"


def when(job: JobState) -> When:
    """When a job's newest picture was finished; else when its newest take was asked for."""
    return _newest(job), job.order


def touched(event: e.Event) -> str | None:
    """The key of the job that a fact is about, if it is about one."""
    match event:
        case e.JobSubmitted(key=key) | e.JobWithdrawn(key=key):
            return key
        case _:
            return getattr(event, "job", None)


def take_some(
    keys: Iterator[str], most: int, look: int, fits: Callable[[str], bool]
) -> tuple[list[str], str | None]:
    """At most so many keys that fit, of at most so many that are looked at; and the last that was
    looked at, or None where there are no more."""
    found: list[str] = []
    last = None
    for key in islice(keys, look):
        last = key
        if fits(key):
            found.append(key)
            if len(found) == most:
                break
    return found, last if next(keys, None) is not None else None


def _newest(job: JobState) -> str:
    newest = max((image.at for take in job.takes for image in take.images.values()), default="")
    return newest or (job.takes[-1].at if job.takes else job.at)


def _sum(tallies: Iterable[Tally]) -> Tally:
    found = NOTHING
    for tally in tallies:
        found += tally
    return found
