"""The three ways say the same of the same scene, and only what can be mixed up is counted."""

import msgspec

from pipeline.chibi.judge import asked_of
from pipeline.chibi.scene import Figure, Scene
from tests.benchmarks.regions import Settings, groups, kept, one_prompt, regions, scenes, table

LEFT = Figure(
    hair_color="pink", hair_style="twintails", eye_color="blue", expression="smile",
    outfit="kimono", outfit_color="red", skin="pale skin", accessory="glasses",
)  # fmt: skip
RIGHT = msgspec.structs.replace(LEFT, hair_color="black", accessory=None)
SCENE = Scene(figures=(LEFT, RIGHT), background="forest", style="cyberpunk")
SETTINGS = Settings(width=256, height=256, steps=15, guidance=5.0, feather=0.1, weight=1.0)

OTHERS = "twintails, blue eyes, smile, red kimono, pale skin, looking at viewer"
SHARED = "upper body, forest, cyberpunk, neon, futuristic"


def test_each_way_has_all_that_is_said_of_both() -> None:
    assert one_prompt(SCENE, SETTINGS).prompt == (
        f"2girls, pink hair, {OTHERS}, glasses, black hair, {OTHERS}, {SHARED}"
    )
    said = f"2girls, {SHARED}, left: pink hair, {OTHERS}, glasses, right: black hair, {OTHERS}"
    assert groups(SCENE, SETTINGS).prompt == said
    assert regions(SCENE, SETTINGS).prompt == said


def test_a_region_says_nothing_of_the_other_figure() -> None:
    left, right = regions(SCENE, SETTINGS).regions
    assert left.prompt == f"2girls, {SHARED}, left: pink hair, {OTHERS}, glasses"
    assert right.prompt == f"2girls, {SHARED}, right: black hair, {OTHERS}"
    assert (left.left, left.right, right.left, right.right) == (0, 0.5, 0.5, 1)


def test_only_what_differs_is_counted() -> None:
    right = dict(asked_of(SCENE))
    swapped = {**right, "first_hair_color": "black", "second_hair_color": "pink"}
    found = kept([(SCENE, right), (SCENE, swapped)])
    assert found == {"hair_color": (0.5, 4), "accessory": (1.0, 4)}
    text = table({"regions": found}, {"two: first_accessory": 0.9}, {"regions": 1.0})
    assert "| hair color | 50.0% | 0.0% | 4 |" in text
    assert "| **all** | 75.0% | | 8 |" in text


def test_scenes_have_two_figures_and_are_the_same_every_time() -> None:
    some = scenes(5, 1)
    assert [len(scene.figures) for scene in some] == [2] * 5
    assert scenes(5, 1) == some
