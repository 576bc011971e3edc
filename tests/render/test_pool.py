"""What only real processes can show: pixels, deaths, and that nothing is left behind."""

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from PIL import Image

from pipeline import inscription
from pipeline.core.observed import Broken, Failed, Lost, Painted, Stepped
from pipeline.core.record import Record
from pipeline.modelfiles import ModelFiles
from pipeline.pool import WorkerPool
from tests.processes import descendants
from tests.render.bare import laid_out
from tests.render.conftest import Pool, task

# Processes import torch before they draw: seconds on an idle machine, a minute on a busy one.
pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]

_RUNNER = """
import sys, threading, time
from pathlib import Path
from pipeline.modelfiles import ModelFiles
from pipeline.pool import WorkerPool
woken = threading.Event()
pool = WorkerPool(Path(sys.argv[1]), ModelFiles(path=Path(sys.argv[2])), workers=1, device="cpu",
                  threads=1, wake=woken.set)
pool.start()
while not pool.free():
    woken.wait(1)
    woken.clear()
    pool.poll()
print(*pool.pids().values(), flush=True)
time.sleep(600)
"""


@pytest.mark.filterwarnings("ignore::DeprecationWarning:diffusers")  # its own use of numpy 2
def test_the_pixels_are_those_of_bare_diffusers(real: Pool, tiny_model: Path) -> None:
    wanted = task("bare", seed=4242, steps=5)
    painted = real.draw(wanted)
    record = inscription.record_of(real.root / painted.file)
    assert record is not None
    assert (record.seed, record.resolved, record.made) == (4242, wanted.resolved, painted.made)
    bare = _bare(tiny_model, record)
    with Image.open(real.root / painted.file) as drawn:
        assert drawn.tobytes() == bare.tobytes()
        assert "Steps: 5, Sampler: DPM++ 2M, Schedule type: Karras" in drawn.info["parameters"]


def test_a_picture_that_cannot_be_drawn_fails_and_the_worker_goes_on(real: Pool) -> None:
    name = real.all_free()[0]
    failed = real.draw(task("crooked", width=65), name)
    assert isinstance(failed, Failed)
    assert failed.kind == "error"
    assert "divisible by 8" in failed.error
    assert isinstance(real.draw(task("straight"), name), Painted)


def test_a_worker_that_runs_out_of_memory_is_replaced_and_nobody_is_blamed(real: Pool) -> None:
    name = real.all_free()[0]
    pid = real.pool.pids()[name]
    huge = task("huge", width=8 * 200_000, height=8 * 200_000)  # 600 GB of noise to begin with
    failed = real.draw(huge, name)
    assert isinstance(failed, Failed)
    assert failed.kind == "out_of_memory"
    real.until(lambda: any(isinstance(one, Lost) and one.pid == pid for one in real.reports))
    (lost,) = [one for one in real.reports if isinstance(one, Lost) and one.pid == pid]
    assert (lost.cause, lost.blamed, lost.task) == ("exit", False, None)
    assert "another begins afresh" in lost.detail
    real.all_free()
    lean = replace(task("narrow"), lean=True)
    painted = real.draw(lean, name)
    assert isinstance(painted, Painted)
    assert painted.made.lean
    assert real.pool.pids()[name] != pid


def test_who_crashes_or_falls_silent_is_blamed(real: Pool) -> None:
    crashing, silent = task("crashing", steps=900), task("silent", steps=900)
    one, two = real.all_free()
    pids = real.pool.pids()
    real.pool.submit(one, crashing)
    real.pool.submit(two, silent)
    real.until(lambda: real.of(crashing, Stepped) and real.of(silent, Stepped))
    os.kill(pids[two], signal.SIGSTOP)
    os.kill(pids[one], signal.SIGSEGV)
    real.pool.step(time.monotonic() + 100)
    real.until(lambda: real.of(crashing, Lost))
    assert not real.of(silent, Lost)
    real.pool.step(time.monotonic() + 1000)
    real.until(lambda: real.of(silent, Lost))
    causes = {report.cause: report.blamed for report in real.of(crashing, Lost)}
    assert causes == {"crash": True}
    causes = {report.cause: report.blamed for report in real.of(silent, Lost)}
    assert causes == {"deadline": True}


def test_a_killed_keeper_takes_its_workers_along_and_all_come_back(real: Pool) -> None:
    wanted = task("orphan", steps=900)
    name = real.all_free()[0]
    pids = real.pool.pids()
    ends = [_End(pid) for pid in pids.values()]
    real.pool.submit(name, wanted)
    real.until(lambda: real.of(wanted, Stepped))
    os.kill(pids["keeper"], signal.SIGKILL)
    real.until(lambda: real.of(wanted, Lost))
    assert [(lost.cause, lost.blamed) for lost in real.of(wanted, Lost)] == [("keeper", False)]
    assert all(end.came(5.0) for end in ends)
    assert isinstance(real.draw(replace(wanted, resolved=task("orphan").resolved)), Painted)
    assert not set(real.pool.pids().values()) & set(pids.values())


def test_the_runners_death_leaves_nothing_behind(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    command = [sys.executable, "-c", _RUNNER, str(tmp_path), str(tiny_model)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as runner:
        assert runner.stdout is not None
        keeper_and_worker = {int(pid) for pid in runner.stdout.readline().split()}
        # With those that only help, since whoever holds the weights would keep them in memory.
        pids = descendants(runner.pid)
        ends = [_End(pid) for pid in pids]
        assert len(keeper_and_worker) == 2
        assert keeper_and_worker <= set(pids)
        assert _holders(pids)
        runner.kill()
    assert all(end.came(5.0) for end in ends)
    assert list(tmp_path.glob(f"anime-{runner.pid}-*"))
    pool = WorkerPool(
        tmp_path,
        ModelFiles(path=tmp_path / "none"),
        workers=1,
        device="cpu",
        threads=1,
        wake=lambda: None,
    )
    pool.start()
    pool.kill()
    assert not list(tmp_path.glob("anime-*"))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda model: (model / "model_index.json").unlink(), "no model_index.json"),
        (lambda model: _cut(model / "unet/diffusion_pytorch_model.safetensors"), "cut short"),
    ],
)
def test_a_model_that_cannot_be_loaded_breaks_the_pool(
    spoil: Callable[[Path], None], said: str, tiny_model: Path, tmp_path: Path
) -> None:
    model = tmp_path / "spoilt"
    subprocess.run(["cp", "-r", str(tiny_model), str(model)], check=True)
    spoil(model)

    def make(wake: Callable[[], None]) -> WorkerPool:
        files = ModelFiles(path=model)
        return WorkerPool(tmp_path, files, workers=1, device="cpu", threads=1, wake=wake)

    pool = Pool(tmp_path, make)
    try:
        pool.until(lambda: pool.reports)
        (broken,) = pool.reports
        assert isinstance(broken, Broken)
        assert said in broken.error
        assert broken.hint
    finally:
        pool.pool.kill()


def test_a_model_that_has_changed_since_the_run_began_is_not_drawn_with(
    tiny_model: Path, tmp_path: Path
) -> None:
    began, hashes = "ab" * 32, tmp_path / "hashes.json"

    def make(wake: Callable[[], None]) -> WorkerPool:
        return WorkerPool(
            tmp_path, ModelFiles(path=tiny_model, sha256=began), workers=1, device="cpu",
            threads=1, wake=wake, hashes=hashes,
        )  # fmt: skip

    pool = Pool(tmp_path, make)
    try:
        pool.until(lambda: pool.reports)
        (broken,) = pool.reports
        assert isinstance(broken, Broken)
        assert "has changed since the run began" in broken.error
        assert hashes.is_file()
    finally:
        pool.pool.kill()


def _bare(model: Path, record: Record) -> Image.Image:
    """The picture as bare diffusers draws it from what the record says."""
    import diffusers
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(record.made.threads)
    pipeline: Any = diffusers.StableDiffusionPipeline
    pipe = pipeline.from_pretrained(str(model), dtype=torch.float32, safety_checker=None)
    laid_out(pipe).set_progress_bar_config(disable=True)
    pipe.scheduler = diffusers.DPMSolverMultistepScheduler.from_config(
        pipe.scheduler.config, use_karras_sigmas=True, final_sigmas_type="zero"
    )
    resolved = record.resolved
    image: Image.Image = pipe(
        resolved.prompt,
        negative_prompt=resolved.negative,
        width=resolved.width,
        height=resolved.height,
        num_inference_steps=resolved.steps,
        guidance_scale=resolved.guidance,
        generator=torch.Generator("cpu").manual_seed(record.seed),
    ).images[0]
    torch.set_num_threads(threads)
    return image


class _End:
    """Waits for the end of a process that is not our child, without asking again and again."""

    def __init__(self, pid: int) -> None:
        self._descriptor = os.pidfd_open(pid)

    def came(self, seconds: float) -> bool:
        ready, _, _ = select.select([self._descriptor], [], [], seconds)
        os.close(self._descriptor)
        return bool(ready)


def _holders(pids: list[int]) -> list[int]:
    """Those that have the weights mapped."""
    return [pid for pid in pids if "anime-weights" in Path(f"/proc/{pid}/maps").read_text()]


def _cut(file: Path) -> None:
    os.truncate(file, file.stat().st_size - 1)
