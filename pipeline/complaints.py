"""The `<name>.error.txt` beside a manifest: what is wrong with it, or what it waits for.

Owns keeping those files true to the state. Never decides; `anime check` asks the same `waiting`.
"""

import logging
from collections.abc import Iterable
from pathlib import Path

from pipeline.core.keys import job_key
from pipeline.core.manifest import Job
from pipeline.core.problem import Problem
from pipeline.core.state import State
from pipeline.core.status import waits_for
from pipeline.inbox.load import Loaded, load
from pipeline.inbox.report import clear_report, write_report

log = logging.getLogger(__name__)


def waiting(state: State, loaded: Loaded) -> list[Problem]:
    """What the jobs of a file refer to that is not there, each at its place in the file."""
    found = []
    for document in loaded.documents:
        if not isinstance(document.manifest, Job):
            continue
        key = job_key(loaded.file, document.manifest.name, several=loaded.several)
        job = state.jobs.get(key)
        waits = waits_for(state, job) if job is not None and not job.withdrawn else None
        for missing in waits.missing if waits else ():
            found.append(
                loaded.problem(
                    document, missing.field or (), str(missing),
                    hint="the job waits until it arrives, or until you mend the name",
                )
            )  # fmt: skip
    return found


class Complaints:
    """Writes and clears the error files of one inbox."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def refresh(self, state: State, files: Iterable[str]) -> None:
        """Make the error files of these manifests say what is true now."""
        for file in sorted(files):
            problems = state.rejected.get(file, ())
            waits = self._waiting(state, file)
            try:
                if problems or waits:
                    write_report(self._root, file, problems, waits)
                else:
                    clear_report(self._root, file)
            except OSError as error:
                log.warning("%s: its error file cannot be kept: %s", file, error.strerror)

    def _waiting(self, state: State, file: str) -> list[Problem]:
        declared = state.files.get(file, ())
        names = [n.removeprefix("job ") for n in declared if n.startswith("job ")]
        if not any(waits_for(state, state.jobs[name]) for name in names):
            return []
        try:
            text = (self._root / file).read_bytes()
        except OSError:
            return []
        return waiting(state, load(text, file))
