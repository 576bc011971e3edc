"""The page: what a browser sees of a run, over HTTP on this machine.

Owns its own fold of the journal, the snapshot and the stream made from it, the pictures by id,
and the page's files. Reads only: it never appends to the journal and never touches the inbox.
"""

from pipeline.server.server import CannotListen, Server

__all__ = ["CannotListen", "Server"]
