"""Every link of the READMEs leads somewhere, and each README is to be found from the first one."""

import os
import re
import subprocess
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

CLONE = Path(__file__).parents[1]
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`[^`\n]*`")
HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
LINK = re.compile(r"\]\(([^()\s]+)\)|\b(?:src|srcset|href)=\"([^\"\s]+)\"")
ELSEWHERE = re.compile(r"[a-z]+:")


@cache
def tracked() -> frozenset[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=CLONE, capture_output=True, check=True,
    )  # fmt: skip
    names = (os.fsdecode(name) for name in listed.stdout.split(b"\0") if name)
    return frozenset(CLONE / name for name in names)


def readmes() -> list[Path]:
    return sorted(file for file in tracked() if file.suffix == ".md" and file.exists())


def prose(file: Path) -> str:
    """Without blocks of code, where `[` and `#` mean something else."""
    return FENCE.sub("", file.read_text(encoding="utf-8"))


def anchors(file: Path) -> set[str]:
    """As GitHub makes them of headings: html-pipeline's TableOfContentsFilter."""
    seen: Counter[str] = Counter()
    found = set()
    for heading in HEADING.findall(prose(file)):
        name = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        found.add(f"{name}-{seen[name]}" if seen[name] else name)
        seen[name] += 1
    return found


def links(file: Path) -> list[tuple[str, Path, str]]:
    """Each link into the clone as it is written, the file or folder it means, and its anchor."""
    found = []
    for match in LINK.finditer(CODE.sub("", prose(file))):
        link = match[1] or match[2]
        if not ELSEWHERE.match(link):
            name, _, anchor = link.partition("#")
            target = Path(os.path.normpath(file.parent / name)) if name else file
            found.append((link, target, anchor))
    return found


def dead(file: Path) -> list[str]:
    """Its links that lead nowhere for whoever has a fresh clone."""
    return [
        link
        for link, target, anchor in links(file)
        if not (target in tracked() or any(target in each.parents for each in tracked()))
        or not target.exists()
        or (anchor and anchor not in anchors(target))
    ]


@pytest.mark.parametrize("file", readmes(), ids=lambda file: str(file.relative_to(CLONE)))
def test_every_link_leads_somewhere(file: Path) -> None:
    assert dead(file) == []


def test_a_link_that_leads_nowhere_is_found(tmp_path: Path) -> None:
    file = tmp_path / "README.md"
    file.write_text(
        "# One `two`, three\n## Same\n## Same\n[a](#one-two-three) [b](#same-1) [c](#same-2)\n"
        '[`d`](gone.md) <img src="gone.png"> [e](https://example.com) `[f](code)`\n'
        "```sh\n# not a heading\n[g](code)\n```\n[h](#not-a-heading)\n"
    )
    assert anchors(file) == {"one-two-three", "same", "same-1"}
    written = [link for link, _, _ in links(file)]
    assert written == [
        "#one-two-three", "#same-1", "#same-2", "gone.md", "gone.png", "#not-a-heading",
    ]  # fmt: skip


def test_each_is_linked_from_the_first_one() -> None:
    first = CLONE / "README.md"
    assert set(readmes()) - {target for _, target, _ in links(first)} <= {first}
