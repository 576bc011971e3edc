"""Which build of torch `make` takes."""

import subprocess
from pathlib import Path

import pytest

CLONE = Path(__file__).parents[1]
INDEX = "--index-url https://download.pytorch.org/whl/"


def steps(venv: Path, *said: str) -> list[str]:
    """What `make venv` would do to torch."""
    done = subprocess.run(
        ["make", "--dry-run", "venv", f"VENV={venv}", *said],
        cwd=CLONE, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [line for line in done.stdout.splitlines() if "torch==" in line]


@pytest.mark.parametrize(
    ("said", "index"),
    [
        ((), None),
        (("TORCH=cuda",), None),
        (("TORCH=cpu",), f"{INDEX}cpu"),
        (("TORCH=rocm7.1",), f"{INDEX}rocm7.1"),
    ],
)
def test_a_build_comes_from_its_index(
    tmp_path: Path, said: tuple[str, ...], index: str | None
) -> None:
    (step,) = steps(tmp_path, *said)
    assert index in step if index else INDEX not in step


def test_the_build_that_is_there_stays_until_another_is_asked_for(tmp_path: Path) -> None:
    (torch,) = steps(tmp_path)
    version = torch.split("torch==")[1]
    (tmp_path / f"packages-with-torch-{version}-cpu").touch()
    assert steps(tmp_path) == []
    assert steps(tmp_path, "TORCH=cpu") == []
    assert len(steps(tmp_path, "TORCH=cuda")) == 1
