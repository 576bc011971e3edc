"""A backup is one moment of an inbox, also of one that is written to: it replays, and every picture
that its journal names is in it, byte for byte."""

import errno
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.commands.backup import backup, report
from pipeline.commands.checking import check_folder
from pipeline.commands.scaffold import CannotWrite, DiskRefuses
from pipeline.core.commands import Hold
from pipeline.history import restore
from pipeline.orders import send
from pipeline.pictures import sha256_of
from tests.cli.command import anime
from tests.running import Run


def unpacked(file: Path, folder: Path) -> Path:
    """The backup as a person unpacks it."""
    folder.mkdir()
    subprocess.run(["tar", "-xzf", file, "-C", folder], check=True)
    return folder


def drawn(start: Callable[..., Run], takes: int = 2) -> Run:
    run = start()
    run.drop("anime.toml", "workers = 2\n")
    run.drop("show/project.yaml", "kind: project\nname: Show\n")
    for number in range(1, takes + 1):
        run.drop("show/rain.yaml", f"kind: job\nprompt: rain\nseed: {number}\ncount: 2\n")
        run.until(
            lambda number=number: (  # type: ignore[misc]
                run.status("show/rain") == "done"
                and len(run.state.jobs["show/rain"].takes) == number
            )
        )
    return run


def whole(root: Path) -> int:
    """How many pictures the journal of an inbox names; all are there as it says."""
    images = [
        image
        for job in restore(root).jobs.values()
        for take in job.takes
        for image in take.images.values()
        if not image.discarded
    ]
    for image in images:
        assert sha256_of(root / image.file) == image.sha256, image.file
    return len(images)


def test_sheets_are_in_it_those_on_the_shelf_too(start: Callable[..., Run], tmp_path: Path) -> None:
    run = start()
    run.drop("akira.yaml", "kind: character\nname: Akira\nexpressions: {glad: smile}\n")
    for number in (1, 2):
        run.drop(
            "faces.yaml",
            f"kind: job\ncharacters: [Akira]\nsheet: expressions\nseed: {number}\n",
        )
        run.until(
            lambda number=number: (  # type: ignore[misc]
                run.status("faces") == "done"
                and [take.sheet is not None for take in run.state.jobs["faces"].takes]
                == [True] * number
            )
        )
    run.close()
    file = tmp_path / "backup.tar.gz"
    done = backup(run.root, file)
    assert (done.missing, done.changed, done.unread) == ((), (), ())
    again = unpacked(file, tmp_path / "again")
    takes = restore(again).jobs["faces"].takes
    sheets = [take.sheet for take in takes if take.sheet is not None]
    assert [sheet.file for sheet in sheets] == [
        ".pipeline/takes/faces.take1.sheet.png", "faces.sheet.png",
    ]  # fmt: skip
    assert all(sha256_of(again / sheet.file) == sheet.sha256 for sheet in sheets)


def test_all_that_an_inbox_needs_is_in_it(start: Callable[..., Run], tmp_path: Path) -> None:
    run = drawn(start)
    root = run.root
    (root / ".git").mkdir()
    (root / ".git/config").touch()
    (root / ".gitignore").write_text("*.png\n")
    (root / "show/link.yaml").symlink_to("rain.yaml")
    (root / ".pipeline/cache").mkdir()
    (root / ".pipeline/cache/x").touch()
    run.close()
    send(root, Hold(target="show/rain"), at=1)
    file = tmp_path / "backup.tar.gz"
    done = backup(root, file)
    assert (done.missing, done.changed, done.unread) == ((), (), ())
    again = unpacked(file, tmp_path / "again")
    there = {str(path.relative_to(again)) for path in again.rglob("*") if not path.is_dir()}
    (command,) = (name for name in there if name.startswith(".pipeline/commands/"))
    assert there == {
        ".gitignore", "anime.toml", "show/project.yaml", "show/rain.yaml", "show/link.yaml",
        "show/rain.01.png", "show/rain.02.png", ".pipeline/events.jsonl", command,
        ".pipeline/takes/show/rain.take1.01.png", ".pipeline/takes/show/rain.take1.02.png",
    }  # fmt: skip
    assert done.pictures == whole(again) == 4
    assert done.files == len(there)
    assert restore(again) == restore(root)
    assert (again / "show/link.yaml").is_symlink()
    (again / "show/link.yaml").unlink()
    assert check_folder(again).problems == ()
    assert list(tmp_path.glob(".anime-*")) == []
    assert next(iter(report(done, file))).startswith(f"{file}: 11 files, 4 pictures, ")


def test_a_run_goes_on_from_a_backup(start: Callable[..., Run], tmp_path: Path) -> None:
    run = drawn(start)
    backup(run.root, tmp_path / "b.tar.gz")
    run.close()
    run.root.rename(tmp_path / "lost")
    unpacked(tmp_path / "b.tar.gz", run.root)
    again = start()
    again.until(lambda: again.runner._sight.complete)
    assert again.status("show/rain") == "done"
    assert again.pool.submitted == []


def test_a_backup_beside_a_writer_is_whole(start: Callable[..., Run], tmp_path: Path) -> None:
    """Takes follow one another, so that pictures are drawn, shelved and replaced all the time."""
    run = drawn(start, 1)
    made: list[Path] = []
    failed: list[BaseException] = []
    ended = threading.Event()
    number = 1

    def back_up() -> None:
        try:
            # Until there was enough of both: who comes to work, and when, is up to the machine.
            while len(made) < 6 or number < 4:
                file = tmp_path / f"{len(made)}.tar.gz"
                done = backup(run.root, file)
                assert (done.missing, done.changed, done.unread) == ((), (), ()), done
                made.append(file)
        except BaseException as error:
            failed.append(error)
        finally:
            ended.set()

    thread = threading.Thread(target=back_up)
    thread.start()
    while not ended.is_set():
        number += 1
        run.drop("show/rain.yaml", f"kind: job\nprompt: rain\nseed: {number}\ncount: 2\n")
        run.until(
            lambda number=number: (  # type: ignore[misc]
                run.status("show/rain") == "done"
                and len(run.state.jobs["show/rain"].takes) == number
            )
        )
    thread.join()
    assert failed == []
    counts = [whole(unpacked(file, tmp_path / file.name.split(".")[0])) for file in made]
    assert counts == sorted(counts)
    assert counts[-1] > 2, "the writer wrote nothing meanwhile"


def test_what_is_gone_or_retouched_is_told(start: Callable[..., Run], tmp_path: Path) -> None:
    run = drawn(start)
    (run.root / "show/rain.01.png").write_bytes(b"retouched")
    (run.root / ".pipeline/takes/show/rain.take1.02.png").unlink()
    done = backup(run.root, tmp_path / "b.tar.gz")
    assert done.changed == ("show/rain.01.png",)
    assert done.missing == (".pipeline/takes/show/rain.take1.02.png",)
    again = unpacked(tmp_path / "b.tar.gz", tmp_path / "again")
    assert (again / "show/rain.01.png").read_bytes() == b"retouched"


def test_a_torn_end_of_the_journal_is_left_out(start: Callable[..., Run], tmp_path: Path) -> None:
    run = drawn(start)
    seq = run.state.seq
    run.close()
    with open(run.root / ".pipeline/events.jsonl", "ab") as journal:
        journal.write(b'{"seq":')
    done = backup(run.root, tmp_path / "b.tar.gz")
    assert done.lines == seq
    assert whole(unpacked(tmp_path / "b.tar.gz", tmp_path / "again")) == 4


def test_an_inbox_that_never_ran_is_backed_up_too(tmp_path: Path) -> None:
    root = tmp_path / "inbox"
    root.mkdir()
    (root / "夜.yaml").write_text("kind: job\nprompt: rain\n")
    (root / os.fsdecode(b"\xff.yaml")).write_text("x")
    done = backup(root, tmp_path / "b.tar.gz")
    assert (done.lines, done.files) == (0, 2)
    again = unpacked(tmp_path / "b.tar.gz", tmp_path / "again")
    assert sorted(os.listdir(os.fsencode(again))) == sorted(os.listdir(os.fsencode(root)))


def test_no_file_is_overwritten_and_none_is_left_half(tmp_path: Path) -> None:
    root = tmp_path / "inbox"
    root.mkdir()
    (root / "a.yaml").write_bytes(os.urandom(300_000))
    file = tmp_path / "b.tar.gz"
    file.write_text("mine")
    with pytest.raises(CannotWrite, match="is there already"):
        backup(root, file)
    assert file.read_text() == "mine"
    with pytest.raises(CannotWrite, match="lies in the inbox"):
        backup(root, root / "b.tar.gz")
    with pytest.raises(DiskRefuses, match=os.strerror(errno.ENOENT)):
        backup(root, tmp_path / "nowhere/b.tar.gz")
    code = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000));"
        "from pipeline.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "backup", "c.tar.gz"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 3, done.stderr
    assert "c.tar.gz cannot be written" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.tar.gz", "inbox"]


@pytest.mark.process
def test_the_command(start: Callable[..., Run], tmp_path: Path) -> None:
    run = drawn(start, 1)
    done = anime("backup", "b.tar.gz", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("b.tar.gz: 6 files, 2 pictures, ")
    assert whole(unpacked(tmp_path / "b.tar.gz", tmp_path / "again")) == 2
    assert run.status("show/rain") == "done"
