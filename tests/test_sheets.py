"""A job that asks for a sheet gets one beside its pictures, once, and again with each take."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from pipeline.core import events as e
from pipeline.core.commands import Restore
from pipeline.core.state import Take
from pipeline.orders import send
from pipeline.pictures import sha256_of
from tests.cli.command import record
from tests.running import Run, fold

AKIRA = "kind: character\nname: Akira\nappearance: silver hair\nexpressions: {glad: x, cross: y}\n"
SHEET = "kind: job\ncharacters: [Akira]\nsheet: expressions\n"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[], Run]]:
    runs: list[Run] = []

    def begin() -> Run:
        runs.append(Run(tmp_path / "inbox"))
        return runs[-1]

    yield begin
    for run in runs:
        run.close()


def drawn(run: Run) -> Take:
    run.until(lambda: run.status("faces") == "done" and run.state.jobs["faces"].takes[-1].sheet
              is not None)  # fmt: skip
    return run.state.jobs["faces"].takes[-1]


def test_a_sheet_stands_beside_its_pictures(start: Callable[[], Run]) -> None:
    run = start()
    run.drop("akira.yaml", AKIRA)
    run.drop("faces.yaml", SHEET)
    take = drawn(run)
    assert take.sheet is not None
    assert take.sheet.file == "faces.sheet.png"
    assert sha256_of(run.root / "faces.sheet.png") == take.sheet.sha256
    with Image.open(run.root / "faces.sheet.png") as sheet:
        assert sheet.width > 2 * 256
    assert sorted(image.file for image in take.images.values()) == ["faces.01.png", "faces.02.png"]
    composed = [event for event in run.watcher.events if isinstance(event, e.SheetComposed)]
    assert len(composed) == 1
    assert fold(run.root).jobs == run.state.jobs


def test_a_new_take_has_a_new_sheet_and_the_older_one_is_kept(start: Callable[[], Run]) -> None:
    run = start()
    run.drop("akira.yaml", AKIRA)
    run.drop("faces.yaml", SHEET)
    first = drawn(run).sheet
    run.drop("faces.yaml", SHEET + "prompt: roof\n")
    run.until(lambda: len(run.state.jobs["faces"].takes) == 2)
    second = drawn(run).sheet
    assert first is not None
    assert second is not None
    assert second.file == first.file
    assert second.sha256 != first.sha256
    kept = run.state.jobs["faces"].takes[0].sheet
    assert kept is not None
    assert kept.file == ".pipeline/takes/faces.take1.sheet.png"
    assert sha256_of(run.root / kept.file) == first.sha256


def test_a_sheet_lost_to_a_crash_is_composed_at_the_next_start(tmp_path: Path) -> None:
    """The journal as a crash leaves it: the last picture's event is there, nothing of the sheet."""
    before = Run(tmp_path / "before")
    before.drop("akira.yaml", AKIRA)
    before.drop("faces.yaml", SHEET)
    drawn(before)
    before.close()
    root = tmp_path / "inbox"
    shutil.copytree(before.root, root, ignore=shutil.ignore_patterns(".pipeline", "*.sheet.png"))
    record(root, [one for one in before.watcher.events if not isinstance(one, e.SheetComposed)])
    assert fold(root).jobs["faces"].takes[-1].sheet is None
    again = Run(root)
    sheet = drawn(again).sheet
    again.close()
    assert sheet is not None
    assert (root / sheet.file).exists()


def test_a_job_that_asks_no_longer_puts_its_sheet_away(start: Callable[[], Run]) -> None:
    run = start()
    run.drop("akira.yaml", AKIRA)
    run.drop("faces.yaml", SHEET)
    drawn(run)
    run.drop("faces.yaml", SHEET.replace("sheet: expressions", "prompt: roof"))
    run.until(lambda: not (run.root / "faces.sheet.png").exists())
    assert (run.root / ".pipeline/takes/faces.take1.sheet.png").exists()


def test_a_sheet_that_somebody_retouched_is_not_overwritten(start: Callable[[], Run]) -> None:
    run = start()
    run.drop("akira.yaml", AKIRA)
    run.drop("faces.yaml", SHEET)
    drawn(run)
    (run.root / "faces.sheet.png").write_bytes(b"mine now")
    run.drop("faces.yaml", SHEET + "prompt: roof\n")
    run.until(lambda: len(run.state.jobs["faces"].takes) == 2)
    second = drawn(run).sheet
    assert second is not None
    assert second.file == "faces.sheet-2.png"
    assert (run.root / "faces.sheet.png").read_bytes() == b"mine now"


def restore(run: Run, take: int) -> Take:
    name = send(run.root, Restore(job="faces", take=take), at=take)
    run.until(lambda: name in run.state.answered)
    return drawn(run)


def two_takes(run: Run) -> tuple[str, str]:
    """Two takes with a sheet each; the bytes of both sheets, as sha256."""
    run.drop("akira.yaml", AKIRA)
    run.drop("faces.yaml", SHEET)
    first = drawn(run).sheet
    run.drop("faces.yaml", SHEET + "prompt: roof\n")
    run.until(lambda: len(run.state.jobs["faces"].takes) == 2)
    second = drawn(run).sheet
    assert first is not None
    assert second is not None
    return first.sha256, second.sha256


def test_a_restored_take_has_its_sheet_back(start: Callable[[], Run]) -> None:
    run = start()
    first, second = two_takes(run)
    restore(run, 1)
    run.until(lambda: sha256_of(run.root / "faces.sheet.png") == first)
    assert sha256_of(run.root / ".pipeline/takes/faces.take2.sheet.png") == second
    restore(run, 2)
    run.until(lambda: sha256_of(run.root / "faces.sheet.png") == second)
    assert sha256_of(run.root / ".pipeline/takes/faces.take1.sheet.png") == first
    assert not (run.root / ".pipeline/takes/faces.take2.sheet.png").exists()
    composed = [event for event in run.watcher.events if isinstance(event, e.SheetComposed)]
    assert len(composed) == 2
    assert fold(run.root).jobs == run.state.jobs


def test_a_restored_take_whose_sheet_is_gone_has_a_new_one(start: Callable[[], Run]) -> None:
    run = start()
    first, _ = two_takes(run)
    (run.root / ".pipeline/takes/faces.take1.sheet.png").unlink()
    restore(run, 1)
    run.until((run.root / "faces.sheet.png").exists)
    assert sha256_of(run.root / "faces.sheet.png") == first


def test_a_sheet_asked_for_of_pictures_that_are_there_is_composed(start: Callable[[], Run]) -> None:
    """And put away, once nobody asks for it, though the pictures stay as they are."""
    matrix = SHEET.replace("sheet: expressions", "matrix: {expression: [glad, cross]}")
    run = start()
    run.drop("akira.yaml", AKIRA)
    run.drop("faces.yaml", matrix)
    run.until(lambda: run.status("faces") == "done")
    run.drop("faces.yaml", SHEET)
    first = drawn(run).sheet
    assert first is not None
    assert len(run.pool.submitted) == 2
    run.drop("faces.yaml", matrix)
    run.until(lambda: not (run.root / "faces.sheet.png").exists())
    run.drop("faces.yaml", SHEET)
    run.until((run.root / "faces.sheet.png").exists)
    assert sha256_of(run.root / "faces.sheet.png") == first.sha256
    assert len(run.pool.submitted) == 2


def test_a_sheet_that_a_crash_left_beside_is_swept(start: Callable[[], Run]) -> None:
    run = start()
    two_takes(run)
    run.drop("faces.yaml", SHEET.replace("sheet: expressions", "prompt: roof"))
    run.until(lambda: not (run.root / "faces.sheet.png").exists())
    run.close()
    shelf = run.root / ".pipeline/takes/faces.take2.sheet.png"
    (run.root / "faces.sheet.png").write_bytes(shelf.read_bytes())
    again = start()
    again.until(lambda: not (again.root / "faces.sheet.png").exists())
    assert shelf.exists()
