"""A finished picture takes its name durably, and nobody's file is lost to it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from pipeline.core.keys import shelf_file
from pipeline.core.resolved import Task
from pipeline.pictures import (
    PictureError,
    Placed,
    place,
    remove,
    reuse,
    sha256_of,
    shelve,
    sweep,
    sweep_after,
)
from tests.render.conftest import task

NEW, OLD, FOREIGN = b"the new picture", b"the older take", b"a drawing of somebody's own"


# As somebody who may write nothing there, whoever runs the test.
_SWEEP = """
import os, sys
from pathlib import Path
from pipeline.pictures import sweep
os.chdir(sys.argv[1])
os.chmod(".", 0o555)
if os.getuid() == 0:
    os.setuid(65534)
print(os.listdir("."), sweep(Path(".")))
"""


@pytest.fixture
def wanted(tmp_path: Path) -> Task:
    (tmp_path / "show").mkdir()
    return task("show/rooftop")


def test_a_free_name_is_taken(tmp_path: Path, wanted: Task) -> None:
    placed = place(tmp_path, wanted, NEW)
    assert placed.file == "show/rooftop.01.png"
    assert (tmp_path / placed.file).read_bytes() == NEW
    assert placed.sha256 == sha256_of(tmp_path / placed.file)
    assert not placed.shelved
    assert os.listdir(tmp_path / "show") == ["rooftop.01.png"]


def test_the_same_bytes_are_left_as_they_are(tmp_path: Path, wanted: Task) -> None:
    first = place(tmp_path, wanted, NEW)
    before = (tmp_path / first.file).stat()
    assert place(tmp_path, wanted, NEW) == first
    assert (tmp_path / first.file).stat().st_ino == before.st_ino
    assert os.listdir(tmp_path / "show") == ["rooftop.01.png"]


def test_the_journals_older_picture_goes_to_its_shelf(tmp_path: Path, wanted: Task) -> None:
    again = _second_take(tmp_path, wanted)
    placed = place(tmp_path, again, NEW)
    assert placed == Placed(file=wanted.file, sha256=placed.sha256, shelved=True)
    assert (tmp_path / wanted.file).read_bytes() == NEW
    assert (tmp_path / str(again.shelf)).read_bytes() == OLD
    # The worker may have died before it could say so: the next one finds it all done.
    assert place(tmp_path, again, NEW) == placed


def test_a_shelf_that_another_file_takes_is_not_overwritten(tmp_path: Path, wanted: Task) -> None:
    again = _second_take(tmp_path, wanted)
    shelf = tmp_path / str(again.shelf)
    shelf.parent.mkdir(parents=True)
    shelf.write_bytes(FOREIGN)
    with pytest.raises(PictureError, match="another file stands there"):
        place(tmp_path, again, NEW)
    assert shelf.read_bytes() == FOREIGN
    assert (tmp_path / wanted.file).read_bytes() == OLD


def test_a_foreign_or_retouched_file_stays(tmp_path: Path, wanted: Task) -> None:
    again = _second_take(tmp_path, wanted)
    (tmp_path / wanted.file).write_bytes(FOREIGN)
    (tmp_path / "show/rooftop.01-2.png").mkdir()
    placed = place(tmp_path, again, NEW)
    assert placed.file == "show/rooftop.01-3.png"
    assert not placed.shelved
    assert (tmp_path / wanted.file).read_bytes() == FOREIGN
    assert place(tmp_path, again, NEW) == placed


def test_a_link_is_nobodys_picture(tmp_path: Path, wanted: Task) -> None:
    outside = tmp_path / "outside.png"
    outside.write_bytes(OLD)
    (tmp_path / wanted.file).symlink_to(outside)
    replacing = replace(wanted, replaces=sha256_of(outside), shelf=shelf_file(wanted.job, 1, 1))
    assert place(tmp_path, replacing, NEW).file == "show/rooftop.01-2.png"
    assert outside.read_bytes() == OLD


def test_the_orphan_of_a_crash_is_overwritten(tmp_path: Path, wanted: Task) -> None:
    (tmp_path / wanted.file).write_bytes(b"drawn with other threads")
    placed = place(tmp_path, wanted, NEW, is_ours=lambda path: path.name == "rooftop.01.png")
    assert placed.file == wanted.file
    assert (tmp_path / wanted.file).read_bytes() == NEW


def test_a_folder_that_is_gone_is_not_made_again(tmp_path: Path, wanted: Task) -> None:
    (tmp_path / "show").rmdir()
    with pytest.raises(PictureError, match="folder is gone"):
        place(tmp_path, wanted, NEW)
    assert os.listdir(tmp_path) == []


def test_no_link_leads_out_of_the_root(tmp_path: Path, wanted: Task) -> None:
    (tmp_path / "show").rmdir()
    (tmp_path / "elsewhere").mkdir()
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    (inbox / "show").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PictureError, match="outside"):
        place(inbox, wanted, NEW)
    assert os.listdir(tmp_path / "elsewhere") == []


def test_reuse_copies_and_leaves_the_source(tmp_path: Path, wanted: Task) -> None:
    source = tmp_path / "older.png"
    source.write_bytes(OLD)
    placed = reuse(tmp_path, "older.png", sha256_of(source), wanted)
    assert (tmp_path / placed.file).read_bytes() == OLD
    assert source.read_bytes() == OLD
    assert source.stat().st_ino != (tmp_path / placed.file).stat().st_ino


@pytest.mark.parametrize("content", [FOREIGN, None])
def test_a_source_that_was_changed_is_not_reused(
    content: bytes | None, tmp_path: Path, wanted: Task
) -> None:
    source = tmp_path / "older.png"
    source.write_bytes(OLD)
    sha256 = sha256_of(source)
    source.unlink()
    if content is not None:
        source.write_bytes(content)
    with pytest.raises(PictureError, match="older"):
        reuse(tmp_path, "older.png", sha256, wanted)
    assert os.listdir(tmp_path / "show") == []


def test_a_picture_that_moved_along_is_left_where_it_is(tmp_path: Path, wanted: Task) -> None:
    there = tmp_path / wanted.file
    there.write_bytes(OLD)
    before = there.stat().st_ino
    assert reuse(tmp_path, "gone.png", sha256_of(there), wanted).file == wanted.file
    assert there.stat().st_ino == before


def test_reuse_takes_no_link_for_the_picture_that_it_leads_to(tmp_path: Path, wanted: Task) -> None:
    source = tmp_path / "older.png"
    source.write_bytes(OLD)
    (tmp_path / wanted.file).symlink_to(source)
    sha256 = sha256_of(source)
    assert reuse(tmp_path, "older.png", sha256, wanted).file == "show/rooftop.01-2.png"
    (tmp_path / "link.png").symlink_to(source)
    with pytest.raises(OSError, match=r"link\.png"):
        reuse(tmp_path, "link.png", sha256, task("show/other"))


@pytest.mark.timeout(20)
def test_nobody_waits_for_a_pipe_that_stands_where_a_picture_was(
    tmp_path: Path, wanted: Task
) -> None:
    source = tmp_path / "older.png"
    source.write_bytes(OLD)
    sha256 = sha256_of(source)
    os.mkfifo(tmp_path / wanted.file)
    with pytest.raises(OSError, match="no plain file"):
        sha256_of(tmp_path / wanted.file)
    assert not shelve(tmp_path, wanted.file, sha256, "shelf.png")
    remove(tmp_path, wanted.file, sha256)
    assert reuse(tmp_path, "older.png", sha256, wanted).file == "show/rooftop.01-2.png"
    with pytest.raises(OSError, match="no plain file"):
        reuse(tmp_path, wanted.file, sha256, task("show/other"))
    assert sorted(os.listdir(tmp_path / "show")) == ["rooftop.01-2.png", "rooftop.01.png"]


def test_a_name_as_long_as_names_may_be(tmp_path: Path) -> None:
    wanted = task("n" * 248)
    assert len(wanted.file) == 255
    assert (tmp_path / place(tmp_path, wanted, NEW).file).read_bytes() == NEW


def test_what_the_dead_left_unfinished_is_swept(tmp_path: Path) -> None:
    dead = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"],
        capture_output=True,
        check=True,
        text=True,
    ).stdout.strip()
    (tmp_path / "show").mkdir()
    nobodys = f".anime-{'9' * 20}-1.part"  # A number that no process can have.
    for name in (f".anime-{dead}-1.part", f".anime-{os.getpid()}-1.part", ".anime-x.part", nobodys):
        (tmp_path / "show" / name).touch()
    assert sweep(tmp_path) == 2
    assert sorted(os.listdir(tmp_path / "show")) == [
        f".anime-{os.getpid()}-1.part",
        ".anime-x.part",
    ]


def test_what_one_process_left_unfinished_is_swept_and_no_others(
    tmp_path: Path, wanted: Task
) -> None:
    for name in (".anime-12-1.part", ".anime-12-2.part", ".anime-123-1.part", "rooftop.yaml"):
        (tmp_path / "show" / name).touch()
    sweep_after(tmp_path, replace(wanted, shelf="nowhere/x.png"), 12)
    assert sorted(os.listdir(tmp_path / "show")) == [".anime-123-1.part", "rooftop.yaml"]


def test_what_cannot_be_swept_stays(tmp_path: Path) -> None:
    name = f".anime-{'9' * 20}-1.part"
    (tmp_path / name).touch()
    told = subprocess.run(
        [sys.executable, "-c", _SWEEP, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert told.stdout == f"['{name}'] 0\n"
    assert os.listdir(tmp_path) == [name]


def _second_take(root: Path, first: Task) -> Task:
    old = place(root, first, OLD)
    return replace(first, take=2, replaces=old.sha256, shelf=shelf_file(first.job, 1, 1))
