"""kill -9 of a worker, the keeper, the nursery and the runner loses and doubles nothing."""

import os
import signal
import time
from pathlib import Path

import pytest

from pipeline.core import events as e
from tests.faults.frozen import called, is_worker
from tests.processes import Program, facts, gone, program, write

pytestmark = [pytest.mark.process, pytest.mark.timeout(600)]

JOBS = {
    f"show/job{number}.yaml": f"kind: job\nprompt: 1girl, red hair\nseed: {number}\nsteps: 12\n"
    for number in range(7)
}


def pictures(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*.png")}


def drawn(root: Path) -> list[tuple[str, int, int]]:
    return [
        (fact.job, fact.take, fact.index)
        for fact in facts(root)
        if isinstance(fact, e.ImageRendered)
    ]


@pytest.mark.slow
def test_every_picture_is_there_once_with_the_pixels_of_an_undisturbed_run(tmp_path: Path) -> None:
    """Killed four ways in mid-render, then started again."""
    calm, struck = tmp_path / "calm", tmp_path / "struck"
    write(calm, JOBS)
    write(struck, JOBS)
    with program(calm, "--once") as undisturbed:
        assert undisturbed.process.wait(180) == 0, undisturbed.log()

    with program(struck) as running:
        begun = running.until_any(e.RenderStarted)
        assert isinstance(begun, e.RenderStarted)
        keeper = next(iter(running.children()))
        workers = [pid for pid in running.children() if is_worker(pid)]
        assert len(workers) == 3
        for pid in running.children():
            maps = Path(f"/proc/{pid}/maps").read_text()
            assert "/dev/shm/" not in maps, "it has something in /dev/shm, which a kill would leave"

        os.kill(workers[0], signal.SIGKILL)
        lost = running.until_any(e.WorkerLost)
        assert isinstance(lost, e.WorkerLost)
        assert (lost.cause, lost.blamed) == ("killed", False)

        running.until_any(e.ImageRendered)
        before = running.children()
        os.kill(keeper, signal.SIGKILL)
        running.until(lambda fact: isinstance(fact, e.WorkerLost) and fact.cause == "keeper")
        assert gone(before), "the keeper's workers outlive it"

        running.until_any(e.ImageRendered)
        before = running.children()
        os.kill(next(pid for pid in before if called(pid) == "anime-nursery"), signal.SIGKILL)
        running.until(lambda fact: isinstance(fact, e.WorkerLost) and fact.cause == "keeper")
        assert gone(before), "what went with the nursery outlives it"

        running.until_any(e.RenderStarted)
        orphans = running.children()
        running.kill()
        assert gone(orphans), "keeper or workers outlive the runner"

    with program(struck, "--once") as again:
        assert again.process.wait(180) == 0, again.log()
    assert sorted(drawn(struck)) == sorted((key.removesuffix(".yaml"), 1, 1) for key in JOBS)
    assert pictures(struck) == pictures(calm)
    assert not list(struck.rglob("*.part"))


@pytest.mark.slow
def test_sigterm_finishes_the_pictures_in_work_and_leaves_the_rest_owed(tmp_path: Path) -> None:
    """A drain: exit code 0, nothing half drawn, nothing left running."""
    write(tmp_path / "inbox", JOBS)
    with program(tmp_path / "inbox") as running:
        running.until_any(e.RenderStarted)
        children = running.children()
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(60) == 0, running.log()
        assert gone(children)
    told = facts(tmp_path / "inbox")
    started = {(f.job, f.index) for f in told if isinstance(f, e.RenderStarted)}
    finished = {(f.job, f.index) for f in told if isinstance(f, e.ImageRendered)}
    assert started == finished
    assert 0 < len(finished) < len(JOBS)


@pytest.mark.slow
def test_a_keeper_that_is_killed_while_it_reads_the_model_leaves_nothing(tmp_path: Path) -> None:
    """What it had in the folder for temporary files goes with the runner's own folder."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    write(tmp_path / "inbox", {"a.yaml": JOBS["show/job0.yaml"]})
    env = {"TMPDIR": str(temporary), "XDG_RUNTIME_DIR": str(temporary)}
    running = Program(tmp_path / "inbox", "--workers", "1", env=env)
    try:
        deadline = time.monotonic() + 60
        while not list(temporary.rglob("anime-model-*")):
            assert time.monotonic() < deadline
        for pid in running.children():
            os.kill(pid, signal.SIGKILL)
        running.until_any(e.ImageRendered)
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(60) == 0
    finally:
        running.close()
    assert list(temporary.iterdir()) == []
