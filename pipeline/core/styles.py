"""The five style presets: what each adds to the prompt and to the negative prompt.

Owns the words only; how they enter a prompt is `pipeline.core.prompt`'s business.
"""

import msgspec


class Style(msgspec.Struct, frozen=True, kw_only=True):
    """A preset that shapes prompt and negative prompt; both are lists of tags."""

    name: str
    prompt: tuple[str, ...]
    negative: tuple[str, ...] = ()


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
