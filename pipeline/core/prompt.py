"""How bibles, a job and a style become one prompt and one negative prompt.

The order is: each character (trigger, appearance, outfit, expression), the job's own prompt, the
project's, the style. A tag said twice, after case folding and with `_` as a space, stands once,
where it stood first.

Of exactly two characters the first stands left, the second right. Their tags then come last, in
two groups that begin with `left:` and `right:`, so that each one's attributes stay together; a tag
that both have stands in both.
"""

from collections.abc import Iterable

from pipeline.core.manifest import Character, Job, Project, split_tags
from pipeline.core.styles import Style

SIDES = ("left", "right")


def compile_prompt(
    project: Project | None, cast: tuple[Character, ...], style: Style | None, job: Job
) -> str:
    """The prompt, tags joined by ', '."""
    scene = list(split_tags(job.prompt))
    if project is not None:
        scene += split_tags(project.defaults.prompt)
    if style is not None:
        scene += style.prompt
    bibles = [_once(_bible_tags(character)) for character in cast]
    if len(cast) != len(SIDES):
        return ", ".join(_once([*(tag for bible in bibles for tag in bible), *scene]))
    groups = [
        f"{side}: {', '.join(bible)}" for side, bible in zip(SIDES, bibles, strict=True) if bible
    ]
    return ", ".join([*_once(scene), *groups])


def compile_negative(
    project: Project | None, cast: tuple[Character, ...], style: Style | None, job: Job
) -> str:
    """The negative prompt: the job's, each character's, the project's, the style's."""
    tags = list(split_tags(job.negative))
    for character in cast:
        tags += split_tags(character.negative)
    if project is not None:
        tags += split_tags(project.defaults.negative)
    if style is not None:
        tags += style.negative
    return ", ".join(_once(tags))


def _bible_tags(character: Character) -> Iterable[str]:
    for tags in (character.trigger, character.appearance, character.outfit, character.expression):
        yield from split_tags(tags)


def _once(tags: Iterable[str]) -> list[str]:
    first: dict[str, str] = {}
    for tag in tags:
        first.setdefault(tag.casefold().replace("_", " "), tag)
    return list(first.values())
