"""Commands as files: whole, in order, answered once, and harmless where they are none."""

import json
import os
from pathlib import Path

import pytest

from pipeline.core import observed as o
from pipeline.core.commands import Hold, Pause, Resume
from pipeline.orders import NotYetRun, Orders, send


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    (tmp_path / ".pipeline").mkdir()
    return tmp_path


def test_a_command_is_read_as_it_was_sent_and_goes_when_it_is_done(inbox: Path) -> None:
    name = send(inbox, Hold(target="show/雨"), at=7)
    file = inbox / ".pipeline/commands" / f"{name}.json"
    assert json.loads(file.read_bytes()) == {"command": "hold", "target": "show/雨"}
    orders = Orders(inbox)
    (look,) = orders.look()
    assert look == o.Commanded(command=name, said=Hold(target="show/雨"))
    orders.done(look)
    assert os.listdir(file.parent) == []
    assert orders.look() == []


def test_commands_are_read_in_the_order_in_which_they_were_given(inbox: Path) -> None:
    names = [send(inbox, Pause(reason=str(at)), at=at) for at in (9, 10, 100)]
    assert [look.command for look in Orders(inbox).look()] == names


def test_two_at_one_moment_have_names_of_their_own(inbox: Path) -> None:
    assert send(inbox, Pause(), at=1) != send(inbox, Resume(), at=1)
    assert len(Orders(inbox).look()) == 2


def test_an_unfinished_file_is_no_command_yet(inbox: Path) -> None:
    send(inbox, Pause(), at=1)
    (inbox / ".pipeline/commands/.anime-1-1.part").write_text('{"comm')
    (inbox / ".pipeline/commands/readme.txt").write_text("x")
    assert len(Orders(inbox).look()) == 1


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe",
        b'{"command":"hold"',
        b'{"command":"explode"}',
        b'{"command":"hold","target":7}',
        b'{"command":"hold","targte":"x"}',
        b'{"command":"prioritise","job":"x","priority":5000}',
        b"[" * 60_000,
        b" " * 70_000,
    ],
)
def test_what_is_no_command_is_set_aside_with_its_reason(inbox: Path, data: bytes) -> None:
    folder = inbox / ".pipeline/commands"
    folder.mkdir()
    (folder / "bad.json").write_bytes(data)
    send(inbox, Resume(), at=1)
    orders = Orders(inbox)
    good, bad = orders.look()
    assert isinstance(good, o.Commanded)
    assert isinstance(bad, o.Garbled)
    orders.done(bad)
    assert (folder / "refused/bad.json").read_bytes() == data
    assert "bad.json is no command" in (folder / "refused/bad.json.txt").read_text()
    assert orders.look() == [good]


def test_a_folder_a_pipe_and_a_link_are_no_commands_and_are_not_waited_for(inbox: Path) -> None:
    folder = inbox / ".pipeline/commands"
    (folder / "folder.json").mkdir(parents=True)
    os.mkfifo(folder / "pipe.json")
    (inbox / "elsewhere.json").write_text('{"command":"resume"}')
    (folder / "link.json").symlink_to(inbox / "elsewhere.json")
    orders = Orders(inbox)
    looks = orders.look()
    assert [type(look) for look in looks] == [o.Garbled] * 3
    for look in looks:
        orders.done(look)
    assert sorted(os.listdir(folder)) == ["refused"]
    assert (inbox / "elsewhere.json").exists()


def test_a_name_in_no_encoding_is_set_aside_too(inbox: Path) -> None:
    folder = inbox / ".pipeline/commands"
    folder.mkdir()
    with open(os.fsencode(folder) + b"/\xff\xfe.json", "wb") as file:
        file.write(b"x")
    orders = Orders(inbox)
    (look,) = orders.look()
    assert look.command.isascii()
    orders.done(look)
    assert orders.look() == []


def test_an_inbox_that_never_ran_is_not_made_to_look_as_if(tmp_path: Path) -> None:
    """An empty folder that waits for its disk must not become an inbox without manifests."""
    with pytest.raises(NotYetRun):
        send(tmp_path, Pause(), at=1)
    assert os.listdir(tmp_path) == []
    assert Orders(tmp_path).look() == []


@pytest.mark.parametrize(
    "names",
    [
        ("a" * 200 + "1", "a" * 200 + "2"),
        ("é", "\\xe9", "e\u0301"),
        ("\udce9", "\\udce9"),
    ],
)
def test_commands_of_much_the_same_name_are_answered_each(
    inbox: Path, names: tuple[str, ...]
) -> None:
    """Names that are long, or not ASCII, or not text at all, are told apart."""
    folder = inbox / ".pipeline/commands"
    folder.mkdir()
    for name in names:
        (folder / f"{name}.json").write_text('{"command":"pause"}')
    orders = Orders(inbox)
    looks = orders.look()
    assert len({look.command for look in looks}) == len(names)
    assert all(look.command.isascii() and len(look.command) <= 200 for look in looks)
    for look in looks:
        orders.done(look)
    assert os.listdir(folder) == []
