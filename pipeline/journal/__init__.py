"""The journal: the append-only log of everything that has happened, and the only truth.

Owns appending, making durable, replaying, verifying, mending and the lock that makes one runner the
only writer. Never knows what an event means: it is given a type and a JSON object, and gives
back the bytes.
"""

from pipeline.journal.errors import InboxHeld, JournalDamaged, JournalFailed, JournalFull
from pipeline.journal.files import REAL, Files, RealFiles
from pipeline.journal.line import Entry, Line
from pipeline.journal.mark import START, Mark
from pipeline.journal.reader import Tail, follow, has, replay
from pipeline.journal.repair import Damage, Repaired, Survey, damage_of, gone, repair
from pipeline.journal.segments import sealed_names
from pipeline.journal.writer import JOURNAL_NAME, Cut, Journal

__all__ = [
    "JOURNAL_NAME",
    "REAL",
    "START",
    "Cut",
    "Damage",
    "Entry",
    "Files",
    "InboxHeld",
    "Journal",
    "JournalDamaged",
    "JournalFailed",
    "JournalFull",
    "Line",
    "Mark",
    "RealFiles",
    "Repaired",
    "Survey",
    "Tail",
    "damage_of",
    "follow",
    "gone",
    "has",
    "repair",
    "replay",
    "sealed_names",
]
