"""Reference pictures draw what bare diffusers draws with them, and leave no trace.

The peer is `load_ip_adapter` with `set_ip_adapter_scale` and, for two subjects, its own masks.
"""

import multiprocessing
import os
import threading
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from diffusers.image_processor import IPAdapterMaskProcessor
from msgspec.structs import replace
from PIL import Image

from pipeline.core.resolved import (
    Adapter,
    Likeness,
    Picture,
    Refined,
    Region,
    Resolved,
    Source,
)
from pipeline.hashes import Hashes
from pipeline.model import Told
from pipeline.pictures import sha256_of
from pipeline.references import encoder_sha256
from pipeline.render import model
from pipeline.render.columns import Columns
from pipeline.render.decoding import CannotUse
from pipeline.render.paint import Painter
from pipeline.render.references import ENCODER, References
from tests.render import guides, ip_adapters, loras, tiny
from tests.render.bare import load, pointers, sums
from tests.render.conftest import RESOLVED
from tests.render.guides import SEED

CPU = torch.device("cpu")
INPUTS = replace(RESOLVED, steps=2)
JOBS = 12
LEFT, RIGHT = (0.0, 0.5), (0.5, 1.0)
pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore:There are modules"
)
_diffusers: Any = diffusers


class Studio:
    """A painter as a worker has it, bare diffusers beside it, and files to show them."""

    def __init__(self, root: Path, pipe: Any, bare: Any, kind: ip_adapters.Kind) -> None:
        self.root, self.pipe, self.bare = root, pipe, bare
        self.file = ip_adapters.adapter(root / "ip-adapter.safetensors", bare.unet, kind)
        self.encoder = ip_adapters.encoder(root / "image_encoder")
        ip_adapters.picture(root / "red.png", "red")
        ip_adapters.picture(root / "blue.webp", "blue", size=(30, 60))
        self.told = Told(ip_adapter=self.file, image_encoder=self.encoder)
        self.painter = Painter(pipe, CPU, self.told)

    def like(
        self, *names: str, weight: float = 0.6, column: tuple[float, float] = (0.0, 1.0)
    ) -> Likeness:
        pictures = tuple(Picture(file=n, sha256=sha256_of(self.root / n)) for n in names)
        return Likeness(
            pictures=pictures, weight=weight, adapter=sha256_of(self.file),
            encoder=encoder_sha256(self.encoder, Hashes(None)), left=column[0], right=column[1],
        )  # fmt: skip

    def draw(self, *likenesses: Likeness, painter: Painter | None = None, lean: bool = False,
             **inputs: Any) -> bytes:  # fmt: skip
        asked = replace(INPUTS, likenesses=likenesses, **inputs)
        painter = painter or self.painter
        painter.wear(asked.adapters, self.root)
        painter.show(asked.likenesses, self.root)
        guides = painter.gather(asked, self.root)
        return painter.paint(
            asked, SEED, lambda _: None, lambda *_: None, guides=guides, lean=lean
        ).tobytes()

    def by_bare(self, *scales: float, inputs: Resolved = INPUTS, **shown: Any) -> bytes:
        """With the file loaded once for each scale, from noise and in one pass."""
        shown = {"width": inputs.width, "height": inputs.height, **shown}
        return self.by_bare_pipeline("", *scales, inputs=inputs, **shown).tobytes()

    def by_bare_pipeline(
        self, name: str, *scales: float, inputs: Resolved, net: Any = None, **shown: Any
    ) -> Image.Image:
        """The same by the pipeline of that name around the modules of the bare one."""
        bare, config = self.bare, self.bare.scheduler.config
        bare.load_ip_adapter(
            str(self.root), subfolder="", weight_name=[self.file.name] * len(scales),
            image_encoder_folder=str(self.encoder),
        )  # fmt: skip
        bare.set_ip_adapter_scale(list(scales))
        xl = hasattr(bare, "text_encoder_2")
        given = {"add_watermarker": False} if xl else {"requires_safety_checker": False}
        if net is not None:
            given["controlnet"] = net
        kind = getattr(_diffusers, f"StableDiffusion{'XL' if xl else ''}{name}Pipeline")
        pipe = kind(**bare.components, **given)
        pipe.set_progress_bar_config(disable=True)
        pipe.scheduler = _diffusers.DPMSolverMultistepScheduler.from_config(
            config, use_karras_sigmas=True, algorithm_type="dpmsolver++", final_sigmas_type="zero",
            lower_order_final=True,
        )  # fmt: skip
        try:
            with torch.inference_mode():
                image: Image.Image = pipe(
                    inputs.prompt, negative_prompt=inputs.negative,
                    guidance_scale=inputs.guidance, num_inference_steps=inputs.steps,
                    **{"generator": torch.Generator("cpu").manual_seed(SEED), **shown},
                ).images[0]  # fmt: skip
        finally:
            bare.unload_ip_adapter()
        return image

    def image(self, name: str) -> Image.Image:
        with Image.open(self.root / name) as image:
            return image.convert("RGB")


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """As many threads as a worker has: their number decides rounding."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def sd(tiny_model: Path) -> Iterator[tuple[Any, Any]]:
    """The tiny SD 1.5 as a worker has it, over memory that cannot be written, and a bare one."""
    ours, theirs = multiprocessing.Pipe()
    loaded = model.load(tiny_model, CPU)
    giving = threading.Thread(target=loaded.send, args=(ours,))
    giving.start()
    bare = load(tiny_model)
    yield model.attach(model.fetch(theirs)), bare
    giving.join()
    ours.close()
    theirs.close()


@pytest.fixture(scope="module")
def fresh_xl(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return tiny.xl(tmp_path_factory.mktemp("words"))


@pytest.fixture
def xl(fresh_xl: Any) -> tuple[Any, Any]:
    """A tiny SDXL, the same for both: its weights lie where they lie."""
    pipe = deepcopy(fresh_xl)
    return pipe, pipe


@pytest.fixture
def studio(request: pytest.FixtureRequest, tmp_path: Path) -> Studio:
    family, kind = request.param.split()
    pipe, bare = request.getfixturevalue(family)
    return Studio(tmp_path, pipe, bare, kind)


@pytest.fixture
def small(sd: tuple[Any, Any], tmp_path: Path) -> Studio:
    """One of them, for what does not depend on which."""
    return Studio(tmp_path, *sd, "plus")


@pytest.mark.parametrize(
    ("studio", "guidance"),
    [("sd plain", 5.0), ("sd plus", 1.0), ("xl plain", 1.0), ("xl plus", 5.0)],
    indirect=["studio"],
)
def test_a_reference_draws_what_bare_diffusers_draws_with_it(
    studio: Studio, guidance: float
) -> None:
    inputs = replace(INPUTS, guidance=guidance)
    plain = studio.draw(guidance=guidance)
    mine = studio.draw(studio.like("red.png"), guidance=guidance)
    assert mine == studio.by_bare(0.6, inputs=inputs, ip_adapter_image=studio.image("red.png"))
    assert mine != plain
    assert studio.draw(guidance=guidance) == plain


@pytest.mark.parametrize("studio", ["sd plain", "xl plus"], indirect=True)
def test_several_pictures_of_one_subject_are_attended_to_together(studio: Studio) -> None:
    mine = studio.draw(studio.like("red.png", "blue.webp", weight=1.0))
    images = [[studio.image("red.png"), studio.image("blue.webp")]]
    assert mine == studio.by_bare(1.0, ip_adapter_image=images)


@pytest.mark.parametrize("studio", ["sd plus", "xl plain"], indirect=True)
def test_two_subjects_keep_to_their_columns_as_with_diffusers_masks(studio: Studio) -> None:
    mine = studio.draw(
        studio.like("red.png", column=LEFT), studio.like("blue.webp", weight=0.9, column=RIGHT)
    )
    wanted = studio.by_bare(
        0.6, 0.9, ip_adapter_image=[studio.image("red.png"), studio.image("blue.webp")],
        cross_attention_kwargs={"ip_adapter_masks": halves(64)},
    )  # fmt: skip
    assert mine == wanted
    other = studio.draw(
        studio.like("blue.webp", column=LEFT), studio.like("red.png", weight=0.9, column=RIGHT)
    )
    assert other != mine


@pytest.mark.parametrize("studio", ["sd plus", "xl plain"], indirect=True)
def test_a_reference_acts_over_a_picture_to_begin_from(studio: Studio) -> None:
    source = Source(picture=guides.picture(studio.root, "sketch.png", (64, 64)), strength=0.5)
    inputs = replace(INPUTS, steps=4, source=source)
    mine = studio.draw(studio.like("red.png"), steps=4, source=source)
    assert mine != studio.draw(steps=4, source=source)
    wanted = studio.by_bare_pipeline(
        "Img2Img", 0.6, inputs=inputs, image=studio.image("sketch.png"), strength=0.5,
        ip_adapter_image=studio.image("red.png"),
    )  # fmt: skip
    assert mine == wanted.tobytes()


@pytest.mark.parametrize("studio", ["sd plus", "xl plain"], indirect=True)
def test_references_act_in_both_passes_each_in_its_column_of_that_size(studio: Studio) -> None:
    refine = Refined(width=128, height=128, strength=0.5, steps=2)
    pair = studio.like("red.png", column=LEFT), studio.like("blue.webp", column=RIGHT)
    mine = studio.draw(*pair, refine=refine)
    images = [studio.image("red.png"), studio.image("blue.webp")]
    noise = torch.Generator("cpu").manual_seed(SEED)

    def by_bare(name: str, side: int, **named: Any) -> Image.Image:
        return studio.by_bare_pipeline(
            name, 0.6, 0.6, inputs=INPUTS, generator=noise, ip_adapter_image=images,
            cross_attention_kwargs={"ip_adapter_masks": halves(side)}, **named,
        )  # fmt: skip

    first = by_bare("", 64, width=64, height=64)
    larger = first.resize((128, 128), Image.Resampling.LANCZOS)
    assert mine == by_bare("Img2Img", 128, image=larger, strength=0.5).tobytes()


@pytest.mark.parametrize("studio", ["xl plain"], indirect=True)
def test_references_go_with_a_mask_a_control_and_less_memory(studio: Studio) -> None:
    plain, likeness = studio.draw(), studio.like("red.png")
    picture = guides.picture(studio.root, "sketch.png", (64, 64))
    mask = guides.mask(studio.root, "mask.png", (64, 64))
    net = guides.control(studio.bare.unet)
    steering = guides.steering(net, studio.root, "pose.safetensors", picture)
    source = Source(picture=picture, strength=0.6, mask=mask)
    given: dict[str, Any] = {"steps": 4, "source": source, "controls": (steering,)}
    mine = studio.draw(likeness, **given)
    sketch = studio.image("sketch.png")
    wanted = studio.by_bare_pipeline(
        "ControlNetInpaint", 0.6, inputs=replace(INPUTS, steps=4), net=net, image=sketch,
        mask_image=studio.image("mask.png").convert("L"), control_image=sketch, strength=0.6,
        width=64, height=64, ip_adapter_image=studio.image("red.png"),
    )  # fmt: skip
    assert mine == wanted.tobytes()
    assert studio.draw(likeness, lean=True, **given) != studio.draw(lean=True, **given)
    assert studio.draw() == plain


@pytest.mark.parametrize(
    "studio", ["sd plus", pytest.param("xl plain", marks=pytest.mark.slow)], indirect=True
)
def test_loras_are_worn_at_the_same_time(studio: Studio) -> None:
    parts = {"unet": loras.layers(studio.bare.unet, loras.LAYERS)}
    lora = loras.peft(studio.root / "lora.safetensors", parts)
    worn = (Adapter(file=lora.name, sha256=sha256_of(lora), weight=0.7),)
    plain = studio.draw()
    mine = studio.draw(studio.like("red.png"), adapters=worn)
    assert studio.draw() == plain
    assert mine not in (plain, studio.draw(studio.like("red.png")), studio.draw(adapters=worn))
    if studio.bare is studio.pipe:
        studio.painter.wear(worn, studio.root)
        assert mine == studio.by_bare(0.6, ip_adapter_image=studio.image("red.png"))
        return
    studio.bare.load_lora_weights(str(lora), adapter_name="a", use_safetensors=True)
    studio.bare.set_adapters(["a"], [0.7])
    try:
        assert mine == studio.by_bare(0.6, ip_adapter_image=studio.image("red.png"))
    finally:
        studio.bare.unload_lora_weights()


def test_after_many_jobs_the_shared_weights_are_those_that_they_were(small: Studio) -> None:
    """By address and by content; processors, hooks and configuration too."""
    unet = small.pipe.unet
    plain, before, places = small.draw(), sums(small.pipe), pointers(small.pipe)
    own = dict(unet.attn_processors)
    kinds = [
        (small.like("red.png"),),
        (small.like("red.png", column=LEFT), small.like("blue.webp", column=RIGHT)),
        (small.like("red.png", "blue.webp", weight=0.3),),
    ]
    first = [small.draw(*likenesses) for likenesses in kinds]
    for number in range(JOBS):
        small.draw(*kinds[number % len(kinds)], steps=1)
        if number % 7 == 0:
            assert small.draw() == plain
    assert [small.draw(*likenesses) for likenesses in kinds] == first
    assert small.draw() == plain
    assert (sums(small.pipe), pointers(small.pipe)) == (before, places)
    assert all(unet.attn_processors[name] is processor for name, processor in own.items())
    assert (unet.encoder_hid_proj, unet.config.encoder_hid_dim_type) == (None, None)


def test_a_picture_that_is_stopped_leaves_nothing(small: Studio) -> None:
    plain = small.draw()

    def stops(*_: object) -> None:
        raise InterruptedError

    likenesses = (small.like("red.png"),)
    small.painter.show(likenesses, small.root)
    with pytest.raises(InterruptedError):
        small.painter.paint(replace(INPUTS, likenesses=likenesses), SEED, lambda _: None, stops)
    assert small.draw() == plain


def test_less_memory_takes_references_along(small: Studio) -> None:
    likeness = small.like("red.png")
    plain, whole = small.draw(), small.draw(likeness)
    lean = small.draw(likeness, lean=True)
    assert lean != small.draw(lean=True)
    assert close(lean, whole) < close(lean, plain)
    assert small.draw() == plain


def test_regions_and_references_go_together(small: Studio) -> None:
    whole = Region(prompt="blue, rain", left=0, top=0, right=1, bottom=1)
    halves = tuple(
        replace(whole, prompt=prompt, left=left, right=left + 0.5)
        for prompt, left in (("red hair", 0.0), ("blue hair", 0.5))
    )
    pair = small.like("red.png", column=LEFT), small.like("blue.webp", column=RIGHT)
    for guidance in (5.0, 1.0):
        alone = small.draw(*pair, prompt=whole.prompt, guidance=guidance)
        assert small.draw(*pair, regions=(whole,), guidance=guidance) == alone
        both = small.draw(*pair, regions=halves, guidance=guidance)
        assert both not in (alone, small.draw(regions=halves, guidance=guidance))


def test_pooled_text_of_regions_goes_with_references(xl: tuple[Any, Any], tmp_path: Path) -> None:
    studio = Studio(tmp_path, *xl, "plain")
    whole = Region(prompt="blue, rain", left=0, top=0, right=1, bottom=1)
    likeness = studio.like("red.png")
    alone = studio.draw(likeness, prompt=whole.prompt)
    assert studio.draw(likeness, regions=(whole,)) == alone


def test_subjects_may_have_adapters_of_their_own(small: Studio) -> None:
    other = ip_adapters.adapter(small.root / "own/plain.safetensors", small.bare.unet, "plain")
    own = replace(
        small.like("blue.webp", column=RIGHT), adapter=sha256_of(other),
        file="own/plain.safetensors",
    )  # fmt: skip
    pair = small.like("red.png", column=LEFT), own
    assert small.draw(*pair) not in (small.draw(), small.draw(pair[0]), small.draw(pair[1]))
    assert set(small.painter._references.kept) == {each.adapter for each in pair} | {ENCODER}


def test_what_is_needed_no_longer_is_kept_up_to_a_bound(small: Studio) -> None:
    other = ip_adapters.adapter(small.root / "other.safetensors", small.bare.unet, "plain", seed=2)
    like = small.like("red.png")
    unlike = replace(like, adapter=sha256_of(other), file="other.safetensors")
    tight = References(small.pipe, small.told, most=0)
    tight.show((like, unlike), small.root)
    assert set(tight.kept) == {like.adapter, unlike.adapter}, "what is needed now stays"
    tight.show((like,), small.root)
    assert set(tight.kept) == {like.adapter}
    tight.show((), small.root)
    assert tight.kept == {}
    roomy = References(small.pipe, small.told)
    roomy.show((like,), small.root)
    sizes = roomy.kept
    half = sum(tensor.nbytes for tensor in loras.read(small.file).values())
    assert sizes[like.adapter] == 2 * half
    assert sizes[ENCODER] == sum(
        tensor.nbytes for tensor in loras.read(small.encoder / "model.safetensors").values()
        if tensor.is_floating_point()
    )  # fmt: skip


def test_a_picture_is_looked_at_once(small: Studio) -> None:
    likeness = small.like("red.png")
    first, other = small.draw(likeness), small.like("blue.webp")
    (small.root / "red.png").unlink()
    (small.encoder / "model.safetensors").unlink()
    assert small.draw(likeness) == first
    with pytest.raises(CannotUse, match="the image encoder image_encoder cannot be read"):
        small.draw(other, painter=Painter(small.pipe, CPU, small.told))


def test_what_changed_or_is_gone_is_not_shown_and_the_next_picture_is_as_ever(
    small: Studio,
) -> None:
    plain, likeness = small.draw(), small.like("red.png")
    ip_adapters.picture(small.root / "red.png", "green")
    with pytest.raises(CannotUse, match=r"the picture red\.png is another one than when"):
        small.draw(likeness)
    (small.root / "red.png").unlink()
    with pytest.raises(CannotUse, match=r"the picture red\.png cannot be read: No such file"):
        small.draw(likeness)
    likeness = small.like("blue.webp")
    for file in (small.file, small.encoder / "model.safetensors"):
        kept = file.read_bytes()
        file.write_bytes(kept + b"x")
        with pytest.raises(CannotUse, match="is another one than when"):
            small.draw(likeness, painter=Painter(small.pipe, CPU, small.told))
        file.write_bytes(kept)
    with pytest.raises(CannotUse, match="needs an IP-Adapter, and none is named"):
        small.draw(likeness, painter=Painter(small.pipe, CPU))
    assert small.draw() == plain


def test_nothing_outside_the_inbox_is_read(small: Studio) -> None:
    inbox = small.root / "inbox"
    inbox.mkdir()
    (inbox / "link.png").symlink_to(small.root / "red.png")
    likeness = small.like("red.png")
    os.link(small.file, inbox / "ip.safetensors")
    for name in ("../red.png", str(small.root / "red.png"), "link.png"):
        asked = replace(likeness, pictures=(replace(likeness.pictures[0], file=name),))
        with pytest.raises(CannotUse, match=r"the picture .* is outside the inbox"):
            References(small.pipe, small.told).show((asked,), inbox)
    asked = replace(likeness, file="../ip-adapter.safetensors")
    with pytest.raises(CannotUse, match=r"the IP-Adapter .* is outside the inbox"):
        References(small.pipe, small.told).show((asked,), inbox)


def test_one_for_another_model_is_refused(small: Studio, xl: tuple[Any, Any]) -> None:
    other = Studio(small.root / "xl", *xl, "plain")
    asked = other.like("red.png")
    references = References(small.pipe, other.told)
    with pytest.raises(CannotUse, match=r"ip-adapter\.safetensors cannot be used: it is made for"):
        references.show((asked,), other.root)
    assert references.kept == {}
    assert references.shown == ()


@pytest.mark.parametrize("size", [(512, 768), (832, 1216), (1152, 448), (520, 776), (64, 72)])
def test_a_mask_has_the_rows_and_columns_that_attention_has(size: tuple[int, int]) -> None:
    width, height = size
    pair = [
        Likeness(pictures=(Picture(sha256="a"),), weight=1, adapter="b", encoder="c", left=left,
                 right=left + 0.5)
        for left in (0.0, 0.5)
    ]  # fmt: skip
    columns = Columns(pair, width, height, 8, CPU)
    rows, across = height // 8, width // 8
    while across > 1:
        left, right = columns.at(rows * across) or (None, None)
        assert left is not None
        assert right is not None
        assert left.shape == right.shape == (1, 1, rows, across)
        assert float(left[..., 0].min()) > 0.5 > float(left[..., -1].max())
        assert float(right[..., -1].min()) > 0.5 > float(right[..., 0].max())
        rows, across = -(-rows // 2), -(-across // 2)
    assert Columns([replace(pair[0], right=1.0)], width, height, 8, CPU).at(rows * across) is None


def halves(side: int) -> list[torch.Tensor]:
    """Diffusers' masks of the left and the right half of a square picture."""
    masks = []
    for left in (0, side // 2):
        mask = Image.new("L", (side, side), 0)
        mask.paste(255, (left, 0, left + side // 2, side))
        masks.append(IPAdapterMaskProcessor().preprocess(mask, height=side, width=side))
    return masks


def close(one: bytes, other: bytes) -> int:
    return sum(abs(a - b) for a, b in zip(one, other, strict=True))
