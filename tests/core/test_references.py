"""A reference is found by its pictures' names, keeps to its subject's column, and is waited for."""

from typing import Any

import pytest

from pipeline.core import events as e
from pipeline.core.adapters import AdapterFile
from pipeline.core.ip_adapters import ImageEncoder, IpAdapter, ReferenceModel
from pipeline.core.observed import FileGone, FileSeen
from pipeline.core.pictures import REFERENCES, PictureFile, places
from pipeline.core.resolved import Likeness, Picture
from pipeline.core.status import outdated
from tests.production import MODEL, Production

BIBLE = "kind: character\nname: Akira\nappearance: red hair\n"
REI = "kind: character\nname: Rei\nappearance: blue hair\n"
JOB = "kind: job\ncharacters: [akira]\nprompt: rain\n"
PAIR = "kind: job\ncharacters: [akira, rei]\n"
SHOWN_BY = ReferenceModel(
    file="ip-adapter.safetensors", adapter=IpAdapter(sha256="a" * 64, width=1024),
    folder="image_encoder", encoder=ImageEncoder(sha256="e" * 64, hidden=1280, projected=1024),
)  # fmt: skip


def made(shown_by: ReferenceModel | None = SHOWN_BY) -> Production:
    found = Production()
    start(found, shown_by)
    return found


def start(made: Production, shown_by: ReferenceModel | None) -> None:
    started = e.RunnerStarted(
        version="0", model=MODEL, workers=3, device="cpu", pid=1, reference_model=shown_by
    )
    made.record(started)
    made.observe()


def offer(made: Production, file: str, letter: str = "1", fault: str = "") -> list[Any]:
    picture = PictureFile(sha256="" if fault else letter * 64, width=8, height=8, fault=fault)
    return made.observe(FileSeen(file=file, sha256=letter * 64, picture=picture))


def likenesses(made: Production, job: str = "show/rain") -> tuple[Likeness, ...]:
    return made.compiled(job).cells[0].resolved.likenesses


@pytest.mark.parametrize(
    ("said", "file"),
    [
        ("akira.png", "show/akira.png"),
        ("akira.JPG", "show/references/akira.JPG"),
        ("references/akira.webp", "references/akira.webp"),
        ("akira.png", "references/akira.png"),
        ("./sub/../akira.jpeg", "show/akira.jpeg"),
    ],
)
def test_a_bible_names_a_picture_beside_it_or_above(said: str, file: str) -> None:
    here = made()
    here.drop("show/akira.yaml", f"{BIBLE}reference: {said}\n")
    offer(here, file)
    here.drop("show/rain.yaml", JOB)
    picture = Picture(file=file, sha256="1" * 64)
    assert likenesses(here) == (
        Likeness(pictures=(picture,), weight=0.6, adapter="a" * 64, encoder="e" * 64),
    )


def test_it_is_looked_for_in_a_folder_of_references_too() -> None:
    assert list(places("a/b/c.yaml", "front.png", REFERENCES)) == [
        "a/b/front.png", "a/b/references/front.png", "a/front.png", "a/references/front.png",
        "front.png", "references/front.png",
    ]  # fmt: skip
    assert list(places("a/b.yaml", "../../akira.png", REFERENCES)) == []
    assert next(places("a.yaml", "e\u0301.png", REFERENCES)) == "\u00e9.png"


def test_of_several_characters_each_keeps_to_its_column() -> None:
    here = made()
    here.drop("show/akira.yaml", f"{BIBLE}reference: {{picture: a.png, weight: 0.8}}\n")
    here.drop("show/rei.yaml", f"{REI}reference: [b.png, c.png]\n")
    for name in "abc":
        offer(here, f"show/{name}.png", name)
    here.drop("show/rain.yaml", PAIR)
    first, second = likenesses(here)
    assert (first.left, first.right, first.weight) == (0, 0.5, 0.8)
    assert (second.left, second.right, second.weight) == (0.5, 1, 0.6)
    assert [picture.sha256[0] for picture in second.pictures] == ["b", "c"]
    here.drop("show/rain.yaml", "kind: job\ncharacters: [rei, rei, akira]\n")
    assert [round(each.left, 2) for each in likenesses(here)] == [0, 0.33, 0.67]


def test_a_cast_stands_in_its_regions() -> None:
    here = made()
    here.drop("show/akira.yaml", f"{BIBLE}reference: a.png\n")
    here.drop("show/rei.yaml", REI)
    offer(here, "show/a.png")
    cast = "kind: job\ncast: [{who: akira, at: right}, {who: rei}]\n"
    here.drop("show/rain.yaml", cast)
    (cell,) = here.compiled().cells
    (likeness,) = cell.resolved.likenesses
    right = cell.resolved.regions[1]
    assert (likeness.left, likeness.right) == (right.left, right.right) == (0.5, 1.0)
    here.drop("show/rain.yaml", "kind: job\ncast: [{who: akira}]\n")
    assert likenesses(here)[0].whole


def test_a_jobs_own_is_about_the_whole_picture() -> None:
    here = made()
    here.drop("show/akira.yaml", f"{BIBLE}reference: a.png\n")
    here.drop("show/rain.yaml", f"{JOB}reference: {{picture: harbour.jpg, weight: 0.3}}\n")
    offer(here, "show/a.png", "1")
    offer(here, "show/harbour.jpg", "2")
    assert [(each.whole, each.weight) for each in likenesses(here)] == [(True, 0.6), (True, 0.3)]
    here.drop("show/rain.yaml", f"{JOB}reference: {{picture: harbour.jpg, weight: 0}}\n")
    assert len(likenesses(here)) == 1


def test_the_digest_knows_content_weight_and_column_but_not_the_place() -> None:
    here = made()
    here.drop("show/akira.yaml", BIBLE)
    here.drop("show/rain.yaml", JOB)
    digests = [here.compiled().cells[0].digest]
    here.drop("show/akira.yaml", f"{BIBLE}reference: a.png\n")
    offer(here, "show/a.png", "1")
    digests.append(here.compiled().cells[0].digest)
    offer(here, "show/references/a.png", "1")
    here.remove("show/a.png")
    assert likenesses(here)[0].pictures[0].file == "show/references/a.png"
    assert here.compiled().cells[0].digest == digests[-1]
    offer(here, "show/references/a.png", "2")
    digests.append(here.compiled().cells[0].digest)
    here.drop("show/akira.yaml", f"{BIBLE}reference: {{picture: a.png, weight: 1}}\n")
    digests.append(here.compiled().cells[0].digest)
    start(here, ReferenceModel(adapter=IpAdapter(sha256="b" * 64, width=1024),
                               encoder=SHOWN_BY.encoder))  # fmt: skip
    digests.append(here.compiled().cells[0].digest)
    assert len(set(digests)) == len(digests)


def test_a_job_without_a_reference_has_the_digest_that_it_had() -> None:
    here = made(None)
    here.drop("show/akira.yaml", BIBLE)
    here.drop("show/rain.yaml", JOB)
    without = here.compiled().cells[0].digest
    start(here, SHOWN_BY)
    assert here.compiled().cells[0].digest == without
    assert b"likeness" not in e.encode(here.events[-1])[1]


def test_a_picture_that_changes_makes_stale_what_was_drawn_after_it() -> None:
    here = made()
    here.drop("show/akira.yaml", f"{BIBLE}reference: a.png\n")
    offer(here, "show/a.png", "1")
    here.drop("show/rain.yaml", JOB)
    here.drop("show/plain.yaml", "kind: job\nprompt: rain\n")
    for task in here.tasks():
        here.paint(task)
    offer(here, "show/a.png", "2")
    assert outdated(here.state, here.job("show/rain")) == ("picture show/a.png",)
    assert outdated(here.state, here.job("show/plain")) == ()


def test_a_picture_that_is_not_there_is_waited_for_and_un_waits() -> None:
    here = made()
    here.drop("show/akira.yaml", f"{BIBLE}reference: a.png\n")
    here.drop("show/rain.yaml", JOB)
    assert here.waits() == "there is no picture 'a.png' of akira yet"
    events = offer(here, "show/references/a.png")
    assert [type(event).__name__ for event in events] == ["PictureDeclared", "RenderRequested"]
    events = here.observe(FileGone(file="show/references/a.png"))
    assert [type(event).__name__ for event in events] == ["PictureWithdrawn", "RenderWithdrawn"]
    offer(here, "show/a.png", fault="it is empty")
    assert here.waits() == "the picture show/a.png cannot be drawn from: it is empty"


def test_without_an_ip_adapter_a_reference_waits_and_says_what_to_name() -> None:
    here = made(None)
    here.drop("show/akira.yaml", f"{BIBLE}reference: a.png\n")
    offer(here, "show/a.png")
    here.drop("show/rain.yaml", JOB)
    assert "none is named: say ip_adapter and image_encoder in anime.toml" in here.waits()
    assert "none for the bundled model" in here.waits()
    start(here, ReferenceModel(file="ip.safetensors", adapter=SHOWN_BY.adapter))
    assert "needs an image encoder" in here.waits()
    unfit = IpAdapter(sha256="a" * 64, unfit={MODEL.sha256: "it is made for SDXL"}, width=1024)
    start(here, ReferenceModel(file="ip.safetensors", adapter=unfit, encoder=SHOWN_BY.encoder))
    assert here.waits() == "the IP-Adapter ip.safetensors cannot be used: it is made for SDXL"
    deep = IpAdapter(sha256="a" * 64, width=1664, deep=True)
    start(here, ReferenceModel(file="ip.safetensors", adapter=deep, folder="image_encoder",
                               encoder=SHOWN_BY.encoder))  # fmt: skip
    assert here.waits() == (
        "the image encoder image_encoder cannot be used with the IP-Adapter ip.safetensors: it "
        "gives 1280 values (ViT-H), and the IP-Adapter wants 1664 (ViT-bigG)"
    )
    broken = ImageEncoder(fault="its config.json is no JSON")
    start(here, ReferenceModel(file="ip.safetensors", adapter=deep, folder="image_encoder",
                               encoder=broken))  # fmt: skip
    why = "the image encoder image_encoder cannot be used: its config.json is no JSON"
    assert here.waits() == why
    start(here, SHOWN_BY)
    assert likenesses(here)


def test_a_reference_may_name_an_ip_adapter_of_its_own() -> None:
    here = made()
    own = AdapterFile(
        fault="it is no LoRA but an IP-Adapter",
        prompting=IpAdapter(sha256="b" * 64, width=1280, deep=True),
    )
    here.drop("show/akira.yaml", f"{BIBLE}reference: {{picture: a.png, model: plus}}\n")
    offer(here, "show/a.png")
    here.drop("show/rain.yaml", JOB)
    here.observe(FileSeen(file="show/plus_2.safetensors", sha256="b" * 64, adapter=own))
    assert here.waits() == (
        "there is no IP-Adapter 'plus' of akira yet (nearest: plus_2.safetensors)"
    )
    here.observe(FileSeen(file="loras/plus.safetensors", sha256="b" * 64, adapter=own))
    (likeness,) = likenesses(here)
    assert (likeness.file, likeness.adapter) == ("loras/plus.safetensors", "b" * 64)
    lora = AdapterFile(sha256="c" * 64)
    here.observe(FileSeen(file="loras/plus.safetensors", sha256="c" * 64, adapter=lora))
    assert here.waits() == (
        "the IP-Adapter loras/plus.safetensors cannot be used: it is no IP-Adapter but a LoRA"
    )


def test_a_drawn_picture_is_a_reference_as_soon_as_it_is_drawn() -> None:
    here = made()
    here.drop("show/akira.yaml", f"{BIBLE}reference: first.01.png\n")
    here.drop("show/rain.yaml", JOB)
    assert here.waits() == "there is no picture 'first.01.png' of akira yet"
    here.drop("show/first.yaml", "kind: job\nprompt: sun\n")
    assert here.waits() == "the picture show/first.01.png is not drawn yet"
    events = here.paint(here.tasks()[0])
    assert [type(event).__name__ for event in events] == ["ImageRendered", "RenderRequested"]
    (likeness,) = likenesses(here)
    drawn = here.job("show/first").takes[-1].images[1]
    assert likeness.pictures == (Picture(file="show/first.01.png", sha256=drawn.sha256),)
    here.paint(here.tasks()[0])
    here.drop("show/first.yaml", "kind: job\nprompt: moon\n")
    here.paint(here.tasks()[0])
    assert outdated(here.state, here.job("show/rain")) == ("picture show/first.01.png",)


@pytest.mark.parametrize(
    "files",
    [
        {"first": "reference: first.01.png"},
        {"first": "reference: second.01.png", "second": "from: first.01.png"},
        {"first": "from: second.01.png", "second": "characters: [akira]",
         "akira": "reference: first.01.png"},
        {"first": "characters: [akira]", "akira": "reference: first.01.png"},
    ],
)  # fmt: skip
def test_nothing_is_drawn_after_itself(files: dict[str, str]) -> None:
    here = made()
    for name, said in sorted(files.items(), reverse=True):
        what = BIBLE if name == "akira" else f"kind: job\nprompt: {name}\n"
        here.drop(f"show/{name}.yaml", f"{what}{said}\n")
    assert "would be drawn from itself" in here.waits("show/first")
    assert here.tasks() == []
