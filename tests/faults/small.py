"""`python -m tests.faults.small INBOX`: one run to its end with everything real but the model.

The runner, the watched folder, the journal, the files and their flushes are the program's own; a
pool in the same process puts coloured squares in place as the workers do. So a run takes a fraction
of a second, and each of its system calls can be made to fail, one run a call.
"""

import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from pipeline.audience import Audiences
from pipeline.core import events as e
from pipeline.errors import AnimeError
from pipeline.history import PRIVATE, restore
from pipeline.inbox.watch import Inbox
from pipeline.journal import Journal
from pipeline.pictures import sweep
from pipeline.runner import Runner
from pipeline.settled import Resumed
from tests.fakes import FakePool
from tests.running import MODEL


def main() -> int:
    """Run; the exit code is that of the command line."""
    root = Path(sys.argv[1]).resolve()
    try:
        with Journal.open(root / PRIVATE, clock=lambda: datetime.now(UTC)) as journal:
            return _run(root, journal)
    except AnimeError as error:
        print(f"error: {error.message}", file=sys.stderr)
        return error.exit_code


def _run(root: Path, journal: Journal) -> int:
    state = restore(root)
    sweep(root)
    inbox = Inbox(root, polling=True)
    inbox.start()
    opening: list[e.Event] = [
        e.RunnerStarted(version="0", model=MODEL, workers=3, device="cpu", pid=os.getpid())
    ]
    if state.paused_by == "disk":
        opening.append(e.QueueResumed())
    pool = FakePool(root, wake=inbox.wake)
    runner = Runner(
        root=root, inbox=inbox, journal=journal, pool=pool,
        resumed=Resumed.anew(state),
        audience=Audiences(()), opening=opening, once=True,
    )  # fmt: skip
    try:
        return runner.run()
    finally:
        inbox.stop()


if __name__ == "__main__":
    sys.exit(main())
