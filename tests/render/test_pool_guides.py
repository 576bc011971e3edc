"""Workers draw from pictures and with ControlNets: the same on each, and what is not there any more
fails its own picture alone."""

from pathlib import Path
from typing import Any

import pytest

from pipeline import inscription
from pipeline.core.observed import Failed, Stepped
from pipeline.core.resolved import Refined, Source, Task
from pipeline.model import NOTHING_TOLD, check
from pipeline.render import reading
from tests.render import guides
from tests.render.conftest import RESOLVED, Pool, task

pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]
SIZE = (RESOLVED.width, RESOLVED.height)


def pixels(real: Pool, wanted: Task, worker: str) -> str:
    painted = real.draw(wanted, worker)
    return inscription.pixels_in(real.root / painted.file)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # diffusers of numpy 2
def test_every_worker_draws_the_same_and_counts_its_steps(real: Pool, tiny_model: Path) -> None:
    import torch

    pipe = reading.read(tiny_model, check(tiny_model, NOTHING_TOLD), NOTHING_TOLD, torch.float32)
    sketch = guides.picture(real.root, "in/sketch.png", (100, 80))
    mask = guides.mask(real.root, "in/mask.png", (100, 80))
    net = guides.steering(guides.control(pipe.unet), real.root, "in/net.safetensors", sketch)
    ways: dict[str, dict[str, Any]] = {
        "plain": {},
        "from": {"source": Source(picture=sketch, strength=0.5)},
        "mask": {"source": Source(picture=sketch, strength=0.5, mask=mask)},
        "refine": {"refine": Refined(width=96, height=96, strength=0.5, steps=4)},
        "net": {"controls": (net,)},
        "plain again": {},
    }
    drawn: dict[str, set[str]] = {}
    for worker in real.all_free():
        for name, inputs in ways.items():
            wanted = task(f"{worker}-{name.replace(' ', '-')}", seed=5, **inputs)
            drawn.setdefault(name, set()).add(pixels(real, wanted, worker))
            steps = [(each.step, each.steps) for each in real.of(wanted, Stepped)]
            count = {"from": 2, "mask": 2, "refine": 6}.get(name, 4)
            assert steps == [(step, count) for step in range(1, count + 1)]
    assert all(len(found) == 1 for found in drawn.values())
    assert drawn["plain"] == drawn["plain again"]
    assert len(set.union(*drawn.values())) == 5


def test_a_picture_that_went_away_fails_its_job_and_the_worker_goes_on(real: Pool) -> None:
    gone = guides.picture(real.root, "gone.png")
    (real.root / "gone.png").unlink()
    worker = real.all_free()[0]
    pid = real.worker(worker).pid
    failed = real.draw(task("left", source=Source(picture=gone, strength=0.5)), worker)
    assert isinstance(failed, Failed)
    assert "the picture gone.png cannot be read: No such file or directory" in failed.error
    assert pixels(real, task("right", steps=1), worker)
    assert real.worker(worker).pid == pid
