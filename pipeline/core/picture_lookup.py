"""Which picture a manifest means by a name: a file that somebody put there, or one drawn here.

Pure. One that is not there, or cannot be drawn from, goes to the list of what is missing. A picture
that would be drawn from itself, over however many others, counts as one of these.
"""

from collections.abc import Iterator
from typing import Literal

from pipeline.core.keys import folders_above
from pipeline.core.lookup import find_figures
from pipeline.core.manifest import pictures_of, reference_pictures
from pipeline.core.missing import Missing
from pipeline.core.near import near
from pipeline.core.pictures import PICTURES, REFERENCES, jobs_of, places
from pipeline.core.resolved import Picture
from pipeline.core.state import JobState, State


def find_picture(
    state: State, manifest: str, name: str, missing: list[Missing], *, also: str = PICTURES,
    field: tuple[str | int, ...] | None = None, of: str = "", job: JobState | None = None,
) -> Picture | None:  # fmt: skip
    """The picture that the file `manifest` calls so; `also` is the folder in which it is looked for
    too, and `job` is who is drawn from it, if that is known."""

    def lacks(why: str, *, drawing: bool = False) -> None:
        kind: Literal["drawing", "picture"] = "drawing" if drawing else "picture"
        missing.append(Missing(kind=kind, name=name, field=field, of=of, why=why))

    for file in places(manifest, name, also):
        known = state.pictures.get(file)
        if known is not None and known.fault:
            lacks(f"the picture {file} cannot be drawn from: {known.fault}")
            return None
        if known is not None:
            return Picture(file=file, sha256=known.sha256)
        drawer = job_that_draws(state, file)
        if drawer is None:
            continue
        if job is not None and _comes_from(state, drawer, job.key):
            lacks(f"the picture {file} would be drawn from itself")
            return None
        sha256 = drawn_there(drawer, file)
        if sha256 is not None:
            return Picture(file=file, sha256=sha256)
        if _is_to_draw(drawer, file):
            lacks(f"the picture {file} is not drawn yet", drawing=True)
            return None
    close = _nearest(state, manifest, name)
    missing.append(Missing(kind="picture", name=name, nearest=close, field=field, of=of))
    return None


def job_that_draws(state: State, file: str) -> JobState | None:
    """The job to which a picture of this name would belong."""
    return next((state.jobs[key] for key in jobs_of(file) if key in state.jobs), None)


def drawn_there(job: JobState, file: str) -> str | None:
    """The sha256 of the picture that the job's last take has there, if it has been drawn."""
    last = job.takes[-1] if job.takes else None
    images = last.images.values() if last is not None else ()
    return next((each.sha256 for each in images if each.file == file and not each.discarded), None)


def _is_to_draw(job: JobState, file: str) -> bool:
    """Whether the job may yet draw a picture of this name; how many it draws is known once it has
    a take."""
    number = file.removesuffix(".png").rpartition(".")[2]
    if job.withdrawn or not number.isdigit() or int(number) < 1:
        return False
    return not job.takes or int(number) <= len(job.takes[-1].cells)


def _comes_from(state: State, job: JobState, key: str) -> bool:
    """Whether the job's pictures are drawn from those of the job `key`, over however many."""
    waiting, seen = [job], set[str]()
    while waiting:
        each = waiting.pop()
        if each.key == key:
            return True
        if each.key not in seen:
            seen.add(each.key)
            waiting += _before(state, each)
    return False


def _before(state: State, job: JobState) -> Iterator[JobState]:
    """The jobs whose pictures it is drawn from."""
    for manifest, name, also in _named(state, job):
        for file in places(manifest, name, also):
            if file in state.pictures:
                break
            drawer = job_that_draws(state, file)
            if drawer is not None:
                yield drawer


def _named(state: State, job: JobState) -> Iterator[tuple[str, str, str]]:
    """Every picture that a job or a bible of it names: in which file, by what name, and the folder
    in which it is looked for too."""
    for _, name in pictures_of(job.spec):
        yield job.file, name, PICTURES
    figures = find_figures(state, job, job.spec, [])
    references = [(each.file, each.bible.reference) for each in figures]
    for manifest, said in ((job.file, job.spec.reference), *references):
        for name in reference_pictures(said):
            yield manifest, name, REFERENCES


def _nearest(state: State, manifest: str, name: str) -> tuple[str, ...]:
    """The names most like it that the manifest could say instead."""
    known: dict[str, str] = {}
    for file in state.pictures:
        for folder in folders_above(manifest):
            inside = f"{folder}/".lstrip("/")
            if file.startswith(inside):
                known.setdefault(file.rpartition("/")[2], file.removeprefix(inside))
                break
    return tuple(known[each] for each in near(name.rpartition("/")[2], known))
