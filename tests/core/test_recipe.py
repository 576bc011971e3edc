"""A job that draws a picture again says all it can, and notes what it cannot."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from pipeline.core.faults import faults
from pipeline.core.manifest import Control, From, Lora, Reference, Refine
from pipeline.core.parameters import Parameters, parse, write
from pipeline.core.recipe import NoRecipe, Recipe, of_parameters, of_record
from pipeline.core.record import Record, decode, encode, excesses
from pipeline.core.resolved import (
    Adapter,
    Likeness,
    Made,
    Picture,
    Refined,
    Region,
    Resolved,
    Source,
    Steering,
)
from tests.growth import keeps_to_its_size

RESOLVED = Resolved(
    prompt="1girl, red hair", negative="bad", width=512, height=768, steps=20, guidance=6.5,
    sampler="euler_ancestral", schedule="normal", model="ab" * 32,
)  # fmt: skip
RECORD = Record(
    job="show/rooftop", take=2, index=1, seed=7, digest="d", resolved=RESOLVED, model="chibi",
    made=Made(device="cpu", dtype="float32", threads=1, batch=1, torch="2", diffusers="0"),
    pixels="p", manifest="show/rooftop.yaml", commit="c0" * 20, version="0.1",
)  # fmt: skip
SAID = "1girl, cat\nNegative prompt: bad\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 5"


def _noted(text: str) -> str:
    return "\n".join(of_parameters(parse(text)).notes)


def test_a_record_of_ours_is_carried_over_whole() -> None:
    made = of_record(RECORD)
    assert made.notes == ()
    job = made.job
    assert (job.prompt, job.negative, job.style) == ("1girl, red hair", "bad", "none")
    assert (job.seed, job.size, job.steps, job.guidance) == (7, "512x768", 20, 6.5)
    assert (job.sampler, job.schedule) == ("euler_ancestral", "normal")


def test_regions_are_noted_with_the_job_that_had_them() -> None:
    region = Region(prompt="left: red hair", left=0, top=0, right=0.5, bottom=1)
    both = (region, replace(region, left=0.5, right=1.0))
    (note,) = of_record(replace(RECORD, resolved=replace(RESOLVED, regions=both))).notes
    assert note.startswith("its 2 regions")
    assert note.endswith(f"the whole job was show/rooftop.yaml at commit {'c0' * 20}")


def test_what_another_tool_says_is_carried_over() -> None:
    made = of_parameters(parse(f"{SAID}, Size: 512x768, Clip skip: 1, Version: v1.10"))
    assert made.notes == ()
    job = made.job
    assert (job.prompt, job.negative) == ("1girl, cat", "bad")
    assert (job.seed, job.size, job.steps, job.guidance) == (5, "512x768", 20, 7)
    assert (job.sampler, job.schedule) == ("euler_ancestral", None)


@pytest.mark.parametrize(
    ("more", "sampler", "schedule"),
    [
        ("Sampler: DPM++ 2M Karras", "dpmpp_2m", "karras"),
        ("Sampler: DPM++ 2M, Schedule type: SGM Uniform", "dpmpp_2m", "sgm_uniform"),
        ("Sampler: DPM++ 2M SDE Exponential", "dpmpp_2m_sde", "exponential"),
        ("Sampler: DPM++ SDE, Schedule type: Automatic", "dpmpp_sde", None),
        ("Sampler: dpmpp_2m, Schedule type: karras", "dpmpp_2m", "karras"),
        ("Sampler: k_euler_a", "euler_ancestral", None),
        ("Sampler: UniPC", "uni_pc", None),
        ("Sampler: DPM2 a", "dpm_2_ancestral", None),
    ],
)
def test_samplers_are_known_by_other_tools_names(
    more: str, sampler: str, schedule: str | None
) -> None:
    made = of_parameters(parse(f"cat\nSteps: 20, Seed: 5, {more}"))
    assert (made.job.sampler, made.job.schedule, made.notes) == (sampler, schedule, ())


@pytest.mark.parametrize(
    ("more", "noted"),
    [
        ("Sampler: DPM++ 3M SDE", "the sampler DPM++ 3M SDE, which is not among ours"),
        ("Sampler: Euler, Schedule type: Turbo", "the schedule Turbo, which is not among ours"),
        ("Sampler: Euler a, Schedule type: Karras", "sampler euler_ancestral cannot follow here"),
        ("Size: 513x768", "the nearest is 512x768"),
        ("Size: 9000x64", "the nearest is 4096x64"),
        ("Size: huge", "the size huge, which is none"),
        ("CFG scale: 45", "the guidance 45: it goes from 0 to 30"),
        ("CFG scale: much", "CFG scale: much, which is no number"),
        ("Hires upscale: 2, Hires steps: 9", "(Hires upscale: 2, Hires steps: 9)"),
        ("ADetailer model: face.pt", "(ADetailer model: face.pt)"),
        ('Lora hashes: "a: b"', "LoRA, which changes the model (Lora hashes: a: b)"),
        ("Clip skip: 20", "Clip skip: 20; 1 to 12 can be drawn"),
        ("VAE: kl-f8, VAE hash: 12", "VAE: kl-f8"),
    ],
)
def test_what_cannot_be_carried_over_is_noted(more: str, noted: str) -> None:
    assert noted in _noted(f"cat\nSteps: 20, Seed: 5, {more}")


@pytest.mark.parametrize(
    ("prompt", "kept", "noted"),
    [
        ("cat <lora:a b:0.8>, dog", "cat, dog", "lora a b:0.8"),
        ("__hair__, cat", "hair, cat", "the underscores of hair"),
        ("cat AND dog", "cat AND dog", "AND"),
        ("[cat:dog:0.5]", "[cat:dog:0.5]", "[cat:dog:0.5]"),
    ],
)
def test_other_tools_syntax_in_a_prompt_is_noted(prompt: str, kept: str, noted: str) -> None:
    made = of_parameters(parse(f"{prompt}\nSteps: 20, Sampler: Euler, Seed: 5"))
    assert made.job.prompt == kept
    assert noted in "\n".join(made.notes)


@pytest.mark.parametrize("seed", ["-1", "9" * 20, "x"])
def test_a_seed_that_no_manifest_can_hold_is_left_out_and_noted(seed: str) -> None:
    made = of_parameters(parse(f"cat\nSteps: 20, Sampler: Euler, Seed: {seed}"))
    assert made.job.seed is None
    assert "seed" in made.notes[0]


def test_without_a_prompt_there_is_no_job() -> None:
    with pytest.raises(NoRecipe, match="its prompt is empty"):
        of_parameters(parse("<lora:a:1>\nSteps: 20, Sampler: Euler, Seed: 5"))


_word = st.text(max_size=30)


@given(_word, _word, st.dictionaries(st.sampled_from(
    ["Steps", "Sampler", "Schedule type", "CFG scale", "Seed", "Size", "Hires upscale", "x"]
), _word | st.integers().map(str) | st.floats().map(str)))  # fmt: skip
def test_whatever_is_said_the_job_is_one_that_a_manifest_may_hold(
    prompt: str, negative: str, values: dict[str, str]
) -> None:
    try:
        job = of_parameters(Parameters(prompt=prompt, negative=negative, values=values)).job
    except NoRecipe:
        return
    assert faults(job) == []
    assert job.steps is None or 1 <= job.steps <= 150
    assert job.guidance is None or 0 <= job.guidance <= 30


@pytest.mark.parametrize(("start", "piece"), [("[", ":"), ("", ","), ("", "<lora:")])
def test_no_prompt_takes_more_than_its_size(start: str, piece: str) -> None:
    def read(text: str) -> None:
        of_parameters(Parameters(prompt=f"a {start}{text}", negative=start + text, values={}))

    keeps_to_its_size(read, piece, 2**18)


def test_a_record_is_read_as_it_was_written_and_an_older_one_too() -> None:
    assert decode(encode(RECORD)) == RECORD
    older = replace(RECORD, manifest="", commit=None, version="")
    text = encode(older).replace(',"manifest":"","commit":null,"version":""', "")
    assert "manifest" not in text
    assert decode(text) == older
    assert decode("[" * 100_000) is None
    assert decode('{"job": "\ud800"}') is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"width": 100_000}, "width: 100000"),
        ({"height": 65}, "height: 65"),
        ({"steps": 10**9}, "steps: 1000000000"),
        ({"guidance": float("1e9")}, "guidance: 1e+09"),
        ({"negative": "x" * 200_000}, "prompt: 200000 characters"),
    ],
)
def test_a_record_that_asks_for_too_much_is_told(change: dict[str, object], said: str) -> None:
    assert list(excesses(RECORD)) == []
    assert list(excesses(replace(RECORD, resolved=replace(RESOLVED, **change)))) == [said]


def test_its_loras_are_named_by_where_they_stood() -> None:
    adapters = (
        Adapter(file="show/loras/akira.safetensors", sha256="a" * 64, weight=0.8),
        Adapter(file="../x.safetensors", sha256="b" * 64),
    )
    mine = replace(RECORD, resolved=replace(RECORD.resolved, adapters=adapters))
    made = of_record(mine)
    assert made.job.lora == (Lora(file="show/loras/akira.safetensors", weight=0.8),)
    assert "the LoRA ../x.safetensors, weight 1" in made.notes


def test_its_reference_is_named_where_a_job_can_say_it() -> None:
    pictures = (Picture(file="show/a.png", sha256="a" * 64), Picture(file="b.jpg", sha256="b" * 64))
    whole = Likeness(pictures=pictures, weight=0.8, adapter="c" * 64, encoder="d" * 64)

    def made(*likenesses: Likeness) -> Recipe:
        return of_record(replace(RECORD, resolved=replace(RESOLVED, likenesses=likenesses)))

    found = made(whole)
    assert found.job.reference == Reference(picture=("show/a.png", "b.jpg"), weight=0.8)
    assert found.notes == made().notes
    own = replace(whole, pictures=pictures[:1], file="loras/plus.safetensors")
    assert made(own).job.reference == Reference(
        picture="show/a.png", weight=0.8, model="loras/plus.safetensors"
    )
    left = replace(whole, right=0.5)
    said = "the reference show/a.png, b.jpg, weight 0.8"
    assert made(left).job.reference is None
    assert made(left).notes[-1] == f"{said} from 0% to 50% of the width"
    assert made(whole, left).notes[-2:] == (said, f"{said} from 0% to 50% of the width")
    outside = replace(whole, pictures=(Picture(file="../a.png", sha256="a" * 64),))
    assert made(outside).notes[-1] == "the reference ../a.png, weight 0.8"


def test_a_record_with_too_many_references_is_told() -> None:
    one = Likeness(pictures=(Picture(sha256="a"),), weight=1, adapter="b", encoder="c")
    loud = replace(one, weight=7, pictures=one.pictures * 9)
    asked = replace(RESOLVED, likenesses=(*[one] * 9, loud))
    assert list(excesses(replace(RECORD, resolved=asked))) == [
        "likenesses: 10", "pictures of a reference: 9", "weight of a reference: 7",
    ]  # fmt: skip


def test_clip_skip_is_carried_over() -> None:
    made = of_parameters(parse("cat BREAK dog\nSteps: 20, Seed: 5, Clip skip: 2"))
    assert (made.job.clip_skip, made.job.prompt, made.notes) == (2, "cat BREAK dog", ())
    assert of_parameters(parse("cat\nSteps: 20, Seed: 5, Clip skip: 1")).job.clip_skip is None


GUIDED = replace(
    RESOLVED,
    source=Source(
        picture=Picture(file="a/s.png", sha256="a1" * 32), strength=0.55,
        mask=Picture(file="a/m.png", sha256="a2" * 32),
    ),
    refine=Refined(width=768, height=1152, strength=0.4, steps=12),
    controls=(
        Steering(
            kind="pose", picture=Picture(file="a/p.png", sha256="a3" * 32), file="n.safetensors",
            sha256="a4" * 32, weight=0.8, end=0.9,
        ),
    ),
)  # fmt: skip


def test_pictures_a_second_pass_and_controlnets_are_carried_over() -> None:
    assert list(excesses(replace(RECORD, resolved=GUIDED))) == []
    made = of_record(replace(RECORD, resolved=GUIDED))
    assert made.notes == ()
    assert made.job.from_ == From(picture="a/s.png", strength=0.55, mask="a/m.png")
    assert made.job.refine == Refine(scale=1.5, strength=0.4, steps=12)
    assert made.job.control == (
        Control(kind="pose", picture="a/p.png", model="n.safetensors", weight=0.8, end=0.9),
    )


@given(st.integers(8, 256), st.integers(8, 256), st.floats(1, 4))
def test_every_second_pass_has_a_scale_that_makes_it_again(
    width: int, height: int, scale: float
) -> None:
    small = width * 8, height * 8
    large = [round(side * scale / 8) * 8 for side in small]
    asked = replace(
        RESOLVED, width=small[0], height=small[1],
        refine=Refined(width=large[0], height=large[1], strength=0.4, steps=20),
    )  # fmt: skip
    found = of_record(replace(RECORD, resolved=asked)).job.refine
    assert isinstance(found, Refine)
    assert [round(side * found.scale / 8) * 8 for side in small] == large


def test_what_no_manifest_could_ask_for_is_noted_and_refused() -> None:
    assert GUIDED.source is not None
    assert GUIDED.refine is not None
    (control,) = GUIDED.controls
    strange = replace(
        GUIDED,
        source=replace(GUIDED.source, strength=7.0),
        refine=replace(GUIDED.refine, width=99_992),
        controls=(replace(control, weight=50.0),),
    )
    made = of_record(replace(RECORD, resolved=strange))
    assert (made.job.from_, made.job.refine, made.job.control) == (None, None, ())
    assert len(made.notes) == 3
    assert list(excesses(replace(RECORD, resolved=strange))) == [
        "strength: 7", "width of the second pass: 99992", "weight of a ControlNet: 50",
    ]  # fmt: skip


def test_other_tools_read_of_them_what_they_write_themselves() -> None:
    values = parse(write(GUIDED, 7, "chibi")).values
    assert values["Denoising strength"] == "0.55"
    assert (values["Hires resize"], values["Hires steps"]) == ("768x1152", "12")
    assert values["ControlNet 0"] == (
        "Module: none, Model: n [a4a4a4a4], Weight: 0.8, Guidance Start: 0, Guidance End: 0.9"
    )
