"""What a painted picture shows, as values.

Owns the attributes of figures and scenes and their uniform sampling. Never draws, never words.
"""

import random
from collections.abc import Collection

import msgspec

from pipeline.chibi import vocabulary as words

TWO_FIGURES = 0.22
ACCESSORY = 0.5
STYLE = 0.5
GAZES = (2, 1)
FRAMINGS = (2, 1, 1)


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One character; each value is a word of `vocabulary`. Raises ValueError for any other."""

    hair_color: str
    hair_style: str
    eye_color: str
    expression: str
    outfit: str
    outfit_color: str
    skin: str
    accessory: str | None = None
    gaze: str = words.GAZES[0]

    def __post_init__(self) -> None:
        _known("Figure.hair_color", self.hair_color, words.HAIR_COLORS)
        _known("Figure.hair_style", self.hair_style, words.HAIR_STYLES)
        _known("Figure.eye_color", self.eye_color, words.EYE_COLORS)
        _known("Figure.expression", self.expression, words.EXPRESSIONS)
        _known("Figure.outfit", self.outfit, words.OUTFITS)
        _known("Figure.outfit_color", self.outfit_color, words.OUTFIT_COLORS)
        _known("Figure.skin", self.skin, words.SKINS)
        _known("Figure.gaze", self.gaze, words.GAZES)
        if self.accessory is not None:
            _known("Figure.accessory", self.accessory, words.ACCESSORIES)


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """A picture: one figure or two (left, right), a background, a style; `seed` drives the pose.

    Raises ValueError for an unknown word or another number of figures.
    """

    figures: tuple[Figure, ...]
    background: str
    style: str | None = None
    framing: str = words.FRAMINGS[0]
    seed: int = 0

    def __post_init__(self) -> None:
        if len(self.figures) not in (1, 2):
            raise ValueError(f"Scene.figures: {len(self.figures)} figures; give one or two")
        _known("Scene.background", self.background, words.BACKGROUNDS)
        _known("Scene.framing", self.framing, words.FRAMINGS)
        if len(self.figures) == 2 and self.framing == "portrait":
            raise ValueError("Scene.framing: two figures do not fit a portrait")
        if self.style is not None:
            _known("Scene.style", self.style, words.STYLES)


def sample(rng: random.Random) -> Scene:
    """Draw a scene, uniform over every attribute but gaze and framing."""
    count = 2 if rng.random() < TWO_FIGURES else 1
    framing = rng.choices(words.FRAMINGS, FRAMINGS)[0]
    return Scene(
        figures=tuple(_sample_figure(rng) for _ in range(count)),
        background=rng.choice(words.BACKGROUNDS),
        style=rng.choice(words.STYLES) if rng.random() < STYLE else None,
        framing=words.FRAMINGS[0] if count == 2 and framing == "portrait" else framing,
        seed=rng.getrandbits(31),
    )


def _sample_figure(rng: random.Random) -> Figure:
    return Figure(
        hair_color=rng.choice(tuple(words.HAIR_COLORS)),
        hair_style=rng.choice(words.HAIR_STYLES),
        eye_color=rng.choice(tuple(words.EYE_COLORS)),
        expression=rng.choice(words.EXPRESSIONS),
        outfit=rng.choice(words.OUTFITS),
        outfit_color=rng.choice(tuple(words.OUTFIT_COLORS)),
        skin=rng.choice(tuple(words.SKINS)),
        accessory=rng.choice(words.ACCESSORIES) if rng.random() < ACCESSORY else None,
        gaze=rng.choices(words.GAZES, GAZES)[0],
    )


def _known(place: str, value: str, known: Collection[str]) -> None:
    if value not in known:
        raise ValueError(f"{place}: unknown word {value!r}; known are {', '.join(known)}")
