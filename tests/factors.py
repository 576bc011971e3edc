"""Fits the factors by which previews of the bundled model are made: a latent pixel to a colour.

`python -m tests.factors` prints them as they stand in `pipeline.render.factors`, and how far the
colours that they give are from those of the pictures. Encoded are pictures of the painter, which
the model was trained on; fitted is by least squares.
"""

import sys
from typing import Any

import diffusers
import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.chibi.dataset import scenes
from pipeline.chibi.painter import paint
from tests.studio import BUNDLED

SIDE = 256
CELL = 8


def samples(vae: Any, count: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Latent pixels and, beside them, the mean colours (0..1) of what they stand for."""
    latents, colours = [], []
    for scene in scenes(count, seed):
        picture = torch.from_numpy(np.array(paint(scene, SIDE).convert("RGB"))).float() / 255
        planes = picture.permute(2, 0, 1).unsqueeze(0)
        with torch.inference_mode():
            found = vae.encode(planes * 2 - 1).latents * vae.config.scaling_factor
        small = torch.nn.functional.avg_pool2d(planes, CELL)
        latents.append(found[0].flatten(1).T.double().numpy())
        colours.append(small[0].flatten(1).T.double().numpy())
    return np.concatenate(latents), np.concatenate(colours)


def fit(latents: NDArray[np.float64], colours: NDArray[np.float64]) -> NDArray[np.float64]:
    """A row for each channel of a latent, and one to add: what makes colours of latents."""
    whole = np.concatenate([latents, np.ones((len(latents), 1))], axis=1)
    found: NDArray[np.float64] = np.linalg.lstsq(whole, colours, rcond=None)[0]
    return found


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def main() -> None:
    """Print the factors, and their error on pictures that they were not fitted to."""
    diffusers_: Any = diffusers
    vae = diffusers_.AutoencoderTiny.from_pretrained(str(BUNDLED / "vae")).eval()
    factors = fit(*samples(vae, 160, seed=1))
    for row in factors:
        say(f"({', '.join(f'{value:.4f}' for value in row)}),")
    latents, colours = samples(vae, 40, seed=2)
    found = (latents @ factors[:-1] + factors[-1]).clip(0, 1)
    say(f"channels {latents.shape[1]}, scaling factor {vae.config.scaling_factor}")
    say(f"mean error {abs(found - colours).mean():.4f}, of a mean {colours.std():.4f} off grey")


if __name__ == "__main__":
    main()
