"""The error file beside a manifest: what is wrong with it or what it waits for, for a person who
looks at the folder.

Owns files named `<stem>.error.txt`, or `styles.csv.error.txt`, that begin with its own first line,
and touches no other. Never decides what is wrong.
"""

import logging
import os
import stat
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from pipeline.core.keys import MANIFEST_SUFFIXES, REPORT_SUFFIX
from pipeline.core.problem import Problem, render

logger = logging.getLogger(__name__)

_OURS = "anime could not use "
"""How the first line begins; a file that begins otherwise is somebody else's."""


def report_file(file: str) -> str:
    """Where the errors of a manifest are told: `general/broken.error.txt` for broken.yaml.

    `styles.csv`, `styles.json` and `styles.yaml` may stand side by side, so that all but YAML keeps
    its suffix: `styles.csv.error.txt`.
    """
    path = PurePosixPath(file)
    stem = path.with_suffix("") if path.suffix.lower() in MANIFEST_SUFFIXES else path
    return f"{stem}{REPORT_SUFFIX}"


def report_text(file: str, problems: Sequence[Problem], waits: Sequence[Problem] = ()) -> str:
    """What the error file says; `waits` are what jobs of the manifest wait for."""
    name = PurePosixPath(file).name
    if problems:
        head = (
            f"{_OURS}{name} as it stands: {_things(problems)} to mend, each with line and column.\n"
            "This file goes away by itself when that is done.\n"
        )
    else:
        head = (
            f"{_OURS}{name} yet: it waits for {_things(waits)}, each with line and column.\n"
            "This file goes away by itself when that arrives, or when you mend the name.\n"
        )
    return head + "".join(f"\n{render(problem)}\n" for problem in (*problems, *waits))


def _things(problems: Sequence[Problem]) -> str:
    return "one thing" if len(problems) == 1 else f"{len(problems)} things"


def write_report(
    root: Path, file: str, problems: Sequence[Problem], waits: Sequence[Problem] = ()
) -> bool:
    """Puts the problems, and what is waited for, beside the manifest; whether they stand there now.

    Written at once or not at all, and only if the text differs. A file of that name that is not
    ours stays as it is, and so does everything where the folder cannot be written: both are logged.
    """
    path = root / report_file(file)
    text = report_text(file, problems, waits).encode("utf-8", "backslashreplace")
    temporary = path.with_name(f".anime-{os.getpid()}-0.part")
    try:
        current = _ours(path)
        if current == text:
            return True
        temporary.unlink(missing_ok=True)
        temporary.write_bytes(text)
        temporary.replace(path)
    except FileExistsError:
        logger.warning("%s is not ours, so the errors of %s are not written there", path, file)
        return False
    except OSError as error:
        temporary.unlink(missing_ok=True)
        logger.warning("the errors of %s cannot be written to %s: %s", file, path, error)
        return False
    return True


def clear_report(root: Path, file: str) -> bool:
    """Takes the error file of a manifest away if it is ours; whether there was one."""
    path = root / report_file(file)
    try:
        if _ours(path) is None:
            return False
        path.unlink()
    except FileExistsError:
        return False
    except OSError as error:
        logger.warning("%s cannot be removed: %s", path, error)
        return False
    return True


def _ours(path: Path) -> bytes | None:
    """The bytes of our file, None if there is none; raises FileExistsError if it is not ours."""
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            raise FileExistsError(path)
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    if not data.startswith(_OURS.encode()):
        raise FileExistsError(path)
    return data
