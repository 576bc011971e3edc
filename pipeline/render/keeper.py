"""The keeper: loads each model once, owns the weights, and keeps the workers alive.

Owns the life of this process: its flags, what it hears, loading in a thread. Its workers are
`pipeline.render.children`'s, and it knows nothing of what they draw. Ends with the runner, and its
workers end with it. Started as `python -m pipeline.render.keeper`.
"""

import argparse
import json
import os
import socket
import tempfile
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from pipeline.errors import AnimeError
from pipeline.limits import threads_each
from pipeline.model import Told
from pipeline.modelfiles import ModelFiles, unpack
from pipeline.render.birth import Outfit, begin, enter, growing
from pipeline.render.children import BeginAfresh, Came, CannotStart, Keeper, Process
from pipeline.render.hearing import Box, listen
from pipeline.render.nursery import Nursery, NurseryGone
from pipeline.wire import CannotLoad, Hello, Message, Space, send


def main() -> None:
    """Life of the keeper process."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--socket", required=True)
    parser.add_argument("--parent", type=int, required=True, help="the runner's pid")
    parser.add_argument("--models", type=unpack, required=True, help="as modelfiles.pack has them")
    parser.add_argument("--hold", type=json.loads, required=True, help="a JSON list of sha256")
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--device", choices=["cpu", "cuda", "auto"], default="auto")
    parser.add_argument("--threads", type=int, default=0, help="0: cores divided by workers")
    parser.add_argument("--start-method", choices=["fork", "spawn"], default="fork")
    parser.add_argument("--previews", type=int, default=0, help="steps between two; 0: none")
    parser.add_argument("--batch", type=int, default=1, help="pictures of a worker at once")
    parser.add_argument("--denoising", type=int, default=0, help="workers at once; 0: all")
    parser.add_argument("--ip-adapter", type=Path, help="shows reference pictures to the models")
    parser.add_argument("--image-encoder", type=Path, help="a folder: what that sees with")
    parser.add_argument("--hashes", type=Path, help="where the hashes of its files are remembered")
    given = parser.parse_args()
    begin(given.parent, "anime-keeper")
    # What a killed keeper leaves goes with the runner's own folder, which is swept.
    tempfile.tempdir = str(Path(given.socket).parent)
    runner = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    runner.connect(given.socket)
    send(runner, Hello(name="keeper", pid=os.getpid()))
    try:
        _keep(given, runner)
    except AnimeError as error:
        send(runner, CannotLoad(error=error.message, hint=error.hint or ""))
    except (BeginAfresh, NurseryGone):
        pass  # The runner starts another, which holds what this one was to hold.
    except ImportError as error:
        send(runner, CannotLoad(error=str(error), hint="install the program's dependencies"))
    except ConnectionError:
        pass  # The runner is gone.
    # Threads of torch may still run, and workers end with this process by themselves.
    os._exit(0)


def _keep(given: argparse.Namespace, runner: socket.socket) -> None:
    from pipeline.model import check

    models: dict[str, ModelFiles] = given.models
    if len(models) == 1:
        # Before torch is there, which takes seconds.
        for only in models.values():
            check(only.path, only.told)
    with growing():
        from pipeline.render import model, worker

    # Before there is a thread, or a context of CUDA, neither of which a fork survives.
    forks = given.start_method == "fork"
    nursery = Nursery(worker.main, apart=runner.close) if forks else None
    box: Box[Message | Came] = Box()
    listen(runner, box)
    device = model.device_of(given.device)
    start = _starting(given, str(device), nursery)

    def load(sha256: str) -> None:
        """In a thread of its own: workers are heard meanwhile."""

        def work() -> None:
            box.post(_came(models[sha256], device, given.hashes))

        threading.Thread(target=work, daemon=True).start()

    if len(models) > 1:
        free, each = model.space(device)
        send(runner, Space(free=free, each=each))
    names = [f"worker-{number}" for number in range(1, given.workers + 1)]
    keeper = Keeper(
        names, start, lambda message: send(runner, message), load, tuple(given.hold),
        several=len(models) > 1,
    )  # fmt: skip
    while keeper.step(time.monotonic()):
        keeper.wait([box.bell], time.monotonic())
        while not box.empty():
            letter = box.take()
            if isinstance(letter, Came):
                keeper.take(letter)
            else:
                keeper.hear(letter)
            del letter  # It may hold a model.


def _starting(
    given: argparse.Namespace, device: str, nursery: Nursery | None
) -> Callable[[str, Connection], Process]:
    """How a worker is started, by its name and the other end of its line."""
    outfit = Outfit(
        name="",
        keeper=os.getpid(),
        address=given.socket,
        device=device,
        threads=given.threads or threads_each(given.workers),
        previews=given.previews,
        batch=given.batch,
        denoising=given.denoising,
        several=len(given.models) > 1,
        told=Told(ip_adapter=given.ip_adapter, image_encoder=given.image_encoder),
    )

    def fork(name: str, line: Connection) -> Process:
        assert nursery is not None
        return nursery.start(replace(outfit, name=name), line)

    def spawn(name: str, line: Connection) -> Process:
        import torch.multiprocessing

        process = torch.multiprocessing.get_context("spawn").Process(
            target=enter, args=(replace(outfit, name=name), line), name=name, daemon=True
        )
        process.start()
        return process

    return fork if nursery is not None else spawn


def _came(files: ModelFiles, device: Any, hashes: Path | None) -> Came:
    """The model loaded, or why it cannot be."""
    from pipeline.model import confirm
    from pipeline.render import model

    try:
        loaded = model.load(files.path, device, files.told)
        if files.sha256:
            # Only now: what was loaded is what was there before and still is.
            confirm(files.path, files.sha256, hashes, files.told)
    except AnimeError as error:
        return Came(model=files.sha256, error=error)
    except Exception as error:  # Whatever it is, the keeper must hear of it.
        why = f"model {files.path} cannot be loaded: {type(error).__name__}: {error}"
        return Came(model=files.sha256, error=CannotStart(why))
    return Came(model=files.sha256, loaded=loaded)


if __name__ == "__main__":
    main()
