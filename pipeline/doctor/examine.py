"""All checks, one after the other. Owns their order: what stops a run the soonest comes first."""

from collections.abc import Iterator

from pipeline.doctor.engine import engine
from pipeline.doctor.finding import Finding, bad
from pipeline.doctor.folder import folder
from pipeline.doctor.record import record
from pipeline.history import NoInbox, inbox_at
from pipeline.settings import Settings


def examine(settings: Settings) -> Iterator[Finding]:
    """What is found, as it is found; the last checks take some seconds."""
    try:
        root = inbox_at(settings.inbox).resolve()
    except NoInbox as error:
        yield bad("inbox", error.message, error.hint or "")
    else:
        yield from folder(root)
        yield from record(root, settings)
    yield from engine(settings)
