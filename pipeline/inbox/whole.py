"""Whether the inbox may be believed at this moment: all of it is there, and git is done with it.

Owns what absence means. A file that is gone from a whole inbox was removed; from an inbox that is
unmounted, moved away or replaced, nothing follows.
"""

from pathlib import Path

GIT_PATIENCE = 10.0
"""Seconds for which git's lock is believed; one that is older was left behind."""


def why_lost(root: Path) -> str | None:
    """Why nothing that is absent from `root` may count as removed, or None."""
    try:
        if not root.parent.is_dir():
            return f"the folder above the inbox is gone: {root.parent}"
        if not root.is_dir():
            return f"the inbox is gone: {root}"
        if not (root / ".pipeline").is_dir():
            return f"this is not the inbox, or not all of it: {root} has no folder .pipeline"
        next(root.iterdir(), None)
    except OSError as error:
        return f"the inbox cannot be read: {root}: {error.strerror or error}"
    return None


def identity(root: Path) -> tuple[int, int] | None:
    """Which folder stands at `root`, or None if there is none."""
    try:
        seen = root.stat()
    except OSError:
        return None
    return seen.st_dev, seen.st_ino


def git_locks(root: Path) -> tuple[Path, ...]:
    """The lock files of the repositories that `root` stands in, there or not."""
    return tuple(
        folder / "index.lock"
        for above in (root, *root.parents)
        if (folder := _git_folder(above / ".git")) is not None
    )


def _git_folder(dot_git: Path) -> Path | None:
    """A `.git` is a folder, or in a worktree or submodule a file that says where the folder is."""
    try:
        if dot_git.is_dir():
            return dot_git
        if dot_git.is_file():
            with dot_git.open(encoding="utf-8") as file:
                word, _, place = file.readline(4096).strip().partition(": ")
            return dot_git.parent / place if word == "gitdir" and place else None
    except (OSError, ValueError):
        return None
    return None
