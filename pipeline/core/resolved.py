"""A job compiled into the exact inputs of the model, and what a picture was made with.

Owns the values only; `pipeline.core.resolve` compiles them.
"""

from msgspec import Struct

from pipeline.core.samplers import Sampler, Schedule


class Model(Struct, frozen=True, kw_only=True):
    """A diffusion model as the journal knows it; width and height are its own size in pixels."""

    name: str
    sha256: str
    width: int
    height: int


class Resolved(Struct, frozen=True, kw_only=True):
    """Everything the model call takes but the seed; its digest decides what is the same picture."""

    prompt: str
    negative: str
    width: int
    height: int
    steps: int
    guidance: float
    sampler: Sampler
    schedule: Schedule
    model: str
    """sha256 of the model."""


class Cell(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One picture that a take asks for: the model's inputs, their digest, and its seed.

    `label` says which of several it is (`smile · forest`), for people; it is not in the digest.
    """

    resolved: Resolved
    digest: str
    seed: int
    label: str = ""


class Made(Struct, frozen=True, kw_only=True):
    """Under which conditions a picture was drawn: what decides rounding, not content."""

    device: str
    dtype: str
    threads: int
    batch: int
    torch: str
    diffusers: str


class Task(Struct, frozen=True, kw_only=True):
    """One picture that is owed: what a worker is given.

    `file` is where it belongs, relative to the inbox; `replaces` is the sha256 of the journal's
    own picture that stands there and goes to `shelf`, if there is one.
    """

    job: str
    take: int
    index: int
    seed: int
    resolved: Resolved
    digest: str
    file: str
    replaces: str | None = None
    shelf: str | None = None

    @property
    def id(self) -> str:
        """What the task is called on the wire and on the page: `job@take.index`."""
        return f"{self.job}@{self.take}.{self.index}"
