"""Styles: what each adds to the prompt and to the negative prompt, and the five presets.

Owns the words only; how they enter a prompt is `pipeline.core.prompt`'s business.
"""

import msgspec

from pipeline.core.keys import slug
from pipeline.core.manifest import split_tags

PLACE = "{prompt}"


class Style(msgspec.Struct, frozen=True, kw_only=True):
    """What shapes prompt and negative prompt, as lists of tags; `before` comes first of all."""

    name: str
    prompt: tuple[str, ...]
    negative: tuple[str, ...] = ()
    before: tuple[str, ...] = ()


PRESETS: dict[str, Style] = {
    style.name: style
    for style in (
        Style(
            name="cyberpunk",
            prompt=("cyberpunk", "neon", "futuristic"),
            negative=("pastel", "rustic"),
        ),
        Style(
            name="fantasy",
            prompt=("fantasy", "magical", "ethereal"),
            negative=("modern", "mechanical"),
        ),
        Style(
            name="steampunk",
            prompt=("steampunk", "victorian", "brass gears"),
            negative=("neon", "futuristic"),
        ),
        Style(
            name="studio_ghibli",
            prompt=("studio ghibli", "soft", "whimsical"),
            negative=("harsh shadows", "neon"),
        ),
        Style(
            name="manga",
            prompt=("manga", "black and white", "screentone"),
            negative=("colorful",),
        ),
    )
}


def style_names(said: str | tuple[str, ...] | None) -> tuple[str, ...]:
    """What a manifest's `style` names, in order."""
    return (said,) if isinstance(said, str) else said or ()


def style_key(name: str) -> str:
    """What a style is found by: `Studio Ghibli` is `studio_ghibli`."""
    return slug(name).replace("-", "_") or name.strip()


def written(name: str, prompt: str, negative: str) -> Style:
    """A style as files of other tools write it, where `{prompt}` stands for what is styled.

    What stands before `{prompt}` comes first, what stands after it last, as it does without one.
    """
    before, _, after = prompt.rpartition(PLACE)
    return Style(
        name=style_key(name),
        before=split_tags(_trimmed(before)),
        prompt=split_tags(_trimmed(after)),
        negative=split_tags(_trimmed(negative.replace(PLACE, ""))),
    )


def _trimmed(text: str) -> str:
    """Without the marks that join it to what is styled: `. emotional` is `emotional`."""
    return text.strip(" ,.;\n\t")
