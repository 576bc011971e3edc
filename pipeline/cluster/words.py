"""What head and nodes say to each other, as bytes: orders go out, words come back.

Owns the messages and their form, msgpack of tagged unions; no Ray, no torch. A worker is called by
its name on its node, and a picture in work by the number of the order to draw it: a number is given
once in a run, so that an answer to an order that nobody remembers means nothing.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

from pipeline.core.resolved import Made, Task
from pipeline.modelfiles import ModelFiles
from pipeline.pool.manner import Manner


class Setup(Struct, frozen=True, kw_only=True):
    """What a station is told when it is opened: its `name`, the models of the run with their places
    on the head, the usual one first, and how it is to draw, as `pipeline.pool.WorkerPool` has it.

    `weights` and `most` are those of `pipeline.room.Room`, and `package` is where the head has this
    program, with the model that comes with it. A node of another `version` draws nothing.
    """

    version: str
    models: tuple[ModelFiles, ...]
    held: tuple[str, ...]
    workers: int
    device: str
    threads: int
    manner: Manner
    package: Path
    weights: dict[str, int] = {}
    most: int = 0
    name: str = ""


class Weights(Struct, frozen=True, kw_only=True):
    """A file (of an image encoder, the folder) that a node must have itself. `path` is where the
    head has it; `file` is its place in the inbox, if it stands there."""

    what: Literal["LoRA", "ControlNet", "IP-Adapter", "image encoder"]
    path: Path
    sha256: str
    file: str = ""

    @property
    def called(self) -> str:
        """What people know it by."""
        return f"{self.what} {self.file or self.path.name}"


class Lack(Struct, frozen=True, kw_only=True):
    """What a node does not have: by what it is called, and by its sha256. `why` says what is there
    instead, and where was looked."""

    called: str
    sha256: str
    why: str


class Sent(Struct, frozen=True, kw_only=True):
    """A picture that another is drawn from, whole; whoever draws compares its sha256."""

    file: str
    data: bytes


class Frame(Struct, frozen=True, kw_only=True, tag=True):
    """What all orders and words share."""


class Draw(Frame, frozen=True):
    """Draw this with that worker."""

    number: int
    worker: str
    task: Task
    weights: tuple[Weights, ...] = ()
    pictures: tuple[Sent, ...] = ()


class Cancel(Frame, frozen=True):
    """Stop that between steps."""

    number: int


class Hold(Frame, frozen=True):
    """Hold those of these models that you have, and no others; `turn` counts these orders."""

    turn: int
    models: tuple[str, ...]


class Rest(Frame, frozen=True):
    """End the processes that hold the models, until `Rouse`."""


class Rouse(Frame, frozen=True):
    """Start them again."""


class End(Frame, frozen=True):
    """End: pictures stop after their current step, or after so many seconds."""

    grace: float


Order = Draw | Cancel | Hold | Rest | Rouse | End


class Opening(Frame, frozen=True):
    """A station is to be there soon. Said of it, by whoever opens it."""


class Opened(Frame, frozen=True):
    """The station has looked which of the models there are; it draws with those."""

    models: tuple[str, ...]
    lacks: tuple[Lack, ...] = ()


Phase = Literal["starting", "switching", "idle", "rendering", "unloaded"]


class OnePhase(Struct, frozen=True, kw_only=True):
    """What one worker does, for whoever knows what it draws."""

    name: str
    pid: int | None
    phase: Phase


class Lives(Frame, frozen=True):
    """The workers as they are now. `turn` is that of the last `Hold` that was heard; `free` and
    `each` are those of `pipeline.room.Room`."""

    workers: tuple[OnePhase, ...]
    keeper: int | None
    turn: int
    free: int
    each: int


class Warmed(Frame, frozen=True):
    """A worker has finished its warm-up step."""

    worker: str
    pid: int


class Begun(Frame, frozen=True):
    """The first UNet call begins, `encoding` seconds after the text encoder."""

    number: int
    encoding: float


class Ticked(Frame, frozen=True):
    """A step is done; now and then with a JPEG of what emerges."""

    number: int
    step: int
    steps: int
    preview: bytes | None = None


class Drawn(Frame, frozen=True):
    """The picture, whole, with the sha256 that its worker has taken of it."""

    number: int
    data: bytes
    sha256: str
    seconds: float
    made: Made


class Failing(Frame, frozen=True):
    """It cannot be drawn, as `pipeline.core.observed.Failed`."""

    number: int
    kind: Literal["error", "out_of_memory", "disk_full"]
    error: str


class Halted(Frame, frozen=True):
    """Stopped as asked."""

    number: int


class Returned(Frame, frozen=True):
    """It was not begun, for want of weights, or because its worker was not there any more."""

    number: int
    lacks: tuple[Lack, ...] = ()


class Dead(Frame, frozen=True):
    """A worker died, as `pipeline.core.observed.Lost`; `number` is what it was drawing."""

    worker: str
    pid: int
    cause: Literal["crash", "exit", "deadline", "out_of_memory", "killed", "keeper", "node"]
    detail: str
    blamed: bool
    number: int | None = None


class Unfit(Frame, frozen=True):
    """A model cannot be loaded there."""

    lack: Lack


class Broke(Frame, frozen=True):
    """Nothing can be drawn there, as things are."""

    error: str
    hint: str = ""


class Ended(Frame, frozen=True):
    """The last word, after an `End`."""


Word = (
    Opening | Opened | Lives | Warmed | Begun | Ticked | Drawn | Failing | Halted | Returned | Dead
    | Unfit | Broke | Ended
)  # fmt: skip


def _text(value: Any) -> str:
    return str(value)


def _typed(type_: type, value: Any) -> Any:
    return type_(value)


_encoder = msgspec.msgpack.Encoder(enc_hook=_text)
_orders: msgspec.msgpack.Decoder[Order] = msgspec.msgpack.Decoder(Order, dec_hook=_typed)
_words: msgspec.msgpack.Decoder[list[Word]] = msgspec.msgpack.Decoder(list[Word])
_setups = msgspec.msgpack.Decoder(Setup, dec_hook=_typed)


def pack(said: Setup | Order | Sequence[Word]) -> bytes:
    """A setup, an order, or words in their order, as bytes."""
    return _encoder.encode(said)


def setup_of(data: bytes) -> Setup:
    """Raises msgspec.MsgspecError for what is none."""
    return _setups.decode(data)


def order_of(data: bytes) -> Order:
    """Raises msgspec.MsgspecError for what is none."""
    return _orders.decode(data)


def words_of(data: bytes) -> list[Word]:
    """Raises msgspec.MsgspecError for what are none."""
    return _words.decode(data)
