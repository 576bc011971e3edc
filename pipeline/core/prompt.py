"""How bibles, a job and a style become one prompt and one negative prompt.

The order is: each character (trigger, appearance, outfit, expression), the job's own prompt, the
project's, the style. What a job says itself stands as it was written. Of what is added to it, a
tag said before, or by the job, is left out, after case folding and with `_` as a space.

Of exactly two characters the first stands left, the second right. Their tags then come last, in
two groups that begin with `left:` and `right:`, so that each one's attributes stay together; a tag
that both have stands in both. Where a job's own prompt has such groups, what is added comes
before them, or it would belong to the last figure.

Nothing is forbidden that was asked for: of the negatives of characters, project and style, those
are left out that the job's prompt, or the bible of another character, has as a tag or as the end
of one (`hoodie` of `yellow hoodie`).
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from pipeline.core.manifest import Character, Job, Project, split_tags
from pipeline.core.styles import Style

SIDES = ("left", "right")
_SIDES = tuple(f"{side}:" for side in SIDES)
_WEIGHT = re.compile(r":\s*-?[0-9.]+$")


def compile_prompt(
    project: Project | None, cast: tuple[Character, ...], style: Style | None, job: Job
) -> str:
    """The prompt, tags joined by ', '."""
    own = split_tags(job.prompt)
    added: list[str] = []
    if project is not None:
        added += split_tags(project.defaults.prompt)
    if style is not None:
        added += style.prompt
    bibles = [_once(_bible_tags(character)) for character in cast]
    if len(cast) != len(SIDES):
        first = _once((tag for bible in bibles for tag in bible), own)
        return ", ".join([*first, *_joined(own, _once(added, [*first, *own]))])
    groups = [
        f"{side}: {', '.join(bible)}" for side, bible in zip(SIDES, bibles, strict=True) if bible
    ]
    return ", ".join([*_joined(own, _once(added, own)), *groups])


def compile_negative(
    project: Project | None, cast: tuple[Character, ...], style: Style | None, job: Job
) -> str:
    """The negative prompt: the job's, each character's, the project's, the style's."""
    own = split_tags(job.negative)
    added: list[str] = []
    for character in cast:
        others = (tag for other in cast if other is not character for tag in _bible_tags(other))
        added += _not_asked(split_tags(character.negative), [*split_tags(job.prompt), *others])
    if project is not None:
        added += _not_asked(split_tags(project.defaults.negative), split_tags(job.prompt))
    if style is not None:
        added += _not_asked(style.negative, split_tags(job.prompt))
    return ", ".join([*own, *_once(added, own)])


def _joined(own: Sequence[str], added: Sequence[str]) -> list[str]:
    """The job's own tags and those added to them, which belong to the whole picture."""
    sides = (n for n, tag in enumerate(own) if _fold(tag).startswith(_SIDES))
    end = next(sides, len(own))
    return [*own[:end], *added, *own[end:]]


def _not_asked(negatives: Iterable[str], asked: Iterable[str]) -> Iterator[str]:
    """Those of the negatives that nobody asks for."""
    wanted = [_bare(tag) for tag in asked]
    for tag in negatives:
        bare = _bare(tag)
        if not any(each == bare or each.endswith(f" {bare}") for each in wanted):
            yield tag


def _bible_tags(character: Character) -> Iterable[str]:
    for tags in (character.trigger, character.appearance, character.outfit, character.expression):
        yield from split_tags(tags)


def _once(tags: Iterable[str], said: Iterable[str] = ()) -> list[str]:
    """Each tag where it stands first, without those that were `said` already."""
    first = dict.fromkeys(map(_fold, said), "")
    for tag in tags:
        first.setdefault(_fold(tag), tag)
    return [tag for tag in first.values() if tag]


def _fold(tag: str) -> str:
    return tag.casefold().replace("_", " ")


def _bare(tag: str) -> str:
    """A tag without its weight and its side: `left: (red scarf:1.2)` is `red scarf`."""
    folded = _fold(tag)
    for side in _SIDES:
        folded = folded.removeprefix(side)
    return _WEIGHT.sub("", folded.strip(" ()[]")).strip()
