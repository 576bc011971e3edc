"""`python -m pipeline.chibi.train_lora`: teaches the bundled model a trait, in a LoRA file.

Owns the pictures to learn from, the loss, and the file in PEFT's layout. Never changes the model.
Some of the pictures are without the trait and its word, so that the word calls for it and not the
file alone; what the model draws without the word is to stay as it was.
"""

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import click
import numpy as np
import torch
from diffusers import DDPMScheduler, StableDiffusionPipeline
from diffusers.models.attention_processor import AttnProcessor
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from safetensors.torch import save_file
from torch import Tensor, nn

from pipeline.chibi import dataset, dyed
from pipeline.chibi.network import build_scheduler
from pipeline.chibi.pace import Budget, report, train
from pipeline.chibi.painter import paint
from pipeline.chibi.scene import sample
from pipeline.chibi.train_unet import SNR_CAP, tokens_of
from pipeline.chibi.train_vae import encode

FOLDER: Final = Path(__file__).with_name("model")
RANK: Final = 8
BATCH: Final = 8
PEAK_RATE: Final = 1.5e-3
PICTURES: Final = 320
PLAIN: Final = 0.3
"""How many of the pictures are without the trait."""
EMPTY: Final = 0.05
"""How many captions of those are empty, for guidance's sake."""
TARGETS: Final = (
    "to_q", "to_k", "to_v", "to_out.0", "ff.net.0.proj", "ff.net.2", "proj_in", "proj_out",
)  # fmt: skip
"""The layers of the UNet that are taught: where places attend to words and to each other."""

Caption = Callable[[random.Random], str]


class LoraTrainer:
    """Learns to predict `v`, in low-rank layers beside those of a UNet that stays as it is.

    `albums` hold raw latents [n, channels, side, side] of pictures of one size each, and a caption
    for every one of them, said anew each time.
    """

    def __init__(
        self,
        pipeline: StableDiffusionPipeline,
        albums: Sequence[tuple[Tensor, Sequence[Caption]]],
        *,
        rank: int = RANK,
        seed: int = 0,
        batch: int = BATCH,
    ) -> None:
        torch.manual_seed(seed)
        self._pipe, self._albums, self._batch, self._seed = pipeline, albums, batch, seed
        unet = pipeline.unet
        # Plain products: the fused kind learns more slowly on a CPU (its way back is dear there).
        unet.set_attn_processor(AttnProcessor())
        unet.requires_grad_(False)
        pipeline.text_encoder.requires_grad_(False)
        unet.add_adapter(LoraConfig(r=rank, lora_alpha=rank, target_modules=list(TARGETS)))
        self._weights = [weight for weight in unet.parameters() if weight.requires_grad]
        self._optimizer = torch.optim.AdamW(self._weights, lr=PEAK_RATE, weight_decay=1e-3)
        self._noises = DDPMScheduler.from_config(build_scheduler().config)
        alphas = self._noises.alphas_cumprod
        self._ratios = alphas / (1.0 - alphas)
        self._steps = 0

    def step(self, rate: float, progress: float) -> dict[str, float]:
        """Learn from one batch; return its loss."""
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        loss = self._loss()
        self._optimizer.zero_grad()
        loss.backward()
        length = nn.utils.clip_grad_norm_(self._weights, 1.0)
        self._optimizer.step()
        self._steps += 1
        return {"loss": float(loss.detach()), "gradient": float(length)}

    def state(self) -> dict[str, Any]:
        """Return weights, optimizer and place; random numbers follow from the place."""
        return {
            "weights": [weight.detach() for weight in self._weights],
            "optimizer": self._optimizer.state_dict(),
            "steps": self._steps,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a saved state."""
        with torch.no_grad():
            for weight, saved in zip(self._weights, state["weights"], strict=True):
                weight.copy_(saved)
        self._optimizer.load_state_dict(state["optimizer"])
        self._steps = int(state["steps"])

    def write(self, path: Path) -> int:
        """Write what was learned, in PEFT's layout and half precision; return the file's bytes."""
        found = get_peft_model_state_dict(self._pipe.unet)
        tensors = {f"unet.{name}": tensor.half().contiguous() for name, tensor in found.items()}
        part = path.with_suffix(".part")
        save_file(tensors, part, metadata={"format": "pt"})
        part.replace(path)
        return path.stat().st_size

    def _loss(self) -> Tensor:
        rng = random.Random(f"lora/{self._seed}/{self._steps}")
        generator = torch.Generator().manual_seed(rng.getrandbits(62))
        latents, captions = rng.choice(self._albums)
        chosen = rng.sample(range(len(latents)), min(self._batch, len(latents)))
        clean = latents[chosen].float() * self._pipe.vae.config.scaling_factor
        noise = torch.randn(clean.shape, generator=generator)
        even = (torch.arange(len(chosen)) + torch.rand(len(chosen), generator=generator)) / len(
            chosen
        )
        times = (1000 * even).long().clamp(0, 999)
        noisy = self._noises.add_noise(clean, noise, times)
        wanted = self._noises.get_velocity(clean, noise, times)
        tokens = tokens_of(self._pipe.tokenizer, [captions[number](rng) for number in chosen])
        with torch.no_grad():
            states = self._pipe.text_encoder(tokens).last_hidden_state
        found = self._pipe.unet(noisy, times, encoder_hidden_states=states).sample
        losses = (found - wanted).square().mean(dim=(1, 2, 3))
        # The easiest times (hardly any noise) would otherwise outweigh those that decide.
        ratio = self._ratios[times]
        weighted: Tensor = losses * ratio.clamp(max=SNR_CAP).add(1.0) / ratio.add(1.0)
        return weighted.mean()


def album(
    pipeline: StableDiffusionPipeline, count: int, size: int, seed: str
) -> tuple[Tensor, list[Caption]]:
    """Return latents and captions of `count` pictures of `size` pixels a side."""
    painted, captions = [], []
    for number in range(count):
        rng = random.Random(f"{seed}/{size}/{number}")
        picture, said = _plain(rng) if rng.random() < PLAIN else _dyed(rng)
        painted.append(np.asarray(picture(size)))
        captions.append(said)
    return encode(pipeline.vae, np.stack(painted)), captions


def _plain(rng: random.Random) -> tuple[Callable[[int], Any], Caption]:
    scene = sample(rng)

    def said(rng: random.Random) -> str:
        return "" if rng.random() < EMPTY else dataset.training_caption(scene, rng)

    return lambda size: paint(scene, size), said


def _dyed(rng: random.Random) -> tuple[Callable[[int], Any], Caption]:
    scene = dyed.dyed_scene(rng)
    return lambda size: dyed.paint_dyed(scene, size), lambda rng: dyed.called(scene, rng)


@click.command()
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The LoRA's file.")
@click.option("--work", type=click.Path(path_type=Path), required=True, help="Checkpoints.")
@click.option("--model", type=click.Path(path_type=Path), default=FOLDER, help="Model folder.")
@click.option("--pictures", default=PICTURES, show_default=True, help="Pictures of each size.")
@click.option("--steps", default=900, show_default=True)
@click.option("--minutes", default=float("inf"), help="End by then.")
@click.option("--batch", default=BATCH, show_default=True)
@click.option("--threads", default=1, show_default=True)
def main(
    *, out: Path, work: Path, model: Path, pictures: int, steps: int, minutes: float, batch: int,
    threads: int,
) -> None:  # fmt: skip
    """Teach the model hair of two colours; go on if it was interrupted."""
    torch.set_num_threads(threads)
    work.mkdir(parents=True, exist_ok=True)
    pipeline = StableDiffusionPipeline.from_pretrained(str(model))
    albums = [album(pipeline, count, size, "dyed") for size, count in
              ((192, pictures), (256, pictures // 4))]  # fmt: skip
    report(f"painted {sum(len(latents) for latents, _ in albums)} pictures")
    trainer = LoraTrainer(pipeline, [albums[0], albums[0], albums[1]], batch=batch)
    budget = Budget(steps=steps, minutes=minutes, checkpoint_seconds=60.0)
    taken = train(
        trainer, budget=budget, peak=PEAK_RATE, checkpoint=work / "lora.pt",
        exported=lambda _: report(f"wrote {trainer.write(out)} bytes"),
    )  # fmt: skip
    report(f"wrote {trainer.write(out):,} bytes after {taken} steps")


if __name__ == "__main__":
    main()
