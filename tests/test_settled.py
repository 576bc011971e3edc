"""What is settled is a cache: with it a start reads and decides what is new, and comes to the same
as without it."""

import os
import shutil
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pipeline import kept, settled, snapshot
from pipeline.commands import checking, planning
from pipeline.core import events as e
from pipeline.core.evolve import evolve
from pipeline.core.manifest import Project
from pipeline.core.observed import FileSeen
from pipeline.core.resolved import Model, Offered
from pipeline.history import PRIVATE
from pipeline.inbox.watch import RESCAN, TICK
from pipeline.journal import Entry
from pipeline.settled import Resumed, resume
from tests.faults.world import canonical
from tests.running import JOB, MODEL, Run, fold

BIBLE = "kind: character\nname: Mio\nappearance: red hair\n"
WITH_MIO = "kind: job\nprompt: rain\ncharacters: [Mio]\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An inbox with a bible, two jobs that are drawn, a job that waits and a file with a mistake,
    all of it settled."""
    run = Run(tmp_path / "inbox")
    run.drop("mio.yaml", BIBLE)
    run.drop("a.yaml", WITH_MIO)
    run.drop("b.yaml")
    run.drop("c.yaml", "kind: job\ncharacters: [Nobody]\n")
    run.drop("d.yaml", "kind: job\npromt: rain\n")
    run.until(lambda: run.state.finished == 2 and (run.root / "c.error.txt").exists())
    settle(run)
    run.close()
    return run.root


def settle(run: Run) -> None:
    """Let the run keep what is settled, as if its files had long been as they are."""
    later = time.monotonic() + RESCAN + TICK
    for now in (later, later + 1, later + 2):
        run.runner.step(now)
    run.runner.keep(later + 2, worth=0)


def again(root: Path, **options: object) -> Run:
    """The next run, when it has looked at everything and come to rest."""
    run = Run(root, resumes=True, **options)  # type: ignore[arg-type]
    run.until(lambda: run.runner._settled)
    return run


def told(run: Run) -> list[str]:
    return [type(event).__name__ for event in run.watcher.events]


def read(run: Run) -> set[str]:
    """The files that were read in this run."""
    return set(run.runner._sight.seen)


def test_a_start_reads_only_what_has_a_complaint(root: Path) -> None:
    assert {each.file for each in resume(root).files.values()} == {"mio.yaml", "a.yaml", "b.yaml"}
    run = again(root)
    assert read(run) == {"c.yaml", "d.yaml"}
    assert told(run) == ["RunnerStarted"]
    run.close()


def test_complaints_that_were_taken_away_are_written_again(root: Path) -> None:
    for name in ("c", "d"):
        (root / f"{name}.error.txt").unlink()
    again(root).close()
    assert "there is no character 'Nobody'" in (root / "c.error.txt").read_text()
    assert "promt" in (root / "d.error.txt").read_text()


def test_what_changed_while_nobody_watched_is_found(root: Path) -> None:
    (root / "a.yaml").write_text(WITH_MIO.replace("rain", "snow"))
    (root / "b.yaml").unlink()
    (root / "new.yaml").write_text(JOB)
    run = again(root)
    run.until(lambda: run.state.finished == 4)
    assert run.state.jobs["a"].spec.prompt == "snow"
    assert run.state.jobs["b"].withdrawn
    assert run.status("new") == "done"
    assert read(run) == {"a.yaml", "c.yaml", "d.yaml", "new.yaml"}
    run.close()


def test_a_file_of_the_same_size_and_time_is_another_by_its_inode(root: Path) -> None:
    was = (root / "a.yaml").stat()
    part = root / ".a.tmp"
    part.write_text(WITH_MIO.replace("rain", "snow"))
    os.utime(part, ns=(was.st_atime_ns, was.st_mtime_ns))
    part.replace(root / "a.yaml")
    assert (root / "a.yaml").stat().st_size == was.st_size
    run = again(root)
    assert run.state.jobs["a"].spec.prompt == "snow"
    run.close()


def test_an_edit_reaches_files_that_were_not_read_in_this_run(root: Path) -> None:
    run = again(root)
    run.drop("project.yaml", "kind: project\nname: Show\nstyle: manga\n")
    run.until(lambda: run.state.jobs["a"].project == "show")
    assert run.state.jobs["b"].project == "show"
    run.close()


def test_a_run_with_another_model_asks_jobs_again_whose_files_are_as_they_were(root: Path) -> None:
    first = again(root)
    first.drop("big.yaml", "kind: job\nprompt: rain\nmodel: big\n")
    first.until(lambda: first.status("big") == "waiting")
    settle(first)
    first.close()
    big = Offered(name="big", model=Model(name="big", sha256="cd" * 32, width=64, height=64))
    run = Run(root, resumes=True, models=(big,))
    run.until(lambda: run.status("big") == "done")
    run.close()


def test_what_was_recorded_but_not_followed_up_is_followed_up(root: Path) -> None:
    """Of an edit the journal has the first half: the program was killed between two flushes."""
    run = Run(root, resumes=True)
    spec = run.state.jobs["a"].spec
    snow = msgspec.structs.replace(spec, prompt="snow")
    submitted = e.JobSubmitted(key="a", file="a.yaml", project=None, seed=1, spec=snow)
    record(run, submitted)
    run.close()
    (root / "a.yaml").write_text(WITH_MIO.replace("rain", "snow"))
    assert resume(root).jobs == {"a"}
    run = again(root)
    run.until(lambda: run.state.finished == 3)
    assert len(run.state.jobs["a"].takes) == 2
    run.close()


def test_a_bible_that_was_recorded_reaches_its_jobs(root: Path) -> None:
    run = Run(root, resumes=True)
    spec = msgspec.structs.replace(run.state.characters["mio"].spec, appearance=("blue hair",))
    record(run, e.CharacterDeclared(key="mio", file="mio.yaml", spec=spec))
    run.close()
    resumed = resume(root)
    assert resumed.jobs == {"a"}
    assert "mio.yaml" not in {each.file for each in resumed.files.values()}


def test_a_project_that_was_recorded_reaches_every_file(root: Path) -> None:
    run = Run(root, resumes=True)
    spec = msgspec.convert({"kind": "project", "name": "Show"}, type=Project)
    record(run, e.ProjectDeclared(key="show", file="project.yaml", spec=spec))
    run.close()
    assert set(resume(root).manifests) >= {"a.yaml", "b.yaml", "mio.yaml"}


def test_a_file_that_was_refused_since_is_read_again(root: Path) -> None:
    """By another version of the program, which reads it otherwise."""
    run = Run(root, resumes=True)
    record(run, e.ManifestRejected(file="b.yaml", sha256="0" * 64, problems=()))
    run.close()
    run = again(root)
    assert "b.yaml" in read(run)
    assert "b.yaml" not in run.state.rejected
    run.close()


def test_a_snapshot_that_goes_further_makes_it_worthless(root: Path) -> None:
    run = Run(root, resumes=True)
    record(run, e.QueueResumed())
    snapshot.renew(root / PRIVATE, run.state, run.journal.end, worth=0)
    run.close()
    resumed = resume(root)
    assert (resumed.files, set(resumed.jobs)) == ({}, {"a", "b", "c"})


def test_one_of_other_code_or_with_a_bit_flipped_is_none(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = root / PRIVATE / settled.SETTLED
    whole = file.read_bytes()
    for at in range(0, len(whole), 41):
        file.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
        assert resume(root).files == {}, f"byte {at}"
    file.write_bytes(whole)
    assert resume(root).files
    monkeypatch.setattr(kept, "code_of", lambda *rooms: "other")
    assert resume(root).files == {}


def test_a_file_that_was_read_as_soon_as_it_was_written_is_not_remembered(root: Path) -> None:
    run = again(root)
    run.drop("new.yaml")
    run.until(lambda: run.status("new") == "done")
    now = time.monotonic()
    assert "new.yaml" not in run.inbox.remember(now, time.time())
    assert "a.yaml" in run.inbox.remember(now, time.time())
    assert "a.yaml" not in run.inbox.remember(now, time.time(), {"a.yaml"})
    run.close()


def test_a_file_that_changed_since_is_not_recalled(root: Path) -> None:
    run = again(root)
    recalled = run.inbox.recall("a.yaml")
    assert recalled is not None
    assert recalled.manifests[0] == run.state.jobs["a"].spec
    (root / "a.yaml").write_text(JOB)
    assert run.inbox.recall("a.yaml") is None
    assert run.inbox.recall("nowhere.yaml") is None
    (root / "a.yaml").unlink()
    assert run.inbox.recall("a.yaml") is None
    run.close()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"a.yaml": WITH_MIO.replace("rain", "snow")},
        {"b.yaml": None, "new.yaml": JOB},
        {"mio.yaml": BIBLE.replace("red", "blue")},
        {"project.yaml": "kind: project\nname: Show\nstyle: manga\n"},
        {"mio.yaml": None, "other.yaml": BIBLE},
        {"0.yaml": BIBLE},
        {"d.yaml": JOB, "c.yaml": "kind: job\nprompt: [\n"},
    ],
)
def test_a_plan_is_the_same_with_it_and_without(
    root: Path, changes: dict[str, str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    raws: list[str] = []

    def spied(*args: Any) -> list[FileSeen]:
        raws.extend(args[2])
        return checking.looks_of(*args)

    monkeypatch.setattr(planning, "looks_of", spied)
    for name, text in changes.items():
        (root / name).unlink() if text is None else (root / name).write_text(text)
    mine = canonical(planning.rehearsed(root, MODEL, workers=3))
    assert len(raws) == len({*raws})
    assert set(raws) >= {"c.yaml", "d.yaml", *(name for name in changes if changes[name])}
    if "project.yaml" not in changes:
        assert "b.yaml" not in raws or "b.yaml" in changes
    shutil.rmtree(root / PRIVATE / "cache")
    assert mine == canonical(planning.rehearsed(root, MODEL, workers=3))


def test_without_any_of_it_everything_is_decided(tmp_path: Path) -> None:
    resumed = resume(tmp_path)
    assert (resumed.files, list(resumed.jobs)) == ({}, [])
    assert list(Resumed.anew(fold(tmp_path)).jobs) == []


def record(run: Run, event: e.Event) -> None:
    """Have the journal and the state say something that nobody follows up."""
    name, fields = e.encode(event)
    (line,) = run.journal.append([Entry(type=name, fields=fields, v=e.VERSION)])
    evolve(run.state, line.seq, line.at, event)
