"""`python -m pipeline.chibi.probe`: do the model's pictures show what their prompts say?

Owns the judge (a small classifier that only ever saw painted pictures) and the table it prints.
Never improves a model and never chooses among its pictures.
"""

import random
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import click
import msgspec
import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from pipeline.chibi import dataset
from pipeline.chibi.captions import canonical
from pipeline.chibi.pace import Budget, report, train
from pipeline.chibi.scene import Scene, sample
from pipeline.chibi.train_text import attributes
from pipeline.chibi.train_vae import as_tensor

FOLDER: Final = Path(__file__).with_name("model")
SEEN: Final = 96
"""Width and height at which the judge looks at pictures."""

HELD_OUT: Final = 500
BATCH: Final = 32
RATE: Final = 2e-3
COLOURS: Final = ("hair_color", "eye_color", "outfit_color", "skin")
"""What a black and white picture cannot show."""

NO_COLOURS: Final = "manga"


class Judge(nn.Module):
    """Says every attribute of a picture; `words` are the answers it knows, by attribute."""

    def __init__(self, words: Mapping[str, Sequence[str]]) -> None:
        super().__init__()
        self.words = {name: tuple(known) for name, known in words.items()}
        widths = (32, 64, 96, 128)
        layers: list[nn.Module] = []
        before = 3
        for width in widths:
            layers += [nn.Conv2d(before, width, 3, 2, 1, bias=False), nn.BatchNorm2d(width)]
            layers += [nn.ReLU(), nn.Conv2d(width, width, 3, 1, 1, bias=False)]
            layers += [nn.BatchNorm2d(width), nn.ReLU()]
            before = width
        # Where something is matters (left or right), so places are kept apart.
        self.body = nn.Sequential(*layers, nn.Conv2d(before, 32, 1), nn.Flatten(), nn.Dropout(0.1))
        wide = 32 * (SEEN // 16) ** 2
        self.heads = nn.ModuleDict(
            {name: nn.Linear(wide, len(known)) for name, known in self.words.items()}
        )

    def forward(self, pictures: Tensor) -> dict[str, Tensor]:
        """Return scores [n, answers] by attribute for pictures [n, 3, 96, 96] of -1..1."""
        features = self.body(pictures)
        return {name: head(features) for name, head in self.heads.items()}

    @torch.no_grad()
    def answers(self, pictures: Tensor) -> list[dict[str, str]]:
        """Return what each picture shows, by attribute."""
        found = {name: scores.argmax(dim=1) for name, scores in self(pictures).items()}
        return [
            {name: self.words[name][int(best[number])] for name, best in found.items()}
            for number in range(len(pictures))
        ]


class JudgeTrainer:
    """Teaches a judge with painted pictures, a little blurred and noisy as drawn ones may be."""

    def __init__(self, judge: Judge, pictures: dataset.Pictures, scenes: Sequence[Scene]) -> None:
        self.judge, self._pictures = judge, pictures
        answers = [attributes(scene) for scene in scenes]
        self._wanted = {
            name: torch.tensor([known.index(answer[name]) for answer in answers])
            for name, known in judge.words.items()
        }
        self._rng = np.random.default_rng(0)
        self._optimizer = torch.optim.AdamW(judge.parameters(), lr=RATE, weight_decay=0.02)

    def step(self, rate: float, progress: float) -> dict[str, float]:
        """Learn from one batch; return its loss and the share of right answers."""
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        chosen = self._rng.integers(len(self._pictures), size=BATCH)
        pictures = seen(np.stack([self._pictures[number] for number in chosen]))
        pictures = pictures + torch.randn_like(pictures) * 0.12 * torch.rand(BATCH, 1, 1, 1)
        self.judge.train()
        losses, right = [], []
        for name, scores in self.judge(pictures).items():
            wanted = self._wanted[name][torch.from_numpy(chosen)]
            losses.append(functional.cross_entropy(scores, wanted))
            right.append((scores.argmax(dim=1) == wanted).float().mean())
        loss = torch.stack(losses).mean()
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self._optimizer.step()
        return {"loss": float(loss.detach()), "right": float(torch.stack(right).mean())}

    def state(self) -> dict[str, Any]:
        """Return weights and optimizer."""
        return {"judge": self.judge.state_dict(), "optimizer": self._optimizer.state_dict()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a saved state."""
        self.judge.load_state_dict(state["judge"])
        self._optimizer.load_state_dict(state["optimizer"])


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One attribute's line of the table; shares are 0..1, `painted` is the judge's own limit."""

    attribute: str
    pictures: int
    drawn: float
    painted: float


def seen(pictures: dataset.Pictures) -> Tensor:
    """Return uint8 pictures [n, size, size, 3] as the judge sees them."""
    return functional.interpolate(as_tensor(pictures), (SEEN, SEEN), mode="area")


def teach(work: Path, count: int, steps: int) -> tuple[Judge, dict[str, float]]:
    """Return a judge taught with `count` painted pictures, and its shares on unseen ones."""
    scenes = dataset.scenes(count)
    painted = dataset.pictures(work / "pictures", count)
    told = [attributes(scene) for scene in scenes]
    judge = Judge({name: sorted({one[name] for one in told}) for name in told[0]})
    trainer = JudgeTrainer(judge, painted[:-HELD_OUT], scenes[:-HELD_OUT])
    train(trainer, budget=Budget(steps=steps), peak=RATE, checkpoint=work / "judge.pt")
    judge.eval()
    pairs = list(zip(scenes[-HELD_OUT:], _judged(judge, painted[-HELD_OUT:]), strict=True))
    return judge, {name: share for name, (share, _) in shares(pairs).items()}


def shares(pairs: Sequence[tuple[Scene, Mapping[str, str]]]) -> dict[str, tuple[float, int]]:
    """Return the share of right answers and their number for each attribute."""
    right: dict[str, list[bool]] = {}
    for scene, answer in pairs:
        for name, wanted in _asked(scene):
            label = name.removeprefix("first_") if len(scene.figures) == 1 else f"two: {name}"
            right.setdefault(label, []).append(answer[name] == wanted)
    return {name: (sum(hits) / len(hits), len(hits)) for name, hits in sorted(right.items())}


def draw(
    pipeline: StableDiffusionPipeline, scenes: Sequence[Scene], *, steps: int, guidance: float
) -> dataset.Pictures:
    """Return the pictures the model draws for the full captions of `scenes`, seeds 0, 1, ..."""
    drawn: list[Image.Image] = []
    for begin in range(0, len(scenes), 8):
        some = scenes[begin : begin + 8]
        drawn += pipeline(
            [canonical(scene) for scene in some],
            num_inference_steps=steps,
            guidance_scale=guidance,
            generator=[torch.Generator().manual_seed(begin + n) for n in range(len(some))],
        ).images
        if begin % 40 == 0:
            report(f"drawn {len(drawn)} of {len(scenes)} pictures")
    return np.stack([np.asarray(picture) for picture in drawn])


def _asked(scene: Scene) -> Iterator[tuple[str, str]]:
    for name, wanted in attributes(scene).items():
        side, _, attribute = name.partition("_")
        hidden = scene.style == NO_COLOURS and attribute in COLOURS
        absent = side == "second" and len(scene.figures) == 1
        if not hidden and not absent:
            yield name, wanted


def _judged(judge: Judge, pictures: dataset.Pictures) -> list[dict[str, str]]:
    found: list[dict[str, str]] = []
    for begin in range(0, len(pictures), BATCH):
        found += judge.answers(seen(pictures[begin : begin + BATCH]))
    return found


def _table(rows: Sequence[Row]) -> str:
    lines = [f"{'attribute':26} pictures   drawn  painted"]
    lines += [
        f"{row.attribute:26} {row.pictures:8} {row.drawn:7.1%} {row.painted:8.1%}" for row in rows
    ]
    return "\n".join(lines)


@click.command()
@click.option("--model", type=click.Path(path_type=Path), default=FOLDER, help="Model folder.")
@click.option("--work", type=click.Path(path_type=Path), required=True, help="Painted pictures.")
@click.option("--pictures", default=240, show_default=True, help="Pictures to draw and judge.")
@click.option("--painted", default=10_000, show_default=True, help="Pictures to teach with.")
@click.option("--judge-steps", default=1_500, show_default=True)
@click.option("--steps", default=15, show_default=True)
@click.option("--guidance", default=5.0, show_default=True)
@click.option("--seed", default=1, show_default=True, help="Chooses the scenes.")
@click.option("--threads", default=2, show_default=True)
def main(
    *,
    model: Path,
    work: Path,
    pictures: int,
    painted: int,
    judge_steps: int,
    steps: int,
    guidance: float,
    seed: int,
    threads: int,
) -> None:
    """Draw pictures of random scenes and print how many show what was asked for."""
    torch.set_num_threads(threads)
    judge, limits = teach(work, painted, judge_steps)
    scenes = [sample(random.Random(f"probe/{seed}/{number}")) for number in range(pictures)]
    pipeline = StableDiffusionPipeline.from_pretrained(str(model))
    pipeline.set_progress_bar_config(disable=True)
    drawn = draw(pipeline, scenes, steps=steps, guidance=guidance)
    found = shares(list(zip(scenes, _judged(judge, drawn), strict=True)))
    rows = [
        Row(attribute=name, pictures=count, drawn=share, painted=limits.get(name, float("nan")))
        for name, (share, count) in found.items()
    ]
    click.echo(_table(rows), file=sys.stdout)


if __name__ == "__main__":
    main()
