"""The frames between the runner and its render processes: a length, then msgpack.

Owns the messages and their framing; torch-free, so that both sides may import it. Each frame is a
4-byte big-endian length of at most `LARGEST` bytes, then a tagged union as msgpack.
"""

import socket
import struct
from typing import Literal

import msgspec
from msgspec import Struct

from pipeline.core.resolved import Made, Task

LARGEST = 64 * 1024 * 1024
_LENGTH = struct.Struct(">I")


class Frame(Struct, frozen=True, kw_only=True, tag=True):
    """What all frames share."""


class Hello(Frame, frozen=True):
    """First word on every connection: who speaks (`keeper`, or a worker's name)."""

    name: str
    pid: int


class Spawned(Frame, frozen=True):
    """Keeper: a worker process was started."""

    worker: str
    pid: int


class Died(Frame, frozen=True):
    """Keeper: a worker process ended; `exitcode` is negative for a signal."""

    worker: str
    pid: int
    exitcode: int


class Space(Frame, frozen=True):
    """Keeper: bytes of memory that are free for weights, each of which takes `each` bytes."""

    free: int
    each: int


class CannotHold(Frame, frozen=True):
    """Keeper: this model of several, by its sha256, cannot be had, and is held no longer."""

    model: str
    error: str
    hint: str = ""


class CannotLoad(Frame, frozen=True):
    """Keeper: the model cannot be had; it ends after this."""

    error: str
    hint: str = ""


class Warm(Frame, frozen=True):
    """Worker: it has these models, and a warm-up done with each: ready for a task. Its first word
    of that is that it has none."""

    models: tuple[str, ...] = ()


class Render(Frame, frozen=True):
    """Runner to worker: draw this. `root` is the inbox, an absolute path. What is to be drawn
    `alone` is drawn with no other at once."""

    task: Task
    root: str
    alone: bool = False


class Cancel(Frame, frozen=True):
    """Runner to worker: stop this task between steps, if it still has it."""

    task: str


class Waits(Frame, frozen=True):
    """Worker: it has not forgotten this task, but others denoise now; said again and again."""

    task: str


class Begin(Frame, frozen=True):
    """Worker: the first UNet call begins; `at` is CLOCK_MONOTONIC in seconds, `encoding` the
    seconds that the text encoder took before it."""

    task: str
    at: float
    encoding: float = 0.0


class Step(Frame, frozen=True):
    """Worker: step `step` of `steps` is done; now and then with a JPEG of what emerges."""

    task: str
    step: int
    steps: int
    preview: bytes | None = None


class Done(Frame, frozen=True):
    """Worker: the picture is complete under `file`, relative to the root."""

    task: str
    file: str
    sha256: str
    seconds: float
    shelved: bool
    made: Made


class Fault(Frame, frozen=True):
    """Worker: the task failed; the worker goes on, unless it `ends` after this."""

    task: str
    kind: Literal["error", "out_of_memory", "disk_full"]
    error: str
    ends: bool = False


class Halted(Frame, frozen=True):
    """Worker: the task was stopped as asked."""

    task: str


class Recycle(Frame, frozen=True):
    """Runner to keeper: kill this worker and start another in its place, unless one is there."""

    worker: str
    pid: int


class Hold(Frame, frozen=True):
    """Runner to keeper: have all workers hold these models, by their sha256, and no others."""

    models: tuple[str, ...]


class End(Frame, frozen=True):
    """Runner to keeper or worker: end now, in order."""


Message = (
    Hello | Spawned | Died | Space | CannotHold | CannotLoad | Warm | Render | Cancel | Waits
    | Begin | Step | Done | Fault | Halted | Recycle | Hold | End
)  # fmt: skip

_decoder: msgspec.msgpack.Decoder[Message] = msgspec.msgpack.Decoder(Message)
_encoder = msgspec.msgpack.Encoder()


def pack(message: Message) -> bytes:
    """One frame, length included."""
    body = _encoder.encode(message)
    return _LENGTH.pack(len(body)) + body


def unpack(buffer: bytearray) -> list[Message]:
    """All whole frames at the head of the buffer, which are taken out of it.

    Raises:
        ValueError: a frame says it is longer than `LARGEST`, or is not one of ours.
    """
    messages = []
    while len(buffer) >= _LENGTH.size:
        (length,) = _LENGTH.unpack_from(buffer)
        if length > LARGEST:
            raise ValueError(f"a frame of {length} bytes; the largest is {LARGEST}")
        if len(buffer) < _LENGTH.size + length:
            break
        messages.append(_decoder.decode(bytes(buffer[_LENGTH.size : _LENGTH.size + length])))
        del buffer[: _LENGTH.size + length]
    return messages


def send(connection: socket.socket, message: Message) -> None:
    """Write one frame; blocks until the kernel took all of it."""
    connection.sendall(pack(message))
