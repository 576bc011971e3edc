"""What is recorded and who may go on with it: the journal, who holds it, and the page's port.

Owns these checks. Takes no lock, and lets go of the port at once.
"""

import socket
from collections.abc import Iterator
from pathlib import Path

from pipeline.commands.mending import verify
from pipeline.commands.standing import holder
from pipeline.doctor.finding import Finding, bad, good, poor
from pipeline.history import PRIVATE
from pipeline.journal import JournalFailed
from pipeline.settings import Settings
from pipeline.telling import counted


def record(root: Path, settings: Settings) -> Iterator[Finding]:
    """The journal and the port; a runner that is there has both."""
    held = holder(root / PRIVATE)
    yield from _journal(root)
    if held is not None:
        yield good("runner", f"pid {held.pid} on {held.host} runs this inbox since {held.started}")
        return
    yield good("runner", "none")
    yield _port(settings)


def _journal(root: Path) -> Iterator[Finding]:
    try:
        found = verify(root)
    except JournalFailed as error:
        yield bad("journal", error.message, error.hint or "")
        return
    if found.trouble is not None:
        yield bad("journal", found.trouble.message, found.trouble.hint or "")
        return
    yield good("journal", f"{counted(found.lines, 'line')}, every one as it was written")
    if found.torn is not None:
        said = f"its last {found.torn_bytes} bytes are torn; nobody was told of them"
        yield poor("journal", said, "nothing to do: the next run sets them aside")


def _port(settings: Settings) -> Finding:
    if settings.port == 0:
        return good("port", "any that is free")
    try:
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind((settings.host, settings.port))
    except OSError as error:
        place = f"{settings.host}:{settings.port}"
        said = f"{place} cannot be had: {error.strerror or error}"
        return bad("port", said, "another one: anime run --port 0 takes any that is free")
    return good("port", f"{settings.host}:{settings.port} is free")
