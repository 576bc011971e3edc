"""How bibles, a job and styles become one prompt and one negative prompt, part by part.

The order is: what a style puts first, each character (trigger, appearance, outfit, expression), the
job's own prompt, the project's, the styles in their order. What a job says itself stands as it was
written. Of what is added to it, a tag said before, or by the job, is left out, after case folding,
with `_` as a space and without its weight: `(red scarf:1.2)` of the job stands for the bible's
`red scarf`.

Of exactly two characters the first stands left, the second right; the figures of a cast stand where
it says, or take the free places from the left. The tags of figures that have a place come last, in
groups that begin with `left:`, `center:` or `right:`, so that each one's attributes stay together;
a tag that both have stands in both. Where a job's own prompt has such groups, what is added comes
before them, or it would belong to the last figure.

Nothing is forbidden that was asked for: of the negatives of characters, project and style, those
are left out that the job's prompt, or the bible of another character, has as a tag or as the end
of one (`hoodie` of `yellow hoodie`).
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain

from msgspec import Struct

from pipeline.core.manifest import Character, Job, Project, Tags, loras_of, split_tags
from pipeline.core.styles import Style

PLACES = ("left", "center", "right")
SIDES = ("left", "right")
_GROUPS = tuple(f"{place}:" for place in PLACES)
_WEIGHT = re.compile(r":\s*-?[0-9.]+$")


Choose = Callable[[str], str]


class Figure(Struct, frozen=True, kw_only=True):
    """A character in one picture: the bible, and what is worn and felt there; `at` is its place;
    `file` is the bible's."""

    key: str
    bible: Character
    file: str = ""
    outfit: Tags = ""
    expression: Tags = ""
    at: str | None = None


class Part(Struct, frozen=True, kw_only=True):
    """Some words of a prompt, and who says them (`akira.appearance`, `job`, `style manga`); of a
    figure with a place, also where it is."""

    text: str
    origin: str
    group: str = ""


def joined(parts: Iterable[Part]) -> str:
    """The parts as one prompt; a group's name stands before its first part."""
    words, group = [], ""
    for part in parts:
        named = part.group and part.group != group
        words.append(f"{part.group}: {part.text}" if named else part.text)
        group = part.group
    return ", ".join(words)


def prompt_parts(
    project: Project | None,
    figures: Sequence[Figure],
    styles: Sequence[Style],
    job: Job,
    choose: Choose = str,
) -> tuple[Part, ...]:
    """The parts of the prompt, in order; `joined` makes one text of them.

    `choose` gives each tag as it is to be said, wildcards chosen; it may become several.
    """
    own = _own(job, choose)
    first = [
        part for style in styles for part in _parts(style.before, f"style {style.name}", choose)
    ]
    added: list[Part] = []
    if project is not None:
        added += _parts(project.defaults.prompt, "project", choose)
    for style in styles:
        added += _parts(style.prompt, f"style {style.name}", choose)
    bibles = [_once(_bible(figure, choose)) for figure in figures]
    if not _placed(figures, job):
        said = _once((part for bible in bibles for part in bible), own)
        rest = _once(added, [*said, *own])
        return (*_once(first, [*said, *own]), *said, *_between(own, rest))
    groups = [
        Part(text=part.text, origin=part.origin, group=place)
        for place, bible in zip(places_of(figures), bibles, strict=True)
        for part in bible
    ]
    return (*_once(first, own), *_between(own, _once(added, own)), *groups)


def negative_parts(
    project: Project | None,
    figures: Sequence[Figure],
    styles: Sequence[Style],
    job: Job,
    choose: Choose = str,
    said: Iterable[Part] = (),
) -> tuple[Part, ...]:
    """The parts of the negative prompt: the job's, each character's, the project's, the styles'.

    `said` are the parts of the prompt, from which is known what is asked for.
    """
    own = _parts(job.negative, "job", choose)
    prompt = list(said) or [*_own(job), *chain.from_iterable(map(_bible, figures))]
    asked = [part.text for part in prompt if part.origin.split(",")[0] == "job"]
    added: list[Part] = []
    for figure in figures:
        beside = tuple(f"{one.key}." for one in figures if one.key != figure.key)
        others = [part.text for part in prompt if part.origin.startswith(beside)]
        found = _parts(figure.bible.negative, f"{figure.key}.negative", choose)
        added += _not_asked(found, [*asked, *others])
    if project is not None:
        added += _not_asked(_parts(project.defaults.negative, "project", choose), asked)
    for style in styles:
        added += _not_asked(_parts(style.negative, f"style {style.name}", choose), asked)
    return (*own, *_once(added, own))


def _placed(figures: Sequence[Figure], job: Job) -> bool:
    """Whether each figure has a place of its own: two always do, and a cast."""
    return len(figures) == len(SIDES) or (len(figures) > 1 and bool(job.cast))


def places_of(figures: Sequence[Figure]) -> tuple[str, ...]:
    """Each figure's place: what it says, else the next one from the left that is free."""
    taken = {figure.at for figure in figures}
    order = SIDES if len(figures) == len(SIDES) and taken <= {None, *SIDES} else PLACES
    free = iter([place for place in order if place not in taken])
    return tuple(figure.at or next(free, PLACES[-1]) for figure in figures)


def _between(own: Sequence[Part], added: Sequence[Part]) -> list[Part]:
    """The job's own tags and those added to them, which belong to the whole picture."""
    sides = (n for n, part in enumerate(own) if _fold(part.text).startswith(_GROUPS))
    end = next(sides, len(own))
    return [*own[:end], *added, *own[end:]]


def _not_asked(negatives: Iterable[Part], asked: Iterable[str]) -> Iterator[Part]:
    """Those of the negatives that nobody asks for."""
    forbidden = [(part, _bare(part.text)) for part in negatives]
    longest = max((bare.count(" ") + 1 for _, bare in forbidden), default=0)
    wanted = {end for tag in asked for end in _ends(_bare(tag), longest)}
    for part, bare in forbidden:
        if bare not in wanted:
            yield part


def _ends(tag: str, longest: int) -> Iterator[str]:
    """A tag, and its last words, up to `longest` of them."""
    yield tag
    words = tag.split(" ")
    for start in range(max(1, len(words) - longest), len(words)):
        yield " ".join(words[start:])


def _bible(figure: Figure, choose: Choose = str) -> Iterator[Part]:
    bible = figure.bible
    for lora in loras_of(bible.lora):
        yield from _parts(lora.trigger, f"{figure.key}.lora", choose)
    yield from _parts(bible.trigger, f"{figure.key}.trigger", choose)
    yield from _parts(bible.appearance, f"{figure.key}.appearance", choose)
    yield from _parts(figure.outfit, f"{figure.key}.outfit", choose)
    yield from _parts(figure.expression, f"{figure.key}.expression", choose)


def _own(job: Job, choose: Choose = str) -> list[Part]:
    """What a job says itself: the words that its LoRAs listen to, and its prompt."""
    triggers = [part for lora in loras_of(job.lora) for part in _parts(lora.trigger, "job", choose)]
    prompt = _parts(job.prompt, "job", choose)
    return [*_once(triggers, prompt), *prompt]


def _parts(tags: Tags | None, origin: str, choose: Choose = str) -> list[Part]:
    found = []
    for tag in split_tags(tags):
        said = choose(tag)
        if said == tag:
            found.append(Part(text=tag, origin=origin))
        else:
            found += [Part(text=one, origin=f"{origin}, {tag}") for one in split_tags(said)]
    return found


def _once(parts: Iterable[Part], said: Iterable[Part] = ()) -> list[Part]:
    """Each tag where it stands first, without those that were `said` already."""
    known = {_bare(part.text) for part in said}
    first: list[Part] = []
    for part in parts:
        bare = _bare(part.text)
        if bare not in known:
            known.add(bare)
            first.append(part)
    return first


def _fold(tag: str) -> str:
    return tag.casefold().replace("_", " ")


def _bare(tag: str) -> str:
    """A tag without its weight and its side: `left: (red scarf:1.2)` is `red scarf`."""
    folded = _fold(tag)
    for side in _GROUPS:
        folded = folded.removeprefix(side)
    return _WEIGHT.sub("", folded.strip(" ()[]")).strip()
