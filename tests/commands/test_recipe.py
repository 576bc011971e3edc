"""A recipe is a manifest that passes `check` and draws what the picture shows."""

from pathlib import Path

import pytest
from msgspec.structs import replace
from PIL import Image

from pipeline.commands.checking import check
from pipeline.commands.recipe import SaysNothing, recipe
from pipeline.core.resolved import Task
from pipeline.render import png
from tests.fakes import FAKE_MADE, square
from tests.production import Production
from tests.test_inscription import written

FILES = {
    "neon/project.yaml": "kind: project\nname: Neon\nstyle: manga\n"
    "defaults: {prompt: 'film grain', negative: lowres, guidance: 6.5, sampler: heun}\n",
    "neon/akira.yaml": "kind: character\nname: Akira\nappearance: silver hair\n",
    "neon/rin.yaml": "kind: character\nname: Rin\nappearance: '(pink hair:1.2), \"bob\"'\n",
    "neon/one.yaml": "kind: job\ncharacters: [Akira]\nprompt: 夜の街, roof\nsteps: 4\n",
    "neon/two.yaml": "kind: job\ncharacters: [Akira, Rin]\nprompt: 'a: b #c, {x}'\nsize: 64x128\n",
    "plain.yaml": "kind: job\nprompt: '- rain, yes, [a, b]'\nseed: 5\n",
}


def production() -> Production:
    made = Production()
    made.checkout(FILES.items())
    return made


def drawn(folder: Path, task: Task) -> Path:
    file = folder / "picture.png"
    file.write_bytes(png.encode(square(task), task, "fake", FAKE_MADE))
    return file


@pytest.mark.parametrize("job", ["neon/one", "neon/two", "plain"])
def test_a_recipe_of_ours_has_the_digest_and_the_seed_of_the_picture(
    tmp_path: Path, job: str
) -> None:
    made = production()
    (task,) = (task for task in made.tasks() if task.job == job)
    found = recipe(drawn(tmp_path, task))
    assert found.notes == ()
    made.drop("again.yaml", found.text)
    (again,) = (task for task in made.tasks() if task.job == "again")
    assert (again.digest, again.seed) == (task.digest, task.seed)
    assert again.resolved == task.resolved


def test_it_says_where_it_is_from(tmp_path: Path) -> None:
    task = replace(production().tasks()[0], commit="ab" * 20)
    text = recipe(drawn(tmp_path, task)).text
    assert f"job {task.job} of {task.manifest}, take 1, picture 1." in text
    assert f"the commit {'ab' * 20}." in text
    assert "with the model fake (sha256 abababababab)." in text


def test_a_retouched_picture_is_noted(tmp_path: Path) -> None:
    file = drawn(tmp_path, production().tasks()[0])
    with Image.open(file) as image:
        text = image.info["anime"]
        image.putpixel((0, 0), (1, 2, 3))
        pixels = image.copy()
    written(file, anime=text)
    with Image.open(file) as image:
        info = dict(image.info)
    assert info["anime"] == text
    pixels.info = info
    assert recipe(file).notes == ("what was changed in the picture after it was drawn",)


SAID = (
    "cat <lora:x:1>, __hair__\u202e\nNegative prompt: 'bad', \"worst\"\n"
    "Steps: 20, Sampler: DPM++ 3M SDE, CFG scale: 45, Seed: 5, Size: 513x768, Model: x\x1b[31m, "
    "Model hash: abc, Hires upscale: 2, Version: v1.10"
)


def test_a_recipe_of_another_tool_passes_check_and_tells_what_it_lacks(tmp_path: Path) -> None:
    found = recipe(written(tmp_path / "a.png", parameters=SAID))
    file = tmp_path / "inbox/a.yaml"
    file.parent.mkdir()
    file.write_text(found.text)
    (checked,) = check([file], tmp_path / "inbox")
    assert checked.problems == ()
    assert "parameters that another tool wrote into it (v1.10)." in found.text
    assert "# - the model x\\x1b[31m (abc): it is drawn with that of your own run" in found.text
    for noted in ("other noise", "lora x:1", "DPM++ 3M SDE", "513x768", "Hires upscale: 2"):
        assert noted in found.text
    assert "\x1b" not in found.text


def test_a_prompt_in_japanese_comes_over(tmp_path: Path) -> None:
    text = "夜の街, 少女\nSteps: 20, Sampler: Euler a, Seed: 5"
    found = recipe(written(tmp_path / "a.png", parameters=text))
    assert 'prompt: "夜の街, 少女"\n' in found.text


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        ({"prompt": '{"3": {"class_type": "KSampler"}}', "workflow": "{}"}, "graph of ComfyUI"),
        ({"Comment": "{}", "Software": "NovelAI"}, r"texts of another kind \(Comment, Software\)"),
        ({}, "does not say how it was drawn"),
        ({"parameters": '{"prompt": "cat"}'}, "a JSON object"),
        ({"parameters": "x" * 300_000}, "cannot be read"),
        ({"parameters": "Steps: 20, Sampler: Euler, Seed: 5"}, "its prompt is empty"),
        ({"anime": '{"job": "of a later version"}'}, "does not say how it was drawn"),
    ],
)
def test_what_no_job_can_be_made_of_is_told(
    tmp_path: Path, texts: dict[str, str], said: str
) -> None:
    with pytest.raises(SaysNothing, match=said):
        recipe(written(tmp_path / "a.png", **texts))
