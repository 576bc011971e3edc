"""`python -m pipeline.chibi.train`: paints, trains and writes the bundled model.

Owns the order of the phases and the folder of intermediate work. An interrupted training goes on
where its last checkpoint was; a finished phase is not repeated.
"""

import math
from pathlib import Path

import click
import msgspec
import numpy as np
import torch
from diffusers import AutoencoderTiny
from PIL import Image
from torch import Tensor

from pipeline.chibi import dataset, together
from pipeline.chibi.earlier import take_over_unet, take_over_vae
from pipeline.chibi.network import Networks, Shape, build_text, build_unet, build_vae, write_folder
from pipeline.chibi.pace import Budget, report, train
from pipeline.chibi.painter import faces
from pipeline.chibi.tokenizer import train_tokenizer
from pipeline.chibi.train_text import TextTrainer
from pipeline.chibi.train_unet import BATCH as UNET_BATCH
from pipeline.chibi.train_unet import PEAK_RATE as UNET_RATE
from pipeline.chibi.train_unet import Album, UnetTrainer
from pipeline.chibi.train_vae import PEAK_RATE as VAE_RATE
from pipeline.chibi.train_vae import VaeTrainer, encode, rebuild, set_scale

TEXT_RATE = 1e-3
POLISH_RATE = 8e-4
POLISH_NOISE = 0.15
SHOWN = 12
SIZES = ((1.0, 1.0), (0.75, 0.06), (1.5, 0.03))
"""Sizes of pictures against the native one, and how many there are of each and how often seen."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """One training: where it writes, how much it paints and how long each phase may take.

    `out` gets the diffusers folder; `work` pictures, latents and checkpoints. With `start`, the
    weights of a written model are the beginning: its VAE's, and those of the UNet and the text
    encoder where they have the same shapes; then the latter needs no warm-up.
    """

    out: Path
    work: Path
    pictures: int
    vae: Budget
    text: Budget
    unet: Budget
    polish: Budget
    shape: Shape = Shape()
    start: Path | None = None
    device: str = "cpu"
    batch: int = UNET_BATCH


def run(plan: Plan) -> None:
    """Train everything the plan says and write the folder."""
    torch.manual_seed(dataset.SEED)
    plan.work.mkdir(parents=True, exist_ok=True)
    painted = dataset.pictures(plan.work / "pictures", plan.pictures, size=plan.shape.picture_size)
    vae, steps = _trained_vae(plan, painted)
    albums = [_album(plan, vae, steps, size, share) for size, share in SIZES]
    report(f"latents scaled by {set_scale(vae, albums[0].latents)}")
    networks = _trained_unet(plan, vae, albums)
    _polish(plan, networks, painted)


def _trained_vae(plan: Plan, painted: dataset.Pictures) -> tuple[AutoencoderTiny, int]:
    vae = build_vae(plan.shape).to(plan.device)
    if plan.start is not None:
        take_over_vae(vae, plan.start)
    trainer = VaeTrainer(vae, painted, faces=_faces(plan))
    shown = np.array(painted[:SHOWN])

    def show(steps: int) -> None:
        if together.rank() > 0:
            return
        rows = np.concatenate([shown, rebuild(vae, shown)], axis=2)
        Image.fromarray(np.concatenate(list(rows))).save(plan.work / "rebuilt.png")

    checkpoint = plan.work / "vae.pt"
    steps = train(trainer, budget=plan.vae, peak=VAE_RATE, checkpoint=checkpoint, exported=show)
    show(steps)
    return vae, steps


def _faces(plan: Plan) -> list[tuple[tuple[float, float, float], ...]]:
    return [faces(scene) for scene in dataset.scenes(plan.pictures)]


def _album(plan: Plan, vae: AutoencoderTiny, steps: int, size: float, share: float) -> Album:
    """Return the first scenes as pictures `size` times as large, as many as `share` is of all."""
    side, count = round(plan.shape.picture_size * size), max(1, round(plan.pictures * share))
    painted = dataset.pictures(plan.work / "pictures", count, size=side)
    latents = _encoded(plan.work / f"latents-{side}-{count}-{steps}.pt", vae, painted)
    scenes = dataset.scenes(count)
    return Album(
        latents=latents,
        focus=torch.from_numpy(dataset.focus(scenes, latents.shape[-1])),
        caption=lambda number, rng: dataset.training_caption(scenes[number], rng),
        alone=[number for number, scene in enumerate(scenes) if len(scene.figures) == 1],
        share=share,
    )


def _encoded(path: Path, vae: AutoencoderTiny, painted: dataset.Pictures) -> Tensor:
    members = [
        path.with_suffix(f".{member}-{together.size()}.pt") for member in range(together.size())
    ]
    mine = members[together.rank()]
    if not mine.exists():
        part = mine.with_suffix(".part")
        torch.save(encode(vae, painted[together.rank() :: together.size()]), part)
        part.replace(mine)
    together.wait()
    parts = [torch.load(member, weights_only=True) for member in members]
    latents = torch.empty(len(painted), *parts[0].shape[1:], dtype=parts[0].dtype)
    for member, part_latents in enumerate(parts):
        latents[member :: together.size()] = part_latents
    return latents


def _trained_unet(plan: Plan, vae: AutoencoderTiny, albums: list[Album]) -> Networks:
    scenes = dataset.scenes(plan.pictures)
    tokenizer = train_tokenizer(dataset.tokenizer_captions())
    text, unet = (
        part.to(plan.device) for part in (build_text(plan.shape, tokenizer), build_unet(plan.shape))
    )
    if plan.start is None or not take_over_unet(unet, text, tokenizer, plan.start):
        warm = TextTrainer(text, tokenizer, scenes)
        train(warm, budget=plan.text, peak=TEXT_RATE, checkpoint=plan.work / "text.pt")
    trainer = UnetTrainer(
        unet,
        text,
        tokenizer,
        albums,
        scale=vae.config.scaling_factor,
        batch=plan.batch,
    )

    def export(steps: int) -> None:
        if together.rank() > 0:
            return
        averaged_unet, averaged_text = trainer.averages
        networks = Networks(vae=vae, text=averaged_text, unet=averaged_unet, tokenizer=tokenizer)
        size = write_folder(networks, plan.out)
        report(f"wrote {plan.out} after {steps} steps, {size / 1e6:.1f} MB of weights")

    checkpoint = plan.work / "unet.pt"
    steps = train(trainer, budget=plan.unet, peak=UNET_RATE, checkpoint=checkpoint, exported=export)
    export(steps)
    averaged_unet, averaged_text = trainer.averages
    return Networks(vae=vae, text=averaged_text, unet=averaged_unet, tokenizer=tokenizer)


def _polish(plan: Plan, networks: Networks, painted: dataset.Pictures) -> None:
    """Train the decoder on with its latents held fast: the UNet need not know."""
    trainer = VaeTrainer(
        networks.vae, painted, noise=POLISH_NOISE, only_decoder=True, faces=_faces(plan)
    )
    checkpoint = plan.work / "polish.pt"
    steps = train(trainer, budget=plan.polish, peak=POLISH_RATE, checkpoint=checkpoint)
    if together.rank() == 0:
        size = write_folder(networks, plan.out)
        report(f"wrote {plan.out} after {steps} steps of polish, {size / 1e6:.1f} MB of weights")


@click.command()
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder of the model.")
@click.option("--work", type=click.Path(path_type=Path), help="Pictures, latents, checkpoints.")
@click.option("--start", type=click.Path(path_type=Path), help="Model folder to begin from.")
@click.option("--pictures", default=10_000, show_default=True, help="Pictures to paint.")
@click.option("--vae-steps", default=2_400, show_default=True)
@click.option("--vae-minutes", default=float("inf"), help="End the VAE's training by then.")
@click.option("--text-steps", default=300, show_default=True)
@click.option("--unet-steps", default=12_000, show_default=True)
@click.option("--unet-minutes", default=float("inf"), help="End the UNet's training by then.")
@click.option("--polish-steps", default=600, show_default=True, help="Of the decoder alone.")
@click.option("--polish-minutes", default=float("inf"), help="End the decoder's training by then.")
@click.option("--device", default="cpu", show_default=True, help="cpu, or cuda with one process.")
@click.option("--batch", default=UNET_BATCH, show_default=True, help="Pictures in a UNet step.")
@click.option(
    "--processes", default=2, show_default=True, help="Of one thread each; as many as cores."
)
def main(
    *,
    out: Path,
    work: Path | None,
    start: Path | None,
    pictures: int,
    processes: int,
    device: str,
    batch: int,
    **limits: float,
) -> None:
    """Paint, train and write the bundled model; go on if it was interrupted.

    On a GPU: --device cuda --batch 96; its processes then only paint.
    """

    def budget(phase: str) -> Budget:
        minutes = limits.get(f"{phase}_minutes", math.inf)
        return Budget(steps=int(limits[f"{phase}_steps"]), minutes=minutes)

    plan = Plan(
        out=out,
        work=work or out.with_name(f"{out.name}-training"),
        start=start,
        device=device,
        batch=batch,
        pictures=pictures,
        vae=budget("vae"),
        text=budget("text"),
        unet=budget("unet"),
        polish=budget("polish"),
    )
    # Painted here and not by the group's members, which only read.
    for size, share in SIZES:
        side, count = round(plan.shape.picture_size * size), max(1, round(pictures * share))
        dataset.pictures(plan.work / "pictures", count, size=side, processes=processes)
    together.run(1 if device != "cpu" else processes, run, plan)


if __name__ == "__main__":
    main()
