"""What is wrong with a job's pictures, second pass and ControlNets by themselves.

Pure; what they refer to is `pipeline.core.guides`'s.
"""

from collections.abc import Iterator

from pipeline.core.adapters import weights_fault
from pipeline.core.manifest import (
    GRAIN,
    LARGEST,
    Fault,
    Job,
    control_path,
    controls_of,
    from_of,
    parse_size,
    pictures_of,
    refine_of,
)
from pipeline.core.pictures import picture_fault


def guide_faults(job: Job) -> Iterator[Fault]:
    """Everything wrong with them that the types cannot say."""
    for path, name in pictures_of(job):
        message, hint = picture_fault(name)
        if message:
            yield Fault(path=path, message=message, hint=hint)
    begin, refine = from_of(job.from_), refine_of(job.refine)
    if begin is not None and begin.mask is not None and refine is not None:
        yield Fault(
            path=("refine",),
            message="a second pass would draw anew what the mask keeps",
            hint="take refine away here, and begin another job from this one's picture",
        )
    if refine is not None and job.size is not None:
        largest = max(parse_size(job.size))
        if round(largest * refine.scale / GRAIN) * GRAIN > LARGEST >= largest:
            yield Fault(
                path=("refine",) if isinstance(job.refine, (int, float)) else ("refine", "scale"),
                message=f"a scale of {refine.scale:g} makes a side of "
                f"{largest * refine.scale:.0f} pixels, and {LARGEST} are the most",
                hint=f"of {job.size} the largest is {LARGEST / largest:.3g}",
            )
    for number, control in enumerate(controls_of(job.control)):
        place = control_path(job.control, number)
        message, hint = weights_fault(control.model)
        if message:
            yield Fault(path=(*place, "model"), message=message, hint=hint)
        if control.start >= control.end:
            yield Fault(
                path=(*place, "end"),
                message=f"it ends at {control.end:g} of the steps, before it starts at "
                f"{control.start:g}",
                hint="give an end after the start, such as 1",
            )
