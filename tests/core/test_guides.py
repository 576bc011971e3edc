"""A job finds its pictures and ControlNets, and waits by name for what is not there."""

from typing import Any

import pytest

from pipeline.core import events as e
from pipeline.core.adapters import AdapterFile
from pipeline.core.observed import FileGone, FileSeen
from pipeline.core.pictures import PictureFile, is_picture_file, jobs_of, places
from pipeline.core.resolved import Picture, Refined, Resolved, Source, Steering
from pipeline.core.status import outdated
from tests.production import MODEL, Production

JOB = "kind: job\nprompt: rain\nseed: 1\n"


def offer(made: Production, file: str, letter: str = "a", **said: Any) -> list[e.Event]:
    """A picture appears."""
    fields = {"sha256": letter * 64, "width": 640, "height": 480, **said}
    return made.observe(FileSeen(file=file, sha256=letter * 64, picture=PictureFile(**fields)))


def net(made: Production, file: str, **said: Any) -> None:
    """A ControlNet appears, or other weights."""
    fields: dict[str, Any] = {"sha256": "c" * 64, "fault": "it is no LoRA", "control": True}
    made.observe(FileSeen(file=file, sha256="c" * 64, adapter=AdapterFile(**{**fields, **said})))


def resolved(made: Production, job: str = "show/rain") -> Resolved:
    return made.compiled(job).cells[0].resolved


def problems(made: Production, text: str) -> list[tuple[str, str]]:
    made.drop("show/rain.yaml", JOB + text)
    found = made.state.rejected.get("show/rain.yaml", ())
    return [(f"{each.line}:{each.column} {each.message}", each.hint) for each in found]


def test_a_job_without_them_has_the_digest_it_always_had() -> None:
    made = Production()
    made.drop("show/rain.yaml", JOB)
    plain = resolved(made)
    assert (plain.source, plain.refine, plain.controls) == (None, None, ())
    assert plain.digest == "c98a16f5663f20d2c5a0c3909e60b1b2b75ad6f1ec97bc2a8250151c2b1fc00c"


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("sketch.png", "show/sketch.png"),
        ("sketch.png", "show/pictures/sketch.png"),
        ("sketch.png", "sketch.png"),
        ("art/sketch.JPG", "show/art/sketch.JPG"),
        ("./a/../sketch.webp", "pictures/sketch.webp"),
    ],
)
def test_a_picture_is_found_beside_the_manifest_or_above(name: str, file: str) -> None:
    made = Production()
    made.drop("show/rain.yaml", f"{JOB}from: {name}\n")
    assert made.waits() == f"there is no picture {name!r} yet"
    assert made.tasks() == []
    offer(made, file)
    assert resolved(made).source == Source(
        picture=Picture(file=file, sha256="a" * 64), strength=0.75
    )
    assert len(made.tasks()) == 1


def test_a_picture_that_changes_makes_what_was_drawn_from_it_stale() -> None:
    made = Production()
    made.drop("show/rain.yaml", f"{JOB}from: {{picture: s.png, strength: 0.5, mask: m.png}}\n")
    offer(made, "show/s.png")
    assert made.waits() == "there is no picture 'm.png' yet (nearest: s.png)"
    offer(made, "show/m.png", "b")
    made.paint(made.tasks()[0])
    assert outdated(made.state, made.job("show/rain")) == ()
    offer(made, "show/m.png", "d")
    assert outdated(made.state, made.job("show/rain")) == ("mask show/m.png",)
    made.observe(FileGone(file="show/s.png"))
    assert made.waits() == "there is no picture 's.png' yet (nearest: m.png)"


def test_where_a_picture_stands_decides_nothing() -> None:
    one, other = Production(), Production()
    for made, file in ((one, "show/s.png"), (other, "pictures/s.png")):
        made.drop("show/rain.yaml", f"{JOB}from: s.png\n")
        offer(made, file)
    assert resolved(one) != resolved(other)
    assert resolved(one).digest == resolved(other).digest
    offer(one, "show/s.png", "b")
    assert resolved(one).digest != resolved(other).digest


def test_what_is_no_picture_is_said_by_name() -> None:
    made = Production()
    made.drop("show/rain.yaml", f"{JOB}from: s.png\n")
    offer(made, "show/s.png", sha256="", fault="it is cut short; copy or save it again")
    assert made.waits() == (
        "the picture show/s.png cannot be drawn from: it is cut short; copy or save it again"
    )


def test_a_mask_of_another_size_is_refused_but_one_on_its_side_is_not() -> None:
    made = Production()
    made.drop("show/rain.yaml", f"{JOB}from: {{picture: s.png, mask: m.png}}\n")
    offer(made, "show/s.png")
    offer(made, "show/m.png", "b", width=480, height=640)
    assert resolved(made).source is not None
    offer(made, "show/m.png", "b", width=512, height=512)
    assert made.waits() == (
        "the mask show/m.png has 512x512 pixels, and the picture show/s.png 640x480: make the two "
        "the same"
    )


def test_a_drawn_picture_is_drawn_from_once_it_is_there() -> None:
    made = Production()
    made.drop("show/base.yaml", "kind: job\nprompt: forest\n")
    made.drop("show/rain.yaml", f"{JOB}from: base.01.png\n")
    assert made.waits() == "the picture show/base.01.png is not drawn yet"
    (task,) = made.tasks()
    made.paint(task)
    image = made.job("show/base").takes[-1].images[1]
    source = resolved(made).source
    assert source is not None
    assert source.picture == Picture(file="show/base.01.png", sha256=image.sha256)
    (task,) = made.tasks()
    assert task.job == "show/rain"
    made.paint(task)
    made.drop("show/base.yaml", "kind: job\nprompt: sea\n")
    made.paint(made.tasks()[0])
    assert outdated(made.state, made.job("show/rain")) == ("picture show/base.01.png",)


def test_a_picture_beyond_those_that_a_job_draws_is_missing() -> None:
    made = Production()
    made.drop("show/base.yaml", "kind: job\nprompt: forest\n")
    made.drop("show/rain.yaml", f"{JOB}from: base.02.png\n")
    assert made.waits() == "there is no picture 'base.02.png' yet"


def test_one_of_several_documents_is_drawn_from_too() -> None:
    made = Production()
    made.drop("a.yaml", "kind: job\nname: Dusk\nprompt: a\n---\nkind: job\nname: b\nprompt: b\n")
    made.drop("rain.yaml", f"{JOB}from: a.dusk.01.png\n")
    assert made.waits("rain") == "the picture a.dusk.01.png is not drawn yet"
    for task in made.tasks():
        made.paint(task)
    assert resolved(made, "rain").source is not None


def test_pictures_that_would_be_drawn_from_each_other_are_refused() -> None:
    made = Production()
    made.drop("a.yaml", f"{JOB}from: a.01.png\n")
    assert made.waits("a") == "the picture a.01.png would be drawn from itself"
    made.drop("b.yaml", f"{JOB}from: c.01.png\n")
    made.drop("c.yaml", f"{JOB}from: b.01.png\n")
    assert made.waits("b") == "the picture c.01.png would be drawn from itself"


def test_a_second_pass_is_a_scale_alone_or_more() -> None:
    made = Production()
    made.drop("show/rain.yaml", f"{JOB}size: 200x304\nsteps: 20\nrefine: 1.5\n")
    assert resolved(made).refine == Refined(width=304, height=456, strength=0.4, steps=20)
    assert resolved(made).size == (304, 456)
    made.drop("show/rain.yaml", f"{JOB}refine: {{scale: 2, strength: 0.25, steps: 8}}\n")
    size = (MODEL.width * 2, MODEL.height * 2)
    assert resolved(made).refine == Refined(width=size[0], height=size[1], strength=0.25, steps=8)


def test_a_strength_that_leaves_no_step_is_said() -> None:
    made = Production()
    made.drop("show/rain.yaml", f"{JOB}steps: 10\nrefine: {{strength: 0.05}}\n")
    assert made.waits() == (
        "a strength of 0.05 leaves none of 10 steps to be drawn: take 0.1 or more, or more steps"
    )


def test_a_controlnet_is_found_and_has_to_go_with_the_model() -> None:
    made = Production()
    said = "control: {kind: pose, picture: p.png, model: openpose, weight: 0.8, end: 0.9}\n"
    made.drop("show/rain.yaml", JOB + said)
    assert made.waits() == (
        "there is no picture 'p.png' yet; there is no ControlNet 'openpose' yet"
    )
    offer(made, "show/p.png")
    place = "controlnets/openpose/diffusion_pytorch_model.safetensors"
    net(made, place)
    assert resolved(made).controls == (
        Steering(
            kind="pose", picture=Picture(file="show/p.png", sha256="a" * 64), file=place,
            sha256="c" * 64, weight=0.8, end=0.9,
        ),
    )  # fmt: skip
    net(made, place, unfit={MODEL.sha256: "it is made for a model of another build"})
    assert made.waits() == (
        f"the ControlNet {place} cannot be used: it is made for a model of another build"
    )
    net(made, place, control=False, fault="")
    assert made.waits().endswith("it is no ControlNet but a LoRA; name it in lora")
    net(made, place, control=False, sha256="", fault="it is no LoRA: it has x")
    assert made.waits().endswith("cannot be used: it is no ControlNet: it has x")


def test_a_weight_of_nothing_leaves_a_controlnet_out() -> None:
    made = Production()
    offer(made, "p.png")
    net(made, "n.safetensors")
    made.drop(
        "show/rain.yaml", f"{JOB}control: [{{kind: canny, picture: p.png, model: n, weight: 0}}]"
    )
    plain = Production()
    plain.drop("show/rain.yaml", JOB)
    assert resolved(made).digest == resolved(plain).digest


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("from: ../s.png\n", "4:7 '../s.png' is outside the inbox, where nothing is read",
         "copy the picture into the inbox, beside the manifest or into a folder pictures"),
        ("from: {picture: a.png, mask: m.gif}\n", "4:30 'm.gif' is no picture that is drawn from",
         "PNG, JPEG and WebP are read; save it as one of these"),
        ("from: {picture: a.png, mask: m.png}\nrefine: 2\n",
         "5:9 a second pass would draw anew what the mask keeps",
         "take refine away here, and begin another job from this one's picture"),
        ("size: 2048x1024\nrefine: 2.5\n",
         "5:9 a scale of 2.5 makes a side of 5120 pixels, and 4096 are the most",
         "of 2048x1024 the largest is 2"),
        ("control: {kind: pose, picture: a.png, model: m.ckpt}\n",
         "4:46 'm.ckpt' is a pickle, which can run any code, and is not read",
         "take the .safetensors of it, or convert it where you trust it"),
        ("control: {kind: pose, picture: a.png, model: m, start: 0.5, end: 0.5}\n",
         "4:66 it ends at 0.5 of the steps, before it starts at 0.5",
         "give an end after the start, such as 1"),
    ],
)  # fmt: skip
def test_what_is_wrong_by_itself_is_said_at_its_place(text: str, message: str, hint: str) -> None:
    assert problems(Production(), text) == [(message, hint)]


@pytest.mark.parametrize(
    ("file", "is_one", "keys"),
    [
        ("a/s.png", True, ()),
        ("a/S.JPEG", True, ()),
        ("a/s.gif", False, ()),
        ("a/s.01.png", False, ("a/s",)),
        ("a/s.100-2.png", False, ("a/s",)),
        ("a/s.b.01.png", False, ("a/s.b", "a/s#b")),
        ("a.b/s.01.png", False, ("a.b/s",)),
        ("a/s.sheet.png", False, ("a/s",)),
        ("a/s.1.png", True, ()),
        ("a/s.01.jpg", True, ()),
    ],
)
def test_drawn_pictures_are_told_by_their_names(
    file: str, is_one: bool, keys: tuple[str, ...]
) -> None:
    assert is_picture_file(file) is is_one
    assert jobs_of(file) == keys


def test_no_place_is_outside() -> None:
    assert list(places("a/b.yaml", "../c.png")) == []
    assert list(places("a/b.yaml", "/c.png")) == []
    assert list(places("a/b.yaml", ".git/c.png")) == []
