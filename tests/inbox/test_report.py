"""The error file says everything a newcomer needs, and no file of somebody else is touched."""

import os
from pathlib import Path

import pytest

from pipeline.core.problem import Problem
from pipeline.inbox.load import load
from pipeline.inbox.report import clear_report, report_file, write_report

BROKEN = "kind: job\nprompt: 夜の街, neon\nstpes: 20\nsize: 832*1216\nsampler: dpmpp2m\n"

REPORT = """\
anime could not use broken.yaml as it stands: 3 things to mend, each with line and column.
This file goes away by itself when that is done.

general/broken.yaml:3:1: a job has no field stpes
    stpes: 20
    ^
    hint: did you mean steps?

general/broken.yaml:4:7: size must be width x height in pixels, such as 832x1216, not 832*1216
    size: 832*1216
          ^
    hint: write it like this: 832x1216

general/broken.yaml:5:10: sampler dpmpp2m is not known
    sampler: dpmpp2m
             ^
    hint: did you mean dpmpp_2m?
"""


WAITS = """\
anime could not use roof.yaml yet: it waits for one thing, each with line and column.
This file goes away by itself when that arrives, or when you mend the name.

roof.yaml:2:14: there is no character 'akira' yet
"""


@pytest.fixture
def problems(tmp_path: Path) -> tuple[Problem, ...]:
    """What is wrong with general/broken.yaml, whose folder is there."""
    (tmp_path / "general").mkdir()
    return load(BROKEN.encode(), "general/broken.yaml").problems


def test_the_report_stands_beside_the_manifest_and_goes_away(
    tmp_path: Path, problems: tuple[Problem, ...]
) -> None:
    assert write_report(tmp_path, "general/broken.yaml", problems)
    report = tmp_path / "general" / "broken.error.txt"
    assert report.read_text(encoding="utf-8") == REPORT
    assert os.listdir(tmp_path / "general") == ["broken.error.txt"]
    assert clear_report(tmp_path, "general/broken.yaml")
    assert not report.exists()
    assert not clear_report(tmp_path, "general/broken.yaml")


def test_it_is_written_again_only_if_it_says_something_else(
    tmp_path: Path, problems: tuple[Problem, ...]
) -> None:
    write_report(tmp_path, "general/broken.yaml", problems)
    before = (tmp_path / "general" / "broken.error.txt").stat()
    write_report(tmp_path, "general/broken.yaml", problems)
    assert (tmp_path / "general" / "broken.error.txt").stat().st_ino == before.st_ino
    write_report(tmp_path, "general/broken.yaml", problems[:1])
    assert "one thing to mend" in (tmp_path / "general" / "broken.error.txt").read_text()


def test_what_a_job_waits_for_is_nothing_to_mend(
    tmp_path: Path, problems: tuple[Problem, ...]
) -> None:
    waits = Problem(
        file="roof.yaml", line=2, column=14, message="there is no character 'akira' yet"
    )
    assert write_report(tmp_path, "roof.yaml", (), [waits])
    assert (tmp_path / "roof.error.txt").read_text() == WAITS
    assert write_report(tmp_path, "roof.yaml", problems, [waits])
    both = (tmp_path / "roof.error.txt").read_text()
    assert "3 things to mend" in both
    assert both.endswith("there is no character 'akira' yet\n")
    assert clear_report(tmp_path, "roof.yaml")


def test_a_file_that_is_not_ours_stays(tmp_path: Path, problems: tuple[Problem, ...]) -> None:
    theirs = tmp_path / "general" / "broken.error.txt"
    theirs.write_text("my notes")
    assert not write_report(tmp_path, "general/broken.yaml", problems)
    assert not clear_report(tmp_path, "general/broken.yaml")
    assert theirs.read_text() == "my notes"
    theirs.unlink()
    theirs.symlink_to(tmp_path / "elsewhere")
    assert not write_report(tmp_path, "general/broken.yaml", problems)
    assert theirs.is_symlink()


def test_a_folder_that_is_gone_is_no_error(tmp_path: Path) -> None:
    problem = Problem(file="x/a.yaml", line=1, column=1, message="no")
    assert not write_report(tmp_path, "x/a.yaml", [problem])
    assert not clear_report(tmp_path, "x/a.yaml")


def test_names_of_reports() -> None:
    assert report_file("a/b.yaml") == "a/b.error.txt"
    assert report_file("b.v2.yml") == "b.v2.error.txt"


def test_files_that_differ_in_their_suffix_have_reports_of_their_own() -> None:
    names = ("styles.csv", "styles.json", "styles.yaml", "wildcards/sky.txt")
    assert [report_file(name) for name in names] == [
        "styles.csv.error.txt", "styles.json.error.txt", "styles.error.txt",
        "wildcards/sky.txt.error.txt",
    ]  # fmt: skip
