"""The contact sheet: every picture on it once, in place, whatever its shape and name."""

from pathlib import Path

import pytest
from PIL import Image

from pipeline.contact import Card, draw_sheet, write_sheet

COLORS = [(220, 30, 30), (30, 220, 30), (30, 30, 220), (220, 220, 30), (30, 220, 220)]


def cards(folder: Path, sizes: list[tuple[int, int]]) -> list[Card]:
    found = []
    for number, size in enumerate(sizes):
        file = folder / f"{number}.png"
        Image.new("RGB", size, COLORS[number % len(COLORS)]).save(file)
        found.append(Card(file=file, name=f"picture {number} " * number, style="manga"))
    return found


def test_every_picture_stands_on_it(tmp_path: Path) -> None:
    sheet = draw_sheet(cards(tmp_path, [(256, 256)] * 5), title="x", subtitle="y")
    counts = dict.fromkeys(COLORS, 0)
    for count, color in sheet.getcolors(sheet.width * sheet.height) or ():
        if color in counts:
            counts[color] = count
    assert all(63_000 < count <= 65_536 for count in counts.values()), counts
    assert sheet.width > sheet.height


def test_shapes_are_kept(tmp_path: Path) -> None:
    sheet = draw_sheet(cards(tmp_path, [(512, 256), (64, 128)]), title="x")
    assert sheet.height < 600
    wide = [x for x in range(sheet.width) for y in (220,) if sheet.getpixel((x, y)) == COLORS[0]]
    assert len(wide) == 256


@pytest.mark.parametrize("count", [1, 2, 3, 8, 11, 30])
def test_any_number(tmp_path: Path, count: int) -> None:
    sheet = draw_sheet(cards(tmp_path, [(8, 8)] * count), title="long " * 100)
    assert sheet.width < 4000


def test_none_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one picture"):
        draw_sheet([], title="x")


def test_the_file_is_whole_or_not_there(tmp_path: Path) -> None:
    some = cards(tmp_path, [(8, 8)])
    write_sheet(some, tmp_path / "sheet.png", title="x")
    with Image.open(tmp_path / "sheet.png") as sheet:
        sheet.load()
    gone = [*some, Card(file=tmp_path / "gone.png", name="", style="")]
    with pytest.raises(FileNotFoundError):
        write_sheet(gone, tmp_path / "other.png", title="x")
    assert {file.name for file in tmp_path.iterdir()} == {"0.png", "sheet.png"}
