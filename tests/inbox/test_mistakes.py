"""Every mistake of the table (`tests/data/mistakes.txt`) is said as it stands there, and no other.

`anime check` and the runner say it in the same words, since both have it from here.
"""

from pathlib import Path

import pytest

from pipeline.commands.checking import check_folder
from pipeline.inbox.load import load
from tests.inbox.mistakes import Mistake, mistakes, told

TABLE = list(mistakes())
ALONE = [each for each in TABLE if not each.title.startswith("production:")]
TOGETHER = [each for each in TABLE if each.title.startswith("production:")]


@pytest.mark.parametrize("mistake", ALONE, ids=lambda each: each.title)
def test_a_bad_manifest_gives_these_problems_and_no_others(mistake: Mistake) -> None:
    problems = load(mistake.files["a.yaml"], "a.yaml").problems
    assert told(problems, with_file=False) == mistake.said
    assert problems


@pytest.mark.parametrize("mistake", TOGETHER, ids=lambda each: each.title)
def test_what_shows_only_when_manifests_meet(mistake: Mistake, tmp_path: Path) -> None:
    for name, text in mistake.files.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text)
    assert told(check_folder(tmp_path).problems, with_file=True) == mistake.said
    assert mistake.said


def test_every_problem_has_a_way_out() -> None:
    for mistake in ALONE:
        for problem in load(mistake.files["a.yaml"], "a.yaml").problems:
            assert problem.hint, f"{mistake.title}: {problem.message}"


def test_there_are_at_least_a_hundred_kinds_of_mistake() -> None:
    assert len({each.title for each in TABLE}) == len(TABLE) >= 100
