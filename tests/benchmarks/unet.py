"""What else could make the UNet faster: each way in turn, on the same inputs, in one process.

Of what it shows only channels_last is in the program. The UNet is the bundled model's; on a GPU,
those of models of full size with random weights.
"""

import copy
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import diffusers
import torch

from pipeline.render.model import dtype_of
from tests.benchmarks.gpu import FULL
from tests.benchmarks.table import Row
from tests.studio import BUNDLED

ROUNDS = 15
BATCHES = (1, 4)
"""Pictures at once; with guidance the UNet is called with twice as many."""


def unet(folder: Path, device: str) -> list[Row]:
    """All models, one after the other, on as many threads as a worker has."""
    if device == "cpu":
        torch.set_num_threads(1)
        return _model("the bundled model", BUNDLED, device)
    rows = []
    for shape in FULL:
        module, *more = shape.module
        model = folder / f"unet-{shape.name.replace(' ', '-')}"
        subprocess.run([sys.executable, "-m", module, str(model), *more], check=True)
        rows += _model(shape.name, model, device)
    return rows


def _model(name: str, model: Path, device: str) -> list[Row]:
    loading: Any = diffusers.DiffusionPipeline
    plain = loading.from_pretrained(
        str(model), dtype=dtype_of(torch.device(device)), safety_checker=None
    ).unet.to(device).eval()  # fmt: skip
    last = copy.deepcopy(plain).to(memory_format=torch.channels_last)
    fused = copy.deepcopy(last)
    fused.fuse_qkv_projections()
    ways: dict[str, Callable[..., Any]] = {
        "as it is": plain,
        "in channels_last": last,
        "and with fused projections": fused,
        "in channels_last, compiled": torch.compile(last),
    }
    rows = []
    for batch in BATCHES:
        given = _inputs(plain, 2 * batch, device)
        with torch.inference_mode():
            first = {way: _timed(call, given, device) for way, call in ways.items()}
            times = {way: list[float]() for way in ways}
            for _ in range(ROUNDS):
                for way, call in ways.items():
                    times[way].append(_timed(call, given, device)[0])
        said, usual = first["in channels_last"][1], median(times["as it is"])
        for way in ways:
            spent, found = first[way]
            note = (
                f"{median(times[way]) * 1000:.1f} ms a call, the first one {spent:.1f} s; differs "
            )
            note += f"by {(found - said).abs().max().item():.1g} from channels_last at most"
            rows.append(
                Row(
                    what=f"the UNet of {name}, {batch} at once, {way}",
                    against="as it is in diffusers",
                    figure=usual / median(times[way]),
                    note=note,
                )
            )
    return rows


def _inputs(unet: Any, rows: int, device: str) -> dict[str, Any]:
    config, like = unet.config, {"device": device, "dtype": unet.dtype}
    given: dict[str, Any] = {
        "sample": torch.randn(
            rows, config.in_channels, config.sample_size, config.sample_size, **like
        ),
        "timestep": torch.tensor(500, device=device),
        "encoder_hidden_states": torch.randn(rows, 77, config.cross_attention_dim, **like),
    }
    if config.addition_embed_type == "text_time":
        pooled = config.projection_class_embeddings_input_dim - 6 * config.addition_time_embed_dim
        given["added_cond_kwargs"] = {
            "text_embeds": torch.randn(rows, pooled, **like),
            "time_ids": torch.zeros(rows, 6, **like),
        }
    return given


def _timed(call: Callable[..., Any], given: dict[str, Any], device: str) -> tuple[float, Any]:
    """Seconds of one call, and what came of it."""
    begun = time.perf_counter()
    said = call(**given).sample
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - begun, said
