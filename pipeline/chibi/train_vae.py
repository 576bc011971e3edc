"""Training of the autoencoder on crops of painted pictures.

Owns its loss and its latents' scale. Never knows captions or the UNet.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import torch
from diffusers import AutoencoderTiny
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from pipeline.chibi import together
from pipeline.chibi.dataset import Pictures
from pipeline.chibi.network import SCALE
from pipeline.chibi.pace import halved

CROP: Final = 128
BATCH: Final = 8
PEAK_RATE: Final = 5e-4
FACES: Final = 0.5
"""How many crops have a face in their middle."""

NOISE: Final = 0.16
"""Most noise added to the latents: it makes their space smooth, which diffusion needs."""


class VaeTrainer:
    """Learns to rebuild pictures from 1/8 of their width and height.

    Rare colours are small in a plain mean of differences and drift to their neighbours, so
    blurred differences count again; so do differences of edges, which keep lines crisp.
    `faces` has, for each picture, where its faces are, as shares of the side; half of the crops
    show one. With `only_decoder` the latents stay as they are, so what was learned on them stays
    right.
    """

    def __init__(
        self,
        vae: AutoencoderTiny,
        pictures: Pictures,
        *,
        seed: int = 0,
        crop: int = CROP,
        batch: int = BATCH,
        noise: float = NOISE,
        only_decoder: bool = False,
        faces: Sequence[Sequence[tuple[float, float, float]]] = (),
    ) -> None:
        self.vae, self._faces = vae, faces
        self._device = next(vae.parameters()).device
        self._noisiness, self._only_decoder = noise, only_decoder
        self._pictures = pictures
        self._crop, self._batch = min(crop, pictures.shape[1]), together.share(batch)
        self._seed = seed + together.rank()
        self._rng = np.random.default_rng(self._seed)
        self._generator = torch.Generator().manual_seed(self._seed)
        self._steps = 0
        middle, axes = colour_axes(pictures)
        self._colours = middle.to(self._device), axes.to(self._device)
        self._weights = list((vae.decoder if only_decoder else vae).parameters())
        self._optimizer = torch.optim.Adam(self._weights, lr=PEAK_RATE, betas=(0.9, 0.99))

    def step(self, rate: float, progress: float) -> dict[str, float]:
        """Learn from one batch of crops; return the parts of the loss."""
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        wanted = self._crops().to(self._device)
        with torch.set_grad_enabled(not self._only_decoder), halved(self._device):
            latents = self.vae.encoder(wanted).float()
        with halved(self._device):
            rebuilt = self.vae.decoder(latents + self._noise(latents)).float()
        parts = _differences(rebuilt, wanted)
        if not self._only_decoder:
            parts["spread"] = _spread(latents)
            parts["anchor"] = 0.2 * self._anchor(latents, wanted)
        loss = torch.stack(list(parts.values())).sum()
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        together.average_gradients(self._weights)
        torch.nn.utils.clip_grad_norm_(self._weights, 1.0)
        self._optimizer.step()
        self._steps += 1
        return {name: float(part.detach()) for name, part in parts.items()}

    def state(self) -> dict[str, Any]:
        """Return weights, optimizer and random state."""
        return {
            "vae": self.vae.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "steps": self._steps,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a saved state."""
        self.vae.load_state_dict(state["vae"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._steps = int(state.get("steps", 0))
        self._rng = np.random.default_rng([self._seed, self._steps])
        self._generator.manual_seed(self._seed + 1000 * self._steps)

    def _crops(self) -> Tensor:
        size = self._crop
        chosen = self._rng.integers(len(self._pictures), size=self._batch)
        crops = [
            self._pictures[number, y : y + size, x : x + size]
            for number in chosen.tolist()
            for x, y in [self._corner(number)]
        ]
        return as_tensor(np.stack(crops))

    def _corner(self, number: int) -> tuple[int, int]:
        """Return where a crop of the picture begins (x, y), on the latent grid: screentone and
        scan lines have its period."""
        side = self._pictures.shape[1]
        last = (side - self._crop) // SCALE
        x, y = (int(cell) for cell in self._rng.integers(last + 1, size=2))
        if len(self._faces) and self._rng.random() < FACES:
            faces = self._faces[number]
            middle = faces[int(self._rng.integers(len(faces)))]
            x, y = (
                min(max(round((share * side - self._crop / 2) / SCALE), 0), last)
                for share in middle[:2]
            )
        return x * SCALE, y * SCALE

    def _anchor(self, latents: Tensor, wanted: Tensor) -> Tensor:
        middle, axes = self._colours
        mean = functional.avg_pool2d(wanted, SCALE) - middle.view(1, 3, 1, 1)
        return (latents[:, :3] - torch.einsum("nchw,cd->ndhw", mean, axes)).square().mean()

    def _noise(self, latents: Tensor) -> Tensor:
        amount = torch.rand(len(latents), 1, 1, 1, generator=self._generator) * self._noisiness
        noise = amount * torch.randn(latents.shape, generator=self._generator)
        return noise.to(self._device)


def colour_axes(pictures: Pictures) -> tuple[Tensor, Tensor]:
    """Return the mean colour [3] and the axes [3, 3] along which cells' colours have unit variance.

    The first three latents are held to them. Left to itself an autoencoder finds a picture's
    rarer colour axes last; told where they are it starts with them, and the latents show a
    small picture by themselves.
    """
    some = as_tensor(pictures[:: max(1, len(pictures) // 200)])
    cells = functional.avg_pool2d(some, SCALE).permute(0, 2, 3, 1).reshape(-1, 3)
    middle = cells.mean(dim=0)
    spreads, axes = torch.linalg.eigh(torch.cov((cells - middle).T))
    return middle, axes / spreads.clamp(min=1e-4).sqrt()


def as_tensor(pictures: NDArray[np.uint8]) -> Tensor:
    """Return uint8 [n, height, width, 3] as float32 -1..1 [n, 3, height, width]."""
    tensor = torch.from_numpy(np.array(pictures)).permute(0, 3, 1, 2)
    return tensor.to(torch.float32).div(127.5).sub(1.0)


@torch.no_grad()
def encode(vae: AutoencoderTiny, pictures: Pictures, batch: int = 4) -> Tensor:
    """Return the raw latents of all pictures as float16 [n, channels, height/8, width/8]."""
    device = next(vae.parameters()).device
    parts = [
        vae.encoder(
            as_tensor(pictures[begin : begin + batch]).to(device, memory_format=torch.channels_last)
        ).to("cpu", torch.float16)
        for begin in range(0, len(pictures), batch)
    ]
    return torch.cat(parts).contiguous()


@torch.no_grad()
def rebuild(vae: AutoencoderTiny, pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return pictures as they come back from the latents, uint8 [n, height, width, 3]."""
    device = next(vae.parameters()).device
    rebuilt = vae.decoder(vae.encoder(as_tensor(pictures).to(device)))
    shown = rebuilt.add(1.0).mul(127.5).round().clamp(0, 255).to("cpu", torch.uint8)
    result: NDArray[np.uint8] = shown.permute(0, 2, 3, 1).numpy()
    return result


def set_scale(vae: AutoencoderTiny, latents: Tensor) -> float:
    """Write the factor that gives these latents unit variance into the config; return it."""
    factor = round(1.0 / float(latents.float().std()), 4)
    vae.register_to_config(scaling_factor=factor)
    return factor


def _differences(rebuilt: Tensor, wanted: Tensor) -> dict[str, Tensor]:
    gap = rebuilt - wanted
    blurred = functional.avg_pool2d(gap, 8)
    across, down = gap[..., 1:] - gap[..., :-1], gap[..., 1:, :] - gap[..., :-1, :]
    return {
        "pixels": gap.abs().mean(),
        "squares": gap.square().mean(),
        "colours": 2.0 * blurred.abs().mean() + 4.0 * blurred.square().mean(),
        "edges": across.abs().mean() + down.abs().mean(),
    }


def _spread(latents: Tensor) -> Tensor:
    means, spreads = latents.mean(dim=(0, 2, 3)), latents.std(dim=(0, 2, 3))
    far = functional.relu(latents.abs() - 2.5).square().mean()
    return 0.02 * (means.square().mean() + (spreads - 1.0).square().mean()) + 0.02 * far
