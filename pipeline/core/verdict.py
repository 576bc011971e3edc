"""What a person says of pictures, and which ones: approved, rejected, or taken back.

Pure. A verdict is about one picture of one take, as it was when it was looked at; it draws nothing,
takes nothing away and stands against nothing.
"""

from typing import assert_never

from msgspec import Struct

from pipeline.core import commands as c
from pipeline.core import events as e
from pipeline.core.state import Image, JobState, State, Take, Verdict
from pipeline.core.targets import Refusal, find_job


class Judged(Struct, frozen=True, kw_only=True):
    """The events of a judgement, none where all was said before, and how it is answered."""

    events: tuple[e.Event, ...]
    said: str


def judge(state: State, command: c.Judgement) -> Judged | Refusal:
    """What the judgement makes of the state."""
    job = find_job(state, command.job)
    if isinstance(job, Refusal):
        return job
    take = _take(job, command.take)
    if isinstance(take, Refusal):
        return take
    meant = _meant(job, take, command)
    if isinstance(meant, Refusal):
        return meant
    verdict, past, verb = _words(command)
    events = tuple(
        _event(verdict, job=job.key, take=take.number, image=image)
        for image in meant
        if image.verdict != verdict
    )
    place = f"take {take.number} of {job.key}"
    if not events:
        already = "not judged" if verdict is None else f"{past} already"
        what = "its picture is" if len(meant) == 1 else "its pictures are"
        return Judged(events=(), said=f"nothing to {verb} in {place}: {what} {already}")
    if command.picture is not None:
        return Judged(events=events, said=f"{past} picture {command.picture} of {place}")
    count = f"{len(events)} picture" if len(events) == 1 else f"{len(events)} pictures"
    return Judged(events=events, said=f"{past} {count} of {place}")


def _take(job: JobState, number: int | None) -> Take | Refusal:
    """The take of that number, or the current one."""
    if not job.takes:
        return Refusal(message=f"nothing of {job.key} has been drawn yet")
    if number is None:
        return job.takes[-1]
    found = next((take for take in job.takes if take.number == number), None)
    if found is not None:
        return found
    numbers = ", ".join(str(number) for number in sorted(take.number for take in job.takes))
    return Refusal(message=f"{job.key} has no take {number}", hint=f"it has {numbers}")


def _meant(job: JobState, take: Take, command: c.Judgement) -> list[Image] | Refusal:
    """The pictures that are judged, by their numbers; those that are kept no longer are none."""
    place = f"take {take.number} of {job.key}"
    there = {n: image for n, image in sorted(take.images.items()) if not image.discarded}
    if not there:
        earlier = any(other.images for other in job.takes if other is not take)
        hint = f"anime takes {job.key} lists the others: say --take" if earlier else ""
        return Refusal(message=f"{place} has no picture", hint=hint)
    if command.picture is None:
        meant = list(there.values())
    elif command.picture in there:
        meant = [there[command.picture]]
    else:
        numbers = ", ".join(map(str, there))
        return Refusal(
            message=f"{place} has no picture {command.picture}", hint=f"it has {numbers}"
        )
    if command.sha256 is not None and [image.sha256 for image in meant] != [command.sha256]:
        return Refusal(
            message=f"{place} has another picture there than the one that was looked at",
            hint="look at it again",
        )
    return meant


def _words(command: c.Judgement) -> tuple[Verdict | None, str, str]:
    """The verdict, and how giving it is called: `approved`, `approve`."""
    match command:
        case c.Approve():
            return "approved", "approved", "approve"
        case c.Reject():
            return "rejected", "rejected", "reject"
        case c.Unjudge():
            return None, "unjudged", "unjudge"
        case _:
            assert_never(command)


def _event(verdict: Verdict | None, *, job: str, take: int, image: Image) -> e.Event:
    index, sha256 = image.index, image.sha256
    match verdict:
        case "approved":
            return e.ImageApproved(job=job, take=take, index=index, sha256=sha256)
        case "rejected":
            return e.ImageDismissed(job=job, take=take, index=index, sha256=sha256)
        case None:
            return e.ImageUnjudged(job=job, take=take, index=index, sha256=sha256)
        case _:
            assert_never(verdict)
