"""What the runner orders the keeper, read by a thread of its own, also while the model loads.

Owns that thread, which ends the process with the runner. Never acts on an order.
"""

import os
import queue
import socket
import threading

from pipeline.wire import Message, unpack


def listen(runner: socket.socket) -> tuple["queue.SimpleQueue[Message]", socket.socket]:
    """Orders as they come, and a bell that has a byte to read for each."""
    orders: queue.SimpleQueue[Message] = queue.SimpleQueue()
    bell, ring = socket.socketpair()

    def hear() -> None:
        buffer = bytearray()
        while data := _read(runner):
            buffer += data
            for message in unpack(buffer):
                orders.put(message)
                ring.send(b"!")
        os._exit(0)  # The runner is gone.

    threading.Thread(target=hear, daemon=True).start()
    return orders, bell


def _read(runner: socket.socket) -> bytes:
    try:
        return runner.recv(65536)
    except OSError:
        return b""
