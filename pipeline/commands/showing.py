"""`anime show`: a job's manifest, its prompt with where each part is from, pictures and history.

Owns finding a job by its key and how its story reads. Takes no lock and writes nothing.
"""

from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from pipeline.commands.planning import rehearsed
from pipeline.core.emphasis import plain
from pipeline.core.explained import Explained, Length, Measure, Story, explain
from pipeline.core.models import model_of
from pipeline.core.near import near
from pipeline.core.prompt import Part
from pipeline.core.resolved import Likeness, Resolved
from pipeline.core.state import Image, JobState, State, Take, Verdict
from pipeline.errors import AnimeError
from pipeline.history import PRIVATE, event_of, journal_path
from pipeline.journal import replay
from pipeline.settings import Settings
from pipeline.stock import take_stock
from pipeline.telling import clean, counted, job_of, logged

MARKS = 2
"""Tokens of a text encoder's window that begin and end take."""


class UnknownJob(AnimeError):
    """No manifest of the inbox makes a job of that key."""

    exit_code = 1


class Shown(Struct, frozen=True, kw_only=True):
    """Everything `anime show` says."""

    story: Story
    manifest: str
    takes: tuple[Take, ...]
    history: tuple[str, ...]


def show(settings: Settings, key: str, wanted: frozenset[Verdict | None] | None = None) -> Shown:
    """All there is to say of a job; with `wanted` only the takes with pictures of which a person
    said one of these (None is nothing), and of them only such pictures.

    Raises:
        UnknownJob: there is none of that key; the hint names the nearest.
        ModelError, JournalDamaged, JournalFailed, UnknownEvent: as for `plan`.
    """
    root = settings.inbox
    hashes = root / PRIVATE / "cache/model-hashes.json"
    stock = take_stock(settings, hashes)
    state = rehearsed(
        root, stock.usual, workers=settings.workers, adapters=stock.adapters, models=stock.offered,
        reference_model=stock.reference_model,
    )  # fmt: skip
    job = find(state, root, key)
    files = stock.files.get(model_of(state, job) or "", settings.usual)
    return Shown(
        story=explain(state, job, measure(files.path)),
        manifest=_text(root / job.file),
        takes=job.takes if wanted is None else tuple(_judged(job.takes, wanted)),
        history=tuple(_history(root, job.key)),
    )


def _judged(takes: tuple[Take, ...], wanted: frozenset[Verdict | None]) -> Iterator[Take]:
    for take in takes:
        images = {n: image for n, image in take.images.items() if image.verdict in wanted}
        if images:
            yield replace(take, images=images)


def find(state: State, root: Path, key: str) -> JobState:
    """The job of that key; its manifest's or a picture's path will do, as seen from here too, or
    its bare name if no other job is called so."""
    known = {name: job for name, job in state.jobs.items() if not job.withdrawn}
    for name in (key, _inside(root, key)):
        if name in known:
            return known[name]
        for job in known.values():
            pictures = (image.file for take in job.takes for image in take.images.values())
            if name == job.file or name in pictures:
                return job
    called = [job for name, job in known.items() if name.rpartition("/")[2] == key]
    if len(called) == 1:
        return called[0]
    close = sorted(job.key for job in called) or near(key, known)
    raise UnknownJob(
        f"{len(called)} jobs in {root} are called {key!r}"
        if called
        else f"there is no job {key!r} in {root}",
        f"did you mean {' or '.join(close)}?" if close else "'anime plan --all' lists the jobs",
    )


def measure(model: Path) -> Measure | None:
    """What counts a prompt's tokens as the model's own tokenizer does, where it has one we read."""
    path = model / "tokenizer" / "tokenizer.json"
    if not path.is_file():
        return None
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    window = _window(model / "text_encoder" / "config.json") - MARKS
    return lambda text: Length(
        tokens=len(tokenizer.encode(plain(text), add_special_tokens=False).ids), window=window
    )


def _window(config: Path) -> int:
    found: int = msgspec.json.decode(config.read_bytes())["max_position_embeddings"]
    return found


def report(shown: Shown) -> Iterator[str]:
    """A job's story for a person."""
    story = shown.story
    yield f"{clean(story.key)}: {story.status}, from {clean(story.file)}"
    if story.stale:
        yield f"stale: {', '.join(map(clean, story.stale))} changed since"
    for waits in story.waits:
        yield f"waits: {clean(waits)}"
    yield ""
    yield from (f"    {clean(line)}" for line in shown.manifest.splitlines())
    for picture in story.pictures:
        yield ""
        yield from _picture(picture, several=len(story.pictures) > 1)
    for take in shown.takes:
        yield ""
        yield f"take {take.number}, {take.reason} {take.at or '(not by a runner yet)'}"
        yield from (f"    {_image(image)}" for image in take.images.values())
    yield ""
    yield from map(clean, shown.history)


def _picture(picture: Explained, *, several: bool) -> Iterator[str]:
    inputs = picture.resolved
    head = f"picture {picture.index}" if several else "picture"
    label = f" ({clean(picture.label)})" if picture.label else ""
    asked = f", model {clean(inputs.called)}" if inputs.called else ""
    yield (f"{head}{label}: seed {picture.seed}, {inputs.width}x{inputs.height}, "
           f"{inputs.steps} steps of {inputs.sampler} {inputs.schedule}, "
           f"guidance {inputs.guidance:g}"
           + (f", clip_skip {inputs.clip_skip}" if inputs.clip_skip > 1 else "")
           + asked)  # fmt: skip
    yield from map(clean, _guides(inputs))
    yield from _parts("prompt", picture.prompt)
    yield from _parts("negative", picture.negative)
    yield from _references(inputs.likenesses)
    if picture.length is not None:
        length = picture.length
        fits = (
            "all fit"
            if length.pieces == 1
            else (f"encoded in {length.pieces} pieces of {length.window}, nothing cut")
        )
        yield f"    {counted(length.tokens, 'token')} of {length.window}: {fits}"


def _guides(inputs: Resolved) -> Iterator[str]:
    """What it is drawn from beside words."""
    source, refine = inputs.source, inputs.refine
    if source is not None:
        within = f", where {source.mask.file} is white" if source.mask is not None else ""
        yield f"    from {source.picture.file}, {source.strength:g} of it drawn anew{within}"
    if refine is not None:
        yield (
            f"    refined at {refine.width}x{refine.height}, {refine.strength:g} of "
            f"{counted(refine.steps, 'step')} drawn anew"
        )
    for each in inputs.controls:
        share = "" if (each.start, each.end) == (0, 1) else f" from {each.start:g} to {each.end:g}"
        yield (
            f"    steered by the {each.kind} of {each.picture.file}: {each.file}, weight "
            f"{each.weight:g}{share}"
        )


def _references(likenesses: tuple[Likeness, ...]) -> Iterator[str]:
    for likeness in likenesses:
        pictures = ", ".join(clean(picture.file) for picture in likeness.pictures)
        place = "" if likeness.whole else f", {likeness.left:.0%} to {likeness.right:.0%} across"
        yield f"    after {pictures}, weight {likeness.weight:g}{place}"


def _parts(word: str, parts: tuple[Part, ...]) -> Iterator[str]:
    if not parts:
        return
    yield f"    {word}"
    width = max(len(_said(part)) for part in parts)
    for part in parts:
        yield f"        {clean(_said(part)):<{width}}  {clean(part.origin)}"


def _said(part: Part) -> str:
    return f"{part.group}: {part.text}" if part.group else part.text


def _image(image: Image) -> str:
    how = f"reused from {image.source}" if image.source else f"{image.seconds:.1f} s"
    how += f"  {image.verdict}" if image.verdict else ""
    how += "  discarded" if image.discarded else ""
    return clean(f"{image.file}  seed {image.seed}  {how}  {image.at}")


def _history(root: Path, key: str) -> Iterator[str]:
    return (logged(line) for line in replay(journal_path(root)) if job_of(event_of(line)) == key)


def _inside(root: Path, key: str) -> str:
    try:
        return Path(key).absolute().relative_to(root.absolute()).as_posix()
    except ValueError:
        return key


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "(the manifest cannot be read)"


def as_json(shown: Shown) -> bytes:
    """A job's story for programs."""
    return msgspec.json.encode(shown)
