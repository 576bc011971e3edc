"""The HTTP interface that the clients of an earlier system know, over this one's inbox.

A write drops a manifest and is answered once its event is on disk: the folder stays the truth.
"""

from pipeline.server.earlier.clerk import PATIENCE
from pipeline.server.earlier.routes import Earlier

__all__ = ["PATIENCE", "Earlier"]
