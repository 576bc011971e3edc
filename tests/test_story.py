"""The README's small production holds: every block of it is run, in order, as a reader would.

A block of YAML that begins with `# path` is that file. A block of sh is run in the inbox; a command
may say with what it exits (`# exits with 5`). A block of text is what the commands before it
printed, where `…` stands for anything.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"
SECTION = "## A small production"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
EXITS = re.compile(r"# exits with (\d+)")

pytestmark = pytest.mark.process


def blocks() -> list[tuple[str, str]]:
    text = README.read_text(encoding="utf-8")
    section = text[text.index(f"{SECTION}\n") :]
    return BLOCK.findall(section[: section.index("\n## ", 1)])


def run(line: str, folder: Path, home: Path) -> str:
    """What a line of the shell printed; it has to exit as it says."""
    program = f'{sys.executable} -P -m pipeline "$@"'
    done = subprocess.run(
        ["bash", "-c", f"anime() {{ {program}; }}; {line}"],
        cwd=folder,
        env={
            "PATH": os.environ["PATH"], "HOME": str(home), "LC_ALL": "C.UTF-8",
            "PYTHONPATH": str(README.parent), "ANIME_PORT": "0",
        },
        text=True,
        capture_output=True,
        timeout=300,
        check=False,
    )  # fmt: skip
    said = EXITS.search(line)
    assert done.returncode == (int(said[1]) if said else 0), f"{line}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def flat(line: str) -> str:
    """A line whatever its columns are wide."""
    return " ".join(line.split())


def matches(shown: str, printed: str) -> bool:
    """Whether the lines shown were printed, in that order; others may stand between."""
    wanted = [re.escape(flat(line)).replace("…", ".*") for line in shown.splitlines() if line]
    lines = iter(flat(line) for line in printed.splitlines())
    return all(any(re.fullmatch(pattern, line) for line in lines) for pattern in wanted)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_block_of_the_story_is_true(tmp_path: Path) -> None:
    folder, printed = tmp_path, ""
    assert len(blocks()) > 8
    for kind, text in blocks():
        match kind:
            case "yaml":
                name, _, rest = text.partition("\n")
                path = folder / name.removeprefix("# ").strip()
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(rest, encoding="utf-8")
            case "sh":
                printed = ""
                for line in text.splitlines():
                    if line.startswith("cd "):
                        folder /= line.removeprefix("cd ").split()[0]
                    elif line:
                        printed += run(line, folder, tmp_path)
            case "text":
                assert matches(text, printed), f"{text}\nis not what was printed:\n{printed}"
            case _:
                pytest.fail(f"a block of {kind} in the story")
