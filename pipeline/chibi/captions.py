"""Captions of scenes in booru tags, as people write prompts.

Owns the wording of a scene. Never draws and never decides what a scene shows.
"""

import random

from pipeline.chibi.scene import Figure, Scene
from pipeline.chibi.vocabulary import QUALITY, SYNONYMS
from pipeline.core.styles import PRESETS

EMPTY = 0.1
DROPPED = 0.06
SHORT = 0.1
SHORTENED = 0.55
"""How many captions are short, and what is left out of those."""
SYNONYM = 0.15
QUALITY_WORDS = 0.15
STYLE_WORD = 0.8
SIDES = ("left", "right")


def canonical(scene: Scene) -> str:
    """Return the full caption in fixed order: count, figures, background, style words."""
    tags = [_count(scene), *_figure_tags(scene), scene.framing, scene.background]
    if scene.style is not None:
        tags += PRESETS[scene.style].prompt
    return ", ".join(tags)


def caption(scene: Scene, rng: random.Random) -> str:
    """Return a training caption: random order, tags dropped, synonyms; sometimes empty."""
    if rng.random() < EMPTY:
        return ""
    tags = [_count(scene), *_figure_tags(scene), scene.framing, scene.background]
    dropped = SHORTENED if rng.random() < SHORT else DROPPED
    tags = [_vary(tag, rng) for tag in tags if rng.random() >= dropped]
    if scene.style is not None and rng.random() >= dropped:
        tags += _style_words(scene.style, rng)
    if rng.random() < QUALITY_WORDS:
        tags += QUALITY
    rng.shuffle(tags)
    return ", ".join(tags)


def _count(scene: Scene) -> str:
    return "1girl" if len(scene.figures) == 1 else "2girls"


def _figure_tags(scene: Scene) -> list[str]:
    if len(scene.figures) == 1:
        return _tags(scene.figures[0])
    pairs = zip(SIDES, scene.figures, strict=True)
    return [f"{side}: {tag}" for side, figure in pairs for tag in _tags(figure)]


def _tags(figure: Figure) -> list[str]:
    tags = [
        f"{figure.hair_color} hair",
        figure.hair_style,
        f"{figure.eye_color} eyes",
        figure.expression,
        f"{figure.outfit_color} {figure.outfit}",
        figure.skin,
        figure.gaze,
    ]
    return tags if figure.accessory is None else [*tags, figure.accessory]


def _vary(tag: str, rng: random.Random) -> str:
    prefix, separator, word = tag.rpartition(": ")
    if word in SYNONYMS and rng.random() < SYNONYM:
        word = rng.choice(SYNONYMS[word])
    return prefix + separator + word


def _style_words(style: str, rng: random.Random) -> list[str]:
    words = PRESETS[style].prompt
    kept = [word for word in words if rng.random() < STYLE_WORD]
    return kept or [rng.choice(words)]
