"""An event as a line for a person: the same words in the log and on the terminal.

Owns the wording and that nothing in it can steer a terminal. Never prints.
"""

import unicodedata
from datetime import datetime
from typing import Literal, assert_never

from msgspec import Struct
from msgspec.structs import replace

from pipeline.core import events as e
from pipeline.core.problem import Problem, render
from pipeline.history import event_of
from pipeline.journal import Line

Tone = Literal["good", "bad", "plain", "quiet"]
VERB_WIDTH = 12
"""Columns that the verb takes, so that subjects stand below one another."""


class Told(Struct, frozen=True, kw_only=True):
    """One event: what happened, to what, and more about it; `below` are lines that explain it.

    All text is clean. A quiet one belongs in the log, and would only be in the way live.
    """

    verb: str
    subject: str
    more: tuple[str, ...] = ()
    below: tuple[str, ...] = ()
    tone: Tone = "plain"

    def __str__(self) -> str:
        """The line, without what stands below."""
        return "  ".join([f"{self.verb:<{VERB_WIDTH - 2}}", self.subject, *self.more])


def logged(line: Line) -> str:
    """A line of the journal as text: the local time, what happened, and lines that explain it.

    Raises:
        UnknownEvent: this version does not know the event.
    """
    one = told(event_of(line))
    below = "".join(f"\n{'':{21 + VERB_WIDTH}}{text}" for text in one.below)
    return f"{local(line.at)}  {one}{below}"


def local(at: str) -> str:
    """A moment as a line says it, in local time to the second."""
    return f"{datetime.fromisoformat(at).astimezone():%Y-%m-%d %H:%M:%S}"


def job_of(event: e.Event) -> str | None:
    """The key of the job that the event is about."""
    if isinstance(event, e.JobSubmitted | e.JobWithdrawn):
        return event.key
    job: str | None = getattr(event, "job", None)
    return job


def told(event: e.Event) -> Told:
    """The event in words."""
    match event:
        case (
            e.RunnerStarted()
            | e.ModelSwitched()
            | e.ModelFailed()
            | e.QueuePaused()
            | e.QueueResumed()
            | e.CommandAnswered()
        ):
            return _of_program(event)
        case (
            e.ProjectDeclared()
            | e.ProjectWithdrawn()
            | e.CharacterDeclared()
            | e.CharacterWithdrawn()
            | e.JobSubmitted()
            | e.JobWithdrawn()
        ):
            kind, past = _DECLARING[type(event)]
            return _told(past, f"{kind} {event.key}", event.file, tone="quiet")
        case (
            e.StylesDeclared()
            | e.StylesWithdrawn()
            | e.WildcardDeclared()
            | e.WildcardWithdrawn()
            | e.AdapterDeclared()
            | e.AdapterWithdrawn()
            | e.PictureDeclared()
            | e.PictureWithdrawn()
        ):
            return _supplied(event)
        case e.ManifestRejected():
            below = tuple(line for problem in event.problems for line in lines(problem))
            count = counted(len(event.problems), "problem")
            return _told("rejected", event.file, count, below=below, tone="bad")
        case e.ManifestMended():
            return _told("mended", event.file, tone="good")
        case _:
            return _of_job(event)


_OfProgram = (
    e.RunnerStarted
    | e.ModelSwitched
    | e.ModelFailed
    | e.QueuePaused
    | e.QueueResumed
    | e.CommandAnswered
)


def _of_program(event: _OfProgram) -> Told:
    match event:
        case e.RunnerStarted():
            size = f"{event.model.width}x{event.model.height}"
            count = counted(event.workers, "worker")
            return _told(
                "started", f"anime {event.version}", f"model {event.model.name} ({size})",
                f"{count} on {event.device}", f"pid {event.pid}", tone="quiet",
            )  # fmt: skip
        case e.QueuePaused():
            unloads = ("the model is unloaded",) if event.unload else ()
            return _told("paused", "the queue", event.reason, *unloads)
        case e.QueueResumed():
            return _told("resumed", "the queue")
        case e.ModelSwitched(name=name, left=left, seconds=seconds):
            gone = (f"instead of {', '.join(left)}",) if left else ()
            return _told("switched", f"model {name}", *gone, f"{seconds:.1f} s")
        case e.ModelFailed(name=name, error=error):
            return _told("failed", f"model {name}", f"its jobs wait: {error}", tone="bad")
        case e.CommandAnswered(refused=True):
            more = [event.hint] if event.hint else []
            return _told("refused", event.answer, *more, tone="bad")
        case e.CommandAnswered():
            return _told("answered", event.answer, tone="quiet")
        case _:
            assert_never(event)


def _supplied(event: e.Supply) -> Told:
    """What manifests may name has come, changed or gone."""
    match event:
        case e.StylesDeclared():
            return _told("declared", counted(len(event.styles), "style"), event.file, tone="quiet")
        case e.WildcardDeclared():
            count = counted(len(event.lines), "line")
            return _told("declared", f"wildcard of {count}", event.file, tone="quiet")
        case e.StylesWithdrawn():
            return _told("withdrawn", "styles", event.file, tone="quiet")
        case e.WildcardWithdrawn():
            return _told("withdrawn", "wildcard", event.file, tone="quiet")
        case e.AdapterDeclared(adapter=adapter):
            what = (
                "ControlNet" if adapter.control
                else "IP-Adapter" if adapter.prompting is not None
                else "LoRA" if adapter.sha256
                else "weights"
            )  # fmt: skip
            return _told("declared", what, event.file, tone="quiet")
        case e.AdapterWithdrawn():
            return _told("withdrawn", "weights", event.file, tone="quiet")
        case e.PictureDeclared(picture=picture):
            size = f"{picture.width}x{picture.height}" if picture.sha256 else picture.fault
            return _told("declared", "picture", f"{event.file} ({size})", tone="quiet")
        case e.PictureWithdrawn():
            return _told("withdrawn", "picture", event.file, tone="quiet")
        case _:
            assert_never(event)


_Steering = (
    e.JobQuarantined
    | e.JobHeld
    | e.JobReleased
    | e.JobReprioritised
    | e.JobCancelled
    | e.JobRetried
    | e.TakeRestored
    | e.ImageApproved
    | e.ImageDismissed
    | e.ImageUnjudged
)

_OfJob = (
    e.RenderRequested
    | e.RenderWithdrawn
    | e.RenderStarted
    | e.ImageRendered
    | e.ImageReused
    | e.ImageShelved
    | e.ImageRestored
    | e.SheetComposed
    | e.SheetShelved
    | e.SheetRestored
    | e.ImageDiscarded
    | e.RenderFailed
    | e.RenderLessened
    | e.WorkerLost
    | _Steering
)

_DECLARING: dict[type, tuple[str, str]] = {
    e.ProjectDeclared: ("project", "declared"),
    e.ProjectWithdrawn: ("project", "withdrawn"),
    e.CharacterDeclared: ("character", "declared"),
    e.CharacterWithdrawn: ("character", "withdrawn"),
    e.JobSubmitted: ("job", "submitted"),
    e.JobWithdrawn: ("job", "withdrawn"),
}


_JUDGED: dict[type, str] = {
    e.ImageApproved: "approved",
    e.ImageDismissed: "dismissed",
    e.ImageUnjudged: "unjudged",
}


def _of_job(event: _OfJob) -> Told:
    match event:
        case e.RenderRequested():
            count = counted(len(event.cells) - len(event.kept), "picture")
            why = f"take {event.take}, {event.reason}"
            return _told("requested", event.job, count, why, tone="quiet")
        case e.RenderWithdrawn():
            return _told("withdrawn", event.job, f"take {event.take}", tone="quiet")
        case e.RenderStarted():
            return _told("drawing", _cell(event), event.worker, tone="quiet")
        case e.ImageRendered():
            return _told("drawn", event.file, f"{event.seconds:.1f} s", event.worker, tone="good")
        case e.ImageReused():
            return _told("reused", event.file, f"same as {event.source}", tone="good")
        case e.SheetComposed():
            return _told("composed", event.file, f"take {event.take}", tone="good")
        case e.SheetShelved():
            return _told("kept", event.file, f"take {event.take} of {event.job}", tone="quiet")
        case e.SheetRestored():
            return _told("back", event.file, f"take {event.take} of {event.job}", tone="quiet")
        case e.ImageShelved():
            return _told("kept", event.file, f"take {event.take} of {event.job}", tone="quiet")
        case e.ImageRestored():
            return _told("back", event.file, f"take {event.take} of {event.job}", tone="quiet")
        case e.ImageDiscarded():
            return _told("discarded", event.file, f"take {event.take} of {event.job}", tone="quiet")
        case e.RenderFailed():
            kind = "out of memory: " if event.kind == "out_of_memory" else ""
            return _told("failed", _cell(event), kind + event.error, tone="bad")
        case e.RenderLessened():
            return _told("too large", _cell(event), f"once more with less memory: {event.error}")
        case e.WorkerLost():
            while_at = "" if event.job is None else f"while drawing {event.job}"
            more = [text for text in (event.cause, event.detail, while_at) if text]
            return _told("lost", event.worker, *more, tone="bad")
        case _:
            return _of_steering(event)


def _of_steering(event: _Steering) -> Told:
    match event:
        case e.JobQuarantined():
            return _told("quarantined", event.job, event.reason, tone="bad")
        case e.JobReprioritised():
            return _told("priority", event.job, str(event.priority))
        case e.JobHeld():
            return _told("held", event.job)
        case e.JobReleased():
            return _told("released", event.job)
        case e.JobCancelled():
            return _told("cancelled", event.job)
        case e.JobRetried():
            return _told("retried", event.job)
        case e.TakeRestored():
            return _told("restored", event.job, f"take {event.take}")
        case e.ImageApproved() | e.ImageDismissed() | e.ImageUnjudged():
            about = f"picture {event.index} of take {event.take}"
            return _told(_JUDGED[type(event)], event.job, about)
        case _:
            assert_never(event)


def lines(problem: Problem) -> tuple[str, ...]:
    """A problem in lines: place and message, the line it stands on, the caret, the hint."""
    safe = replace(
        problem,
        file=clean(problem.file),
        message=clean(problem.message),
        text=clean(problem.text),
        hint=clean(problem.hint),
    )
    return tuple(render(safe).split("\n"))


def clean(text: str) -> str:
    """`text` on one line, with what could steer a terminal or turn the reading order escaped."""
    return "".join(
        char.encode("unicode_escape").decode("ascii")
        if unicodedata.category(char)[0] == "C" or char in "\u2028\u2029"
        else char
        for char in text
    )


def counted(count: int, noun: str, several: str = "") -> str:
    """`1 picture`, `3 pictures`; `several` is for nouns that take more than an s."""
    return f"{count} {noun}" if count == 1 else f"{count} {several or noun + 's'}"


def _cell(event: e.RenderStarted | e.RenderFailed | e.RenderLessened) -> str:
    return f"{event.job} [{event.index}]"


def _told(
    verb: str, subject: str, *more: str, below: tuple[str, ...] = (), tone: Tone = "plain"
) -> Told:
    return Told(
        verb=verb, subject=clean(subject), more=tuple(map(clean, more)), below=below, tone=tone
    )
