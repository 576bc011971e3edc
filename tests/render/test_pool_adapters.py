"""Workers wear LoRAs each by itself: no picture without them changes, and none fails another."""

from pathlib import Path

import pytest
import torch

from pipeline import inscription
from pipeline.core.observed import Failed
from pipeline.core.resolved import Adapter, Task
from pipeline.pictures import sha256_of
from tests.render import loras
from tests.render.conftest import Pool, task

pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]
LAYER = "unet.down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q"


def lora(root: Path, name: str, seed: int) -> Adapter:
    down, up = loras.matrices(torch.zeros(32, 32), rank=2, seed=seed)
    tensors = {f"{LAYER}.lora_A.weight": down * 3, f"{LAYER}.lora_B.weight": up * 3}
    path = loras.written(root / name, tensors)
    return Adapter(file=name, sha256=sha256_of(path))


def pixels(real: Pool, wanted: Task, worker: str) -> bytes:
    painted = real.draw(wanted, worker)
    return inscription.pixels_in(real.root / painted.file).encode()


def test_pictures_with_loras_and_without_are_the_same_on_every_worker(real: Pool) -> None:
    one, other = lora(real.root, "loras/one.safetensors", 1), lora(real.root, "two.safetensors", 2)
    workers = real.all_free()
    assert len(workers) == 2
    drawn: dict[str, list[bytes]] = {}
    worn: list[tuple[str, tuple[Adapter, ...]]] = [
        ("plain", ()), ("one", (one,)), ("both", (one, other)), ("plain again", ()),
    ]  # fmt: skip
    for worker in workers:
        for name, adapters in worn:
            wanted = task(f"{worker}-{name.replace(' ', '-')}", seed=99, steps=2, adapters=adapters)
            drawn.setdefault(name, []).append(pixels(real, wanted, worker))
    assert all(first == second for first, second in drawn.values())
    assert drawn["plain"] == drawn["plain again"]
    assert len({first for first, _ in drawn.values()}) == 3


def test_a_lora_that_went_away_fails_its_picture_and_the_worker_goes_on(real: Pool) -> None:
    gone = lora(real.root, "gone.safetensors", 3)
    (real.root / "gone.safetensors").unlink()
    worker = real.all_free()[0]
    failed = real.draw(task("gone", steps=1, adapters=(gone,)), worker)
    assert isinstance(failed, Failed)
    assert "the LoRA gone.safetensors cannot be read: No such file or directory" in failed.error
    pid = real.worker(worker).pid
    assert pixels(real, task("after", steps=1), worker)
    assert real.worker(worker).pid == pid
