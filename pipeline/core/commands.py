"""What a person may command while a production runs: hold, release, cancel, retry and the like.

Owns the values and their JSON, which is also the text of a command's file. What a command makes of
the state is `pipeline.core.obey`'s. A command is imperative and not a fact: it is answered by one.
"""

from typing import Annotated

from msgspec import Meta, Struct

from pipeline.core.manifest import Priority

Target = Annotated[str, Meta(min_length=1, max_length=1000)]
"""The key or the name of a job, a project or a character; see `pipeline.core.targets`."""


class _Command(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True,
    tag_field="command",
):  # fmt: skip
    """What all commands share: their name in `command`."""


class Hold(_Command, frozen=True, kw_only=True, tag="hold"):
    """Draw nothing more of the target; None is everything, here and below."""

    target: Target | None = None


class Release(_Command, frozen=True, kw_only=True, tag="release"):
    """The end of a hold, also of one that stands in a manifest."""

    target: Target | None = None


class Cancel(_Command, frozen=True, kw_only=True, tag="cancel"):
    """Owe no picture of the target any more; one in work is stopped between two steps."""

    target: Target | None = None


class Retry(_Command, frozen=True, kw_only=True, tag="retry"):
    """Owe again what failed, was cancelled or is quarantined."""

    target: Target | None = None


class Prioritise(_Command, frozen=True, kw_only=True, tag="prioritise"):
    """Draw a job earlier, or later."""

    job: Target
    priority: Priority


class Pause(_Command, frozen=True, kw_only=True, tag="pause"):
    """Hand out nothing more, until a `Resume`, through restarts too; `unload` gives the memory of
    the device back as well, once what is in work is finished."""

    reason: Annotated[str, Meta(max_length=1000)] = ""
    unload: bool = False


class Resume(_Command, frozen=True, kw_only=True, tag="resume"):
    """The end of a pause, whoever made it."""


class Render(_Command, frozen=True, kw_only=True, tag="render"):
    """Draw the target again as a new take; with `stale` only what its manifests no longer say."""

    target: Target | None = None
    stale: bool = False


class Redraw(_Command, frozen=True, kw_only=True, tag="redraw"):
    """Draw again what has gone from the disk of the target's current takes, and nothing else; what
    has gone of older takes is no longer counted on."""

    target: Target | None = None


class Restore(_Command, frozen=True, kw_only=True, tag="restore"):
    """Let an older take's pictures stand beside the manifest again."""

    job: Target
    take: Annotated[int, Meta(ge=1)]


class _Judgement(_Command, frozen=True, kw_only=True):
    """About a picture of a job's take, or all of that take: the current one where none is named.

    `sha256` is what the picture was that the person has looked at: another one is not judged.
    """

    job: Target
    picture: Annotated[int, Meta(ge=1)] | None = None
    take: Annotated[int, Meta(ge=1)] | None = None
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")] | None = None


class Approve(_Judgement, frozen=True, kw_only=True, tag="approve"):
    """Say that the pictures are wanted."""


class Reject(_Judgement, frozen=True, kw_only=True, tag="reject"):
    """Say that the pictures are not wanted; none of them is taken away."""


class Unjudge(_Judgement, frozen=True, kw_only=True, tag="unjudge"):
    """Take back what was said of the pictures."""


Judgement = Approve | Reject | Unjudge

Command = (
    Hold | Release | Cancel | Retry | Prioritise | Pause | Resume | Render | Redraw | Restore
    | Approve | Reject | Unjudge
)  # fmt: skip
