"""The painter and its captions: the same scene the same pixels, every attribute seen and said."""

import random
from itertools import pairwise

import msgspec
import pytest
from PIL import ImageChops, ImageStat

from pipeline.chibi import vocabulary as words
from pipeline.chibi.captions import canonical, caption
from pipeline.chibi.painter import faces, paint
from pipeline.chibi.scene import Figure, Scene, sample
from pipeline.core.styles import PRESETS

FIGURE = Figure(
    hair_color="silver",
    hair_style="twintails",
    eye_color="blue",
    expression="smile",
    outfit="hoodie",
    outfit_color="red",
    skin="pale skin",
)
OTHER = msgspec.structs.replace(FIGURE, hair_color="red", outfit="kimono", accessory="glasses")
SCENE = Scene(figures=(FIGURE,), background="forest", seed=7)

CHOICES: dict[str, tuple[str | None, ...]] = {
    "hair_color": tuple(words.HAIR_COLORS),
    "hair_style": words.HAIR_STYLES,
    "eye_color": tuple(words.EYE_COLORS),
    "expression": words.EXPRESSIONS,
    "outfit": words.OUTFITS,
    "outfit_color": tuple(words.OUTFIT_COLORS),
    "skin": tuple(words.SKINS),
    "accessory": (None, *words.ACCESSORIES),
    "gaze": words.GAZES,
}


def difference(first: Scene, second: Scene) -> float:
    """Return the mean difference of two painted scenes, in grey levels."""
    parts = ImageChops.difference(paint(first), paint(second))
    return sum(ImageStat.Stat(parts).mean) / 3


def test_same_scene_gives_same_pixels() -> None:
    rng = random.Random(3)
    for scene in [sample(rng) for _ in range(8)]:
        assert paint(scene).tobytes() == paint(scene).tobytes()


def test_seed_moves_the_figure() -> None:
    assert difference(SCENE, msgspec.structs.replace(SCENE, seed=8)) > 1


@pytest.mark.parametrize("attribute", CHOICES)
def test_each_value_of_a_figure_is_seen(attribute: str) -> None:
    scenes = [
        msgspec.structs.replace(
            SCENE, figures=(msgspec.structs.replace(FIGURE, **{attribute: value}),)
        )
        for value in CHOICES[attribute]
    ]
    for first, second in pairwise(scenes):
        assert difference(first, second) > 0.2


VALUES: dict[str, tuple[str | None, ...]] = {
    "background": words.BACKGROUNDS,
    "style": (None, *words.STYLES),
    "framing": words.FRAMINGS,
}


@pytest.mark.parametrize("attribute", VALUES)
def test_each_background_style_and_framing_is_seen(attribute: str) -> None:
    least, values = 10, VALUES[attribute]
    scenes = [msgspec.structs.replace(SCENE, **{attribute: value}) for value in values]
    for first, second in pairwise(scenes):
        assert difference(first, second) > least


@pytest.mark.parametrize("framing", words.FRAMINGS)
def test_a_face_is_where_it_is_said_to_be(framing: str) -> None:
    scene = msgspec.structs.replace(SCENE, framing=framing)
    ((x, y, radius),) = faces(scene)
    radius *= 1.1  # a head turns a little
    other = msgspec.structs.replace(FIGURE, expression="angry", eye_color="red")
    changed = msgspec.structs.replace(scene, figures=(other,))
    box = ImageChops.difference(paint(scene), paint(changed)).getbbox()
    assert box is not None
    left, top, right, bottom = (edge / 256 for edge in box)
    assert x - radius < left < x < right < x + radius
    assert y - radius < top < y < bottom < y + radius


def test_a_place_lights_its_figures() -> None:
    at_night, by_day = (
        paint(msgspec.structs.replace(SCENE, background=place)).crop((112, 120, 144, 152))
        for place in ("city at night", "blue sky")
    )
    assert sum(ImageStat.Stat(at_night).mean) < sum(ImageStat.Stat(by_day).mean) - 20


def test_manga_is_without_colour() -> None:
    picture = paint(msgspec.structs.replace(SCENE, style="manga"))
    red, green, blue = picture.split()
    assert red.tobytes() == green.tobytes() == blue.tobytes()


@pytest.mark.parametrize("size", [64, 256, 384])
@pytest.mark.parametrize("style", [None, "manga", "fantasy"])
def test_sizes(size: int, style: str | None) -> None:
    picture = paint(msgspec.structs.replace(SCENE, style=style), size)
    assert (picture.size, picture.mode) == ((size, size), "RGB")


def test_size_without_pixels_is_refused() -> None:
    with pytest.raises(ValueError, match="size 0"):
        paint(SCENE, 0)


def test_unknown_words_are_refused() -> None:
    with pytest.raises(ValueError, match=r"Figure.hair_color.*'mauve'"):
        msgspec.structs.replace(FIGURE, hair_color="mauve")
    with pytest.raises(ValueError, match=r"Scene.figures: 0"):
        Scene(figures=(), background="forest")
    with pytest.raises(ValueError, match="do not fit a portrait"):
        Scene(figures=(FIGURE, OTHER), background="forest", framing="portrait")


def test_canonical_caption_says_all() -> None:
    scene = msgspec.structs.replace(SCENE, style="manga")
    assert canonical(scene) == (
        "1girl, silver hair, twintails, blue eyes, smile, red hoodie, pale skin, "
        "looking at viewer, upper body, forest, manga, black and white, screentone"
    )


def test_two_figures_are_told_apart() -> None:
    scene = Scene(figures=(FIGURE, OTHER), background="rain")
    text = canonical(scene)
    assert text.startswith("2girls, left: silver hair")
    assert "right: red kimono" in text
    assert "right: glasses" in text
    said = {tag for i in range(200) for tag in caption(scene, random.Random(i)).split(", ")}
    assert {"left: silver hair", "left: grey hair", "right: red hair"} <= said
    assert "red hair" not in said


def test_training_captions_vary() -> None:
    scene = msgspec.structs.replace(SCENE, style="steampunk")
    rng = random.Random(1)
    texts = [caption(scene, rng) for _ in range(2000)]
    assert 0.07 < sum(text == "" for text in texts) / len(texts) < 0.13
    assert len(set(texts)) > 1500
    quality = sum("masterpiece, " in f"{text}, " for text in texts) / len(texts)
    assert 0.1 < quality < 0.17
    styled = [any(word in text for word in PRESETS["steampunk"].prompt) for text in texts]
    assert sum(styled) / len(texts) > 0.75


def test_sampling_is_seeded_and_balanced() -> None:
    rng = random.Random(2)
    scenes = [sample(rng) for _ in range(2000)]
    again = random.Random(2)
    assert scenes == [sample(again) for _ in range(2000)]
    assert 0.18 < sum(len(scene.figures) == 2 for scene in scenes) / 2000 < 0.26
    assert 0.45 < sum(scene.style is None for scene in scenes) / 2000 < 0.55
    figures = [figure for scene in scenes for figure in scene.figures]
    assert 0.45 < sum(figure.accessory is None for figure in figures) / len(figures) < 0.55
    assert {figure.hair_color for figure in figures} == set(words.HAIR_COLORS)
