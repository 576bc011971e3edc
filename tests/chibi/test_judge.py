"""The judge learns from pictures, is read as it was written, and asked only for what shows."""

from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch

from pipeline.chibi import dataset, evaluate
from pipeline.chibi.judge import Judge, JudgeTrainer, asked_of, read, shares, write
from pipeline.chibi.scene import Scene
from pipeline.chibi.train_text import attributes

SCENES = dataset.scenes(24)
TOLD = [attributes(scene) for scene in SCENES]


def judge() -> Judge:
    torch.manual_seed(0)
    return Judge({name: sorted({one[name] for one in TOLD}) for name in TOLD[0]})


def pictures(tmp_path: Path) -> dataset.Pictures:
    return dataset.pictures(tmp_path / "pictures", len(SCENES), shard=12)


def single(**values: object) -> Scene:
    scene = next(scene for scene in SCENES if len(scene.figures) == 1)
    figure = msgspec.structs.replace(scene.figures[0], expression="smile")
    return msgspec.structs.replace(scene, figures=(figure,), **values)


@pytest.mark.slow
def test_a_judge_learns_what_it_is_shown(tmp_path: Path) -> None:
    trainer = JudgeTrainer(judge(), pictures(tmp_path), SCENES)
    losses = [trainer.step(2e-3, 0.5)["loss"] for _ in range(13)]
    assert losses[-1] < 0.7 * losses[0]


def test_a_judge_is_read_as_it_was_written(tmp_path: Path) -> None:
    taught = judge().eval()
    some = np.random.default_rng(0).integers(0, 256, (3, 256, 256, 3), dtype=np.uint8)
    write(taught, {"style": 0.5}, tmp_path / "judge.safetensors")
    again, painted = read(tmp_path / "judge.safetensors")
    assert painted == {"style": 0.5}
    assert again.answers(some) == taught.answers(some)


@pytest.mark.parametrize(
    ("style", "hidden"), [("manga", {"first_hair_color", "first_eye_color"}), (None, set())]
)
def test_black_and_white_is_not_asked_for_colours(style: str | None, hidden: set[str]) -> None:
    asked = {name for name, _ in asked_of(single(style=style))}
    assert {"first_hair_color", "first_eye_color"} - asked == hidden
    assert {"style", "background", "first_hair_style"} <= asked
    assert not any(name.startswith("second_") for name in asked)


def test_shut_eyes_are_not_asked_for_their_colour() -> None:
    scene = single(style=None)
    shut = msgspec.structs.replace(scene.figures[0], expression="laughing")
    names = {name for name, _ in asked_of(msgspec.structs.replace(scene, figures=(shut,)))}
    assert "first_eye_color" not in names
    assert "first_expression" in names


def test_shares_count_what_was_asked_and_right() -> None:
    scene = single(style=None)
    right, wrong = dict(asked_of(scene)), {**dict(asked_of(scene)), "style": "manga"}
    found = shares([(scene, right), (scene, wrong)])
    assert found["style"] == (0.5, 2)
    assert found["hair_color"] == (1.0, 2)


def test_the_table_has_a_row_for_each_goal() -> None:
    pairs = [(scene, dict(asked_of(scene))) for scene in SCENES]
    rows = evaluate.rows(pairs, {})
    assert {row.attribute for row in rows if row.goal} == set(evaluate.GOALS)
    assert all(row.drawn == 1.0 for row in rows)
    assert "| hair color | 100.0% | 97% |" in evaluate.table(rows)
