"""Whatever is done to an inbox while nobody watches: the next start comes to the same with what was
settled and without, in its state, its pictures and its error files."""

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pipeline.core import events as e
from pipeline.core import vanished
from pipeline.core.adapters import AdapterFile
from pipeline.core.observed import FileGone, FileSeen
from pipeline.core.resolved import Model, Offered
from pipeline.core.targets import Target
from pipeline.history import PRIVATE
from pipeline.inbox import files
from tests.running import JOB, Run
from tests.safetensors import write
from tests.test_adapters import GOOD
from tests.test_settled import BIBLE, WITH_MIO, record, settle

PROJECT = "kind: project\nname: Show\n"
BIG = Offered(name="big", model=Model(name="big", sha256="cd" * 32, width=64, height=64))
NFC, NFD = "caf\u00e9.yaml", "cafe\u0301.yaml"
Texts = dict[str, str]
Change = Callable[[Path], object]


def nothing(root: Path) -> None:
    """Is done to it."""


def write_all(root: Path, texts: Texts) -> None:
    for name, text in texts.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def at_rest(run: Run) -> None:
    """Until nothing more comes of what there is, sheets and late hints included."""
    run.until(lambda: run.runner._settled)
    for _ in range(10):
        run.inbox.wait(0.05)
        run.runner.step(time.monotonic())
    run.until(lambda: run.runner._settled)


def settled_in(
    root: Path, texts: Texts, before: Change = nothing, models: tuple[Offered, ...] = ()
) -> None:
    """An inbox with these files, all drawn and settled; `before` is done to it first."""
    root.mkdir(parents=True)
    before(root)
    write_all(root, texts)
    run = Run(root, models=models)
    at_rest(run)
    settle(run)
    run.close()


def begun(root: Path) -> Run:
    """The next run, at rest."""
    run = Run(root, resumes=True)
    at_rest(run)
    return run


def told(run: Run) -> dict[str, Any]:
    """What came of an inbox."""
    root, state = run.root, run.state
    return {
        "errors": {path.name: path.read_text() for path in sorted(root.rglob("*.error.txt"))},
        "rejected": sorted(state.rejected),
        "files": {file: sorted(keys) for file, keys in state.files.items()},
        "jobs": {
            key: (job.project, run.status(key), [(t.number, t.shows, t.reason) for t in job.takes])
            for key, job in state.jobs.items()
        },
        "pictures": sorted(str(path.relative_to(root)) for path in root.rglob("*.png")),
    }


def both(folder: Path, texts: Texts, change: Change, **first: Any) -> None:
    """The start after a change, from what was settled and from the journal alone; `first` is how
    it was settled."""
    found = []
    for name in ("settled", "anew"):
        root = folder / name / "inbox"
        settled_in(root, texts, **first)
        change(root)
        if name == "anew":
            shutil.rmtree(root / PRIVATE / "cache")
        run = begun(root)
        found.append(told(run))
        run.close()
    assert found[0] == found[1]


@pytest.mark.parametrize(("before", "after"), [(NFC, NFD), (NFD, NFC)])
def test_a_file_in_another_spelling_of_its_name(before: str, after: str, tmp_path: Path) -> None:
    both(tmp_path, {before: JOB}, lambda root: (root / before).rename(root / after))


def test_a_style_that_a_project_has(tmp_path: Path) -> None:
    texts = {
        "styles.csv": 'name,prompt,negative_prompt\nnoir,"film noir, {prompt}",\n',
        "show/project.yaml": f"{PROJECT}style: noir\n",
    }
    both(tmp_path, texts, lambda root: (root / "styles.csv").unlink())


def test_a_lora_that_somebody_wears(tmp_path: Path) -> None:
    both(
        tmp_path,
        {"mio.yaml": f"{BIBLE}lora: mio.safetensors\n"},
        lambda root: (root / "mio.safetensors").unlink(),
        before=lambda root: write(root / "mio.safetensors", GOOD),
    )


def test_a_model_that_a_project_is_drawn_with(tmp_path: Path) -> None:
    texts = {"project.yaml": f"{PROJECT}model: big\n"}
    both(tmp_path, texts, nothing, models=(BIG,))


def test_a_job_that_another_is_drawn_from_is_gone(tmp_path: Path) -> None:
    texts = {"x.yaml": f"{JOB}hold: true\n", "y.yaml": f"{JOB}from: x.01.png\n"}
    both(tmp_path, texts, lambda root: (root / "x.yaml").unlink())


def test_jobs_that_come_to_be_drawn_from_each_other(tmp_path: Path) -> None:
    texts = {
        "x.yaml": JOB,
        "y.yaml": f"{JOB}from: x.01.png\n",
        "z.yaml": f"{JOB}from: y.01.png\n",
    }
    both(tmp_path, texts, lambda root: (root / "x.yaml").write_text(f"{JOB}from: z.01.png\n"))


def test_another_version_has_run_in_between(tmp_path: Path) -> None:
    def change(root: Path) -> None:
        run = Run(root, resumes=True)
        job = run.state.jobs["a"]
        cells = tuple(msgspec.structs.replace(c, digest="ee" * 32) for c in job.takes[-1].cells)
        for event in (
            msgspec.structs.replace(run.runner._opening[0], version="another"),
            e.QueuePaused(reason="for the test", by="settings"),
            e.RenderRequested(job="a", take=2, reason="changed", cells=cells, inputs={}),
        ):
            record(run, event)
        run.close()

    both(tmp_path, {"a.yaml": JOB}, change)


def test_a_file_that_is_a_folder_now(tmp_path: Path) -> None:
    def change(root: Path) -> None:
        (root / "a.yaml").unlink()
        (root / "a.yaml").mkdir()

    both(tmp_path, {"a.yaml": JOB}, change)


def test_a_folder_that_is_a_link_out_of_the_inbox_now(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    write_all(outside, {"a.yaml": JOB.replace("rain", "secret")})

    def change(root: Path) -> None:
        shutil.rmtree(root / "show")
        (root / "show").symlink_to(outside)

    both(tmp_path, {"show/a.yaml": JOB}, change)


def test_whoever_had_a_name_first_is_gone(tmp_path: Path) -> None:
    texts = {
        "show/project.yaml": PROJECT,
        "show/mio.yaml": BIBLE,
        "show/other.yaml": BIBLE.replace("red", "blue"),
    }
    both(tmp_path, texts, lambda root: (root / "show/mio.yaml").unlink())


def test_pictures_of_a_stale_job_that_are_drawn_again_as_they_were(tmp_path: Path) -> None:
    """Also after a start, which asks all jobs what they need."""
    found = []
    for name in ("settled", "anew"):
        root = tmp_path / name / "inbox"
        settled_in(root, {"mio.yaml": BIBLE, "a.yaml": WITH_MIO})
        run = begun(root)
        run.drop("mio.yaml", BIBLE.replace("red", "blue"))
        run.until(lambda: "blue" in str(run.state.characters["mio"].spec) and run.runner._settled)  # noqa: B023
        job = run.state.jobs["a"]
        run.runner._record([e.QueuePaused(reason="for the test", by="settings")])
        (root / "a.01.png").unlink()
        target = Target(name="a", jobs=("a",))
        lost = list(vanished.counted_on(job))
        run.runner._record(vanished.redrawn(run.state, "asked", target, lost))
        at_rest(run)
        settle(run)
        run.close()
        if name == "anew":
            shutil.rmtree(root / PRIVATE / "cache")
        run = begun(root)
        first, second = run.state.jobs["a"].takes
        assert first.shows == second.shows
        found.append(told(run))
        run.close()
    assert found[0] == found[1]


@pytest.mark.parametrize("how", ["away", "changed", "unreadable"])
def test_a_file_that_is_otherwise_for_a_moment_is_decided_when_it_is_back(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "inbox"
    settled_in(root, {"a.yaml": JOB})
    run = begun(root)
    step, text_of = run.inbox.step, files.text_of

    def meanwhile(now: float) -> list[FileSeen | FileGone]:
        seen = step(now)
        if any(each.file == "project.yaml" for each in seen):
            match how:
                case "away":
                    os.rename(root / "a.yaml", tmp_path / "a.yaml")
                case "changed":
                    (root / "a.yaml").write_text(f"{JOB}seed: 5\n")
                case _:
                    monkeypatch.setattr(files, "text_of", _full)
        return seen

    monkeypatch.setattr(run.inbox, "step", meanwhile)
    run.drop("project.yaml", PROJECT)
    run.until(lambda: "show" in run.state.projects and not run.runner._undecided)
    monkeypatch.setattr(files, "text_of", text_of)
    if how == "away":
        os.rename(tmp_path / "a.yaml", root / "a.yaml")
    (root / "a.yaml").write_text(JOB)
    run.until(lambda: run.state.jobs["a"].project == "show")
    run.close()


def _full(*_: object) -> bytes:
    raise OSError(24, "Too many open files")


def test_a_file_that_goes_in_the_midst_of_the_first_look_is_gone(tmp_path: Path) -> None:
    root = tmp_path / "inbox"
    root.mkdir()
    write_all(root, {f"{n:03}.yaml": f"{JOB}seed: {n}\nhold: true\n" for n in range(600)})
    run = Run(root)
    run.runner.step(time.monotonic())
    assert not run.inbox.scanned
    (root / "000.yaml").unlink()
    at_rest(run)
    run.until(lambda: "000" not in run.state.jobs or run.state.jobs["000"].withdrawn)
    run.close()


def test_a_project_with_another_model_reaches_its_characters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(tmp_path / "inbox", models=(BIG,))
    assert BIG.model is not None
    unfit = AdapterFile(sha256="11" * 32, unfit={BIG.model.sha256: "made for another"})
    monkeypatch.setattr(run.inbox._adapters, "describe", lambda path: unfit)
    (run.root / "x.safetensors").write_bytes(b"x")
    run.drop("project.yaml", PROJECT)
    run.drop("mio.yaml", f"{BIBLE}lora: x.safetensors\n")
    run.until(lambda: bool(run.state.adapters and run.state.characters) and run.runner._settled)
    assert not (run.root / "mio.error.txt").exists()
    run.drop("project.yaml", f"{PROJECT}model: big\n")
    run.until((run.root / "mio.error.txt").exists)
    run.close()
