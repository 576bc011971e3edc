"""The safeguards that the mutants take out still stand where the mutants look for them."""

from pathlib import Path

import pytest

from tests.mutants import CLONE, MUTANTS, Mutant, is_caught


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_it_stands_once_and_its_tests_are_there(mutant: Mutant) -> None:
    assert (CLONE / mutant.file).read_text().count(mutant.old) == 1
    assert all((CLONE / test).is_file() for test in mutant.tests)
    assert mutant.new != mutant.old


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_without_it_a_test_fails(mutant: Mutant) -> None:
    assert is_caught(mutant)


def test_a_program_with_nothing_taken_out_passes_the_same_tests(tmp_path: Path) -> None:
    """So that "caught" means the safeguard, and not a test that fails in a copy anyway."""
    none = Mutant(
        name="nothing", file="pipeline/journal/line.py", old="_ENDING: Final = ",
        new="_ENDING : Final = ",
        tests=("tests/journal/test_line.py", "tests/render/test_birth.py"),
    )  # fmt: skip
    assert not is_caught(none)
