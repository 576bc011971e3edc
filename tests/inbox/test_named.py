"""Of the pictures in an inbox those are looked at that a manifest names, from then on and until
then. The observer is real; time is an argument."""

import os
import shutil
from pathlib import Path

from PIL import Image

from pipeline.commands.checking import check_folder
from pipeline.core.ip_adapters import ImageEncoder, IpAdapter, ReferenceModel
from pipeline.core.observed import FileSeen
from pipeline.inbox.watch import ABSENCE, RESCAN, Inbox
from tests.inbox.test_watch import T, after_hints, inbox, names, quiet, root
from tests.inbox.test_watch import rests as _rests

__all__ = ["inbox", "root"]  # fixtures

BIBLE = "kind: character\nname: Akira\nreference: akira.png\n"
SHOWN_BY = ReferenceModel(
    file="ip.safetensors", adapter=IpAdapter(sha256="a" * 64, width=1024),
    folder="image_encoder", encoder=ImageEncoder(sha256="e" * 64, hidden=1280, projected=1024),
)  # fmt: skip


def paint(path: Path, colour: str = "red") -> Path:
    """A picture, in its place at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}")
    Image.new("RGB", (8, 8), colour).save(part, "PNG")
    os.replace(part, path)
    return path


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}")
    part.write_text(text)
    os.replace(part, path)


def test_the_first_step_tells_of_named_pictures_and_of_no_others(root: Path) -> None:
    for name in ("show/references/akira.png", "references/akira.png", "show/other.png"):
        paint(root / name)
    write(root / "show/akira.yaml", BIBLE)
    found = Inbox(root).step(T)
    assert names(found) == ["references/akira.png", "show/akira.yaml", "show/references/akira.png"]
    picture = found[0]
    assert isinstance(picture, FileSeen)
    assert picture.picture is not None
    assert (picture.picture.width, picture.picture.fault, picture.problems) == (8, "", ())


def test_pictures_that_nobody_names_end_no_wait(root: Path, inbox: Inbox) -> None:
    paint(root / "show/rooftop.01.png")
    assert quiet(inbox, T + 1) == []
    assert not inbox.wait(0.1)
    assert _rests(inbox)


def test_a_picture_is_told_once_it_is_named_and_when_it_changes(root: Path, inbox: Inbox) -> None:
    paint(root / "show/akira.png")
    (root / "show/references").mkdir()
    assert quiet(inbox, T + 1) == []
    write(root / "show/akira.yaml", BIBLE)
    told = after_hints(inbox, T + 2, count=2) or []
    told += names(inbox.step(T + 3))
    assert told == ["show/akira.yaml", "show/akira.png"]
    paint(root / "show/akira.png", "blue")
    assert after_hints(inbox, T + 4) == ["show/akira.png"]
    (root / "show/akira.png").unlink()
    assert quiet(inbox, T + 5) == []
    assert names(inbox.step(T + 5 + ABSENCE)) == ["-show/akira.png"]
    paint(root / "show/references/akira.png")
    assert "show/references/akira.png" in after_hints(inbox, T + 6)


def test_a_picture_that_nobody_names_any_more_is_forgotten(root: Path) -> None:
    paint(root / "show/akira.png")
    write(root / "show/akira.yaml", BIBLE)
    write(root / "show/too.yaml", BIBLE.replace("Akira", "Too"))
    inbox = Inbox(root)
    assert len(inbox.step(T)) == 3
    write(root / "show/akira.yaml", "kind: character\nname: Akira\n")
    now = T + RESCAN
    assert names([*inbox.step(now), *inbox.step(now + 1)]) == ["show/akira.yaml"]
    (root / "show/too.yaml").unlink()
    now += RESCAN
    told = names([*inbox.step(now), *inbox.step(now + ABSENCE), *inbox.step(now + 1)])
    assert told == ["-show/akira.png", "-show/too.yaml"]
    write(root / "show/akira.yaml", BIBLE)
    now += RESCAN
    told = names([*inbox.step(now), *inbox.step(now + 1), *inbox.step(now + 2)])
    assert told == ["show/akira.yaml", "show/akira.png"]


def test_a_folder_that_goes_takes_manifest_and_picture_along(root: Path) -> None:
    paint(root / "a/akira.png")
    write(root / "b/akira.yaml", BIBLE.replace("akira.png", "../a/akira.png"))
    paint(root / "show/akira.png")
    write(root / "show/akira.yaml", BIBLE)
    inbox = Inbox(root)
    assert len(inbox.step(T)) == 3
    shutil.rmtree(root / "show")
    now = T + RESCAN
    assert names([*inbox.step(now), *inbox.step(now + ABSENCE), *inbox.step(now + 1)]) == [
        "-show/akira.png", "-show/akira.yaml",
    ]  # fmt: skip


def test_check_reads_named_pictures_and_says_what_is_missing(root: Path) -> None:
    write(root / "show/akira.yaml", BIBLE)
    write(root / "show/rain.yaml", "kind: job\ncharacters: [akira]\nreference: sea.png\n")
    said: dict[str, list[str]] = {each.file: [] for each in check_folder(root).problems}
    for each in check_folder(root, reference_model=SHOWN_BY).problems:
        said[each.file].append(f"{each.line}: {each.message}; {each.hint}")
    way = "put it beside the manifest, in a folder above it, or in a folder references there"
    assert said["show/akira.yaml"] == [f"3: there is no picture 'akira.png' yet; {way}"]
    assert said["show/rain.yaml"] == [
        f"1: there is no picture 'akira.png' of akira yet; {way} (the job waits)",
        f"3: there is no picture 'sea.png' yet; {way} (the job waits)",
    ]
    paint(root / "show/references/akira.png")
    paint(root / "sea.png")
    assert check_folder(root, reference_model=SHOWN_BY).problems == ()
    (problem, *_) = check_folder(root).problems
    assert "none is named: say ip_adapter and image_encoder in anime.toml" in problem.message
    assert problem.hint.startswith("name one that is made for it in the settings")
    (root / "sea.png").write_bytes(b"no picture")
    (problem,) = check_folder(root, reference_model=SHOWN_BY).problems
    assert problem.message == (
        "the picture sea.png cannot be used: it is no PNG, JPEG or WebP; save it as one of these"
    )
    (problem,) = check_folder(root, asked=["sea.png"]).problems
    assert problem.message.startswith("this picture cannot be used: it is no PNG, JPEG or WebP")
