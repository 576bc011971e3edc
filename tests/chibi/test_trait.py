"""The LoRA's trait is painted, called for by its own word, and seen in pixels; a LoRA learns it."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import load_file

from pipeline.adapters import Adapters, body_of
from pipeline.chibi import dyed
from pipeline.chibi.painter import paint
from pipeline.chibi.train_lora import FOLDER, LoraTrainer
from pipeline.chibi.trait import SHIPPED, asked, prompts
from pipeline.lora import Body
from pipeline.render.adapters import PARTS

COUNT = 20


def test_the_trait_is_seen_where_it_is_painted_and_nowhere_else() -> None:
    scenes = [asked(number) for number in range(COUNT)]
    with_it = [dyed.has_trait(np.asarray(dyed.paint_dyed(scene, 128))) for scene in scenes]
    without = [dyed.has_trait(np.asarray(paint(scene, 128))) for scene in scenes]
    assert sum(with_it) >= 0.85 * COUNT
    assert not any(without)


def test_a_caption_calls_for_it_by_its_word_alone() -> None:
    for number in range(200):
        rng = random.Random(number)
        said = dyed.called(dyed.dyed_scene(rng), rng)
        assert said.count(dyed.TRIGGER) == 1
        assert f"{dyed.LEFT} hair" not in said
        assert "right: " + dyed.TRIGGER not in said


def test_plain_words_name_all_colours_and_not_its_word() -> None:
    trigger, plain, alone = prompts(asked(0))
    assert dyed.TRIGGER in trigger == alone
    assert dyed.TRIGGER not in plain
    assert "pink hair" in plain
    assert "blue hair" in plain


def test_what_ships_is_small_and_goes_with_the_bundled_model() -> None:
    assert SHIPPED.stat().st_size < 2_000_000
    described = Adapters({"chibi": body_of(FOLDER)}).describe(SHIPPED)
    assert described is not None
    assert (described.fault, described.unfit) == ("", {})


def test_training_changes_the_low_rank_layers_only(tmp_path: Path) -> None:
    pipeline: Any = StableDiffusionPipeline.from_pretrained(str(FOLDER))
    before = {name: weight.clone() for name, weight in pipeline.unet.named_parameters()}
    latents = torch.randn(2, 8, 8, 8, generator=torch.Generator().manual_seed(1))
    captions = [lambda _: f"1girl, {dyed.TRIGGER}"] * 2
    trainer = LoraTrainer(pipeline, [(latents, captions)], rank=4, batch=2)
    losses = [trainer.step(1e-3, 0.0)["loss"] for _ in range(2)]
    assert all(np.isfinite(losses))
    for name, weight in pipeline.unet.named_parameters():
        if ".lora_" not in name:
            assert torch.equal(weight, before[name.replace(".base_layer", "")])
    path = tmp_path / "taught.safetensors"
    assert trainer.write(path) == path.stat().st_size < 1_000_000
    assert any(tensor.any() for name, tensor in load_file(path).items() if "lora_B" in name)
    shapes = {part: {name: tuple(one.shape) for name, one in getattr(pipeline, part)
                     .named_parameters() if ".lora_" not in name}
              for part in PARTS[:2]}  # fmt: skip
    described = Adapters({"m": Body.of(shapes, layers_per_block=1)}).describe(path)
    assert described is not None
    assert (described.fault, described.unfit) == ("", {})


def test_a_trainer_goes_on_where_it_was(tmp_path: Path) -> None:
    latents = torch.randn(2, 8, 8, 8, generator=torch.Generator().manual_seed(1))
    captions = [lambda _: "1girl"] * 2

    def made() -> LoraTrainer:
        pipeline: Any = StableDiffusionPipeline.from_pretrained(str(FOLDER))
        return LoraTrainer(pipeline, [(latents, captions)], rank=2, batch=2)

    first = made()
    first.step(1e-3, 0.0)
    torch.save(first.state(), tmp_path / "state.pt")
    went_on = first.step(1e-3, 0.0)
    second = made()
    second.restore(torch.load(tmp_path / "state.pt", weights_only=True))
    assert second.step(1e-3, 0.0) == pytest.approx(went_on, rel=1e-4)
