"""`python -m pipeline.chibi.judge`: teaches the classifier that says what a picture shows.

Owns the judge: a small network that only ever saw painted pictures, its training, and the file it
is shipped in. Never sees what a model drew while it learns, and never draws.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

import click
import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from pipeline.chibi import dataset
from pipeline.chibi.pace import Budget, halved, train
from pipeline.chibi.scene import Scene
from pipeline.chibi.train_text import attributes
from pipeline.chibi.train_vae import as_tensor

Answers: TypeAlias = Mapping[str, str]

SHIPPED: Final = Path(__file__).with_name("judge.safetensors")
SEEN: Final = 128
"""Width and height at which the judge looks at pictures."""

WIDTHS: Final = (24, 48, 96, 128)
HELD_OUT: Final = 1000
BATCH: Final = 32
RATE: Final = 2e-3
NOISE: Final = 0.12
BLURRED: Final = 0.5
COLOURS: Final = ("hair_color", "eye_color", "outfit_color", "skin")
"""What a black and white picture cannot show."""

NO_COLOURS: Final = "manga"
CLOSE: Final = "portrait"
CLOTHES: Final = ("outfit", "outfit_color")
"""What a portrait hardly shows."""

UNJUDGED: Final = ("gaze",)
SHIFT: Final = 5
"""Pixels that a picture is moved at most, so that the judge learns no places by heart."""

SHUT: Final = "laughing"
"""Its eyes are closed, so no colour of them can be seen."""


class Judge(nn.Module):
    """Says every attribute of a picture; `words` are the answers it knows, by attribute."""

    def __init__(self, words: Mapping[str, Sequence[str]]) -> None:
        super().__init__()
        self.words = {name: tuple(known) for name, known in words.items()}
        layers: list[nn.Module] = []
        before = 3
        for width in WIDTHS:
            layers += [nn.Conv2d(before, width, 3, 2, 1, bias=False), nn.BatchNorm2d(width)]
            layers += [nn.ReLU(), nn.Conv2d(width, width, 3, 1, 1, bias=False)]
            layers += [nn.BatchNorm2d(width), nn.ReLU()]
            before = width
        # Where something is matters (left or right), so places are kept apart.
        self.body = nn.Sequential(*layers, nn.Conv2d(before, 32, 1), nn.Flatten(), nn.Dropout(0.1))
        wide = 32 * (SEEN // 2 ** len(WIDTHS)) ** 2
        self.heads = nn.ModuleDict(
            {name: nn.Linear(wide, len(known)) for name, known in self.words.items()}
        )

    def forward(self, pictures: Tensor) -> dict[str, Tensor]:
        """Return scores [n, answers] by attribute for pictures [n, 3, 128, 128] of -1..1."""
        features = self.body(pictures)
        return {name: head(features) for name, head in self.heads.items()}

    @torch.no_grad()
    def answers(self, pictures: dataset.Pictures) -> list[Answers]:
        """Return what each picture shows, by attribute; uint8 [n, height, width, 3]."""
        told: list[Answers] = []
        for begin in range(0, len(pictures), BATCH):
            some = pictures[begin : begin + BATCH]
            best = {name: found.argmax(dim=1) for name, found in self(seen(some)).items()}
            told += [
                {name: self.words[name][int(found[number])] for name, found in best.items()}
                for number in range(len(some))
            ]
        return told


class JudgeTrainer:
    """Teaches a judge with painted pictures, a little blurred and noisy as drawn ones may be."""

    def __init__(self, judge: Judge, pictures: dataset.Pictures, scenes: Sequence[Scene]) -> None:
        self.judge, self._pictures = judge, pictures
        answers = [attributes(scene) for scene in scenes]
        asked = [dict(asked_of(scene)) for scene in scenes]
        two = [len(scene.figures) == 2 for scene in scenes]

        def told(name: str, *, mirrored: bool) -> tuple[Tensor, Tensor]:
            """What is to be said of an attribute of each picture, and whether it can be seen. Of
            two figures in a mirror the first is the second."""
            names = [_other(name) if mirrored and both else name for both in two]
            place = {word: number for number, word in enumerate(judge.words[name])}
            wanted = [place.get(answer[own], 0) for answer, own in zip(answers, names, strict=True)]
            visible = [
                answer[own] in place and (own in one or answer[own] == "nothing")
                for one, answer, own in zip(asked, answers, names, strict=True)
            ]
            return torch.tensor(wanted), torch.tensor(visible)

        self._told = {
            mirrored: {name: told(name, mirrored=mirrored) for name in judge.words}
            for mirrored in (False, True)
        }
        self._rng = np.random.default_rng(0)
        self._optimizer = torch.optim.AdamW(judge.parameters(), lr=RATE, weight_decay=0.02)

    def step(self, rate: float, progress: float) -> dict[str, float]:
        """Learn from one batch; return its loss and the share of right answers."""
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        chosen = np.sort(self._rng.integers(len(self._pictures), size=BATCH))
        pictures = self._worn(seen(np.stack([self._pictures[number] for number in chosen])))
        mirrored = bool(self._rng.random() < 0.5)
        pictures = pictures.flip(-1) if mirrored else pictures
        self.judge.train()
        losses, right = [], []
        numbers = torch.from_numpy(chosen)
        with halved(pictures.device):
            answers = self.judge(pictures)
        for name, told in answers.items():
            scores = told.float()
            wanted, visible = (each[numbers] for each in self._told[mirrored][name])
            if not visible.any():
                continue
            wanted = wanted[visible]
            losses.append(functional.cross_entropy(scores[visible], wanted))
            right.append((scores[visible].argmax(dim=1) == wanted).float().mean())
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

    def _worn(self, pictures: Tensor) -> Tensor:
        left, top = (int(shift) for shift in self._rng.integers(-SHIFT, SHIFT + 1, size=2))
        pictures = functional.pad(pictures, (SHIFT,) * 4, mode="replicate")
        pictures = pictures[..., SHIFT + top :, SHIFT + left :][..., :SEEN, :SEEN]
        soft = functional.avg_pool2d(pictures, 3, 1, 1, count_include_pad=False)
        share = torch.from_numpy(self._rng.random((len(pictures), 1, 1, 1))).float()
        share = torch.where(share < BLURRED, share / BLURRED, torch.zeros_like(share))
        amount = torch.from_numpy(self._rng.random((len(pictures), 1, 1, 1))).float()
        return pictures.lerp(soft, share) + torch.randn_like(pictures) * NOISE * amount


def _other(name: str) -> str:
    """An attribute's name of the other figure."""
    side, _, rest = name.partition("_")
    others = {"first": "second", "second": "first"}
    return f"{others[side]}_{rest}" if side in others else name


def seen(pictures: dataset.Pictures) -> Tensor:
    """Return uint8 pictures [n, height, width, 3] as the judge sees them.

    Of a landscape or portrait it sees the largest square: the middle, and of a portrait the top.
    """
    height, width = pictures.shape[1:3]
    side, left = min(height, width), max(width - height, 0) // 2
    pictures = pictures[:, :side, left : left + side]
    return functional.interpolate(as_tensor(pictures), (SEEN, SEEN), mode="area")


def asked_of(scene: Scene) -> Iterator[tuple[str, str]]:
    """Yield the attributes that a picture of the scene can show, with what they should be."""
    for name, wanted in attributes(scene).items():
        side, _, attribute = name.partition("_")
        number = ("first", "second").index(side) if side in ("first", "second") else None
        if number is not None:
            if number >= len(scene.figures):
                continue
            if attribute in UNJUDGED:
                continue
            if scene.style == NO_COLOURS and attribute in COLOURS:
                continue
            if scene.framing == CLOSE and attribute in CLOTHES:
                continue
            if attribute == "eye_color" and scene.figures[number].expression == SHUT:
                continue
        yield name, wanted


def shares(pairs: Sequence[tuple[Scene, Answers]]) -> dict[str, tuple[float, int]]:
    """Return the share of right answers and their number for each attribute.

    Attributes of the second of two figures are named `two: …`, as are then those of the first.
    """
    right: dict[str, list[bool]] = {}
    for scene, answer in pairs:
        for name, wanted in asked_of(scene):
            label = name.removeprefix("first_") if len(scene.figures) == 1 else f"two: {name}"
            right.setdefault(label, []).append(answer[name] == wanted)
    return {name: (sum(hits) / len(hits), len(hits)) for name, hits in sorted(right.items())}


def write(judge: Judge, painted: Mapping[str, float], path: Path) -> None:
    """Write a judge in half precision, with its words and its shares on painted pictures."""
    tensors = {
        name: tensor.half().contiguous() if tensor.is_floating_point() else tensor
        for name, tensor in judge.state_dict().items()
    }
    told = {"words": json.dumps(judge.words), "painted": json.dumps(dict(painted))}
    save_file(tensors, path, metadata=told)


def read(path: Path = SHIPPED) -> tuple[Judge, dict[str, float]]:
    """Return a written judge, ready to answer, and its shares on painted pictures."""
    with safe_open(path, framework="pt") as file:
        told = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    judge = Judge(json.loads(told["words"]))
    judge.load_state_dict(tensors)
    return judge.eval(), json.loads(told["painted"])


@click.command()
@click.option("--work", type=click.Path(path_type=Path), required=True, help="Painted pictures.")
@click.option("--out", type=click.Path(path_type=Path), default=SHIPPED, help="File to write.")
@click.option("--pictures", default=12_000, show_default=True, help="Pictures to teach with.")
@click.option("--steps", default=4_000, show_default=True)
@click.option("--minutes", default=math.inf, help="End the teaching by then.")
@click.option("--threads", default=2, show_default=True)
def main(*, work: Path, out: Path, pictures: int, steps: int, minutes: float, threads: int) -> None:
    """Teach the judge, print what it gets right on unseen painted pictures, and write it."""
    torch.set_num_threads(threads)
    torch.manual_seed(dataset.SEED)
    scenes = dataset.scenes(pictures)
    painted = dataset.pictures(work / "pictures", pictures, processes=threads)
    told = [attributes(scene) for scene in scenes]
    judge = Judge({name: sorted({one[name] for one in told}) for name in told[0]})
    trainer = JudgeTrainer(judge, painted[:-HELD_OUT], scenes[:-HELD_OUT])
    budget = Budget(steps=steps, minutes=minutes)
    train(trainer, budget=budget, peak=RATE, checkpoint=work / "judge.pt")
    judge.eval()
    pairs = list(zip(scenes[-HELD_OUT:], judge.answers(painted[-HELD_OUT:]), strict=True))
    found = shares(pairs)
    for name, (share, count) in found.items():
        click.echo(f"{name:26} {share:6.1%} of {count}")
    write(judge, {name: share for name, (share, _) in found.items()}, out)


if __name__ == "__main__":
    main()
