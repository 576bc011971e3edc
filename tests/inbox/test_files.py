"""Manifests are told from droppings, links and devices; a file is read whole or not at all."""

import os
import socket
from pathlib import Path

import pytest

from pipeline.inbox import files
from pipeline.inbox.yaml import LARGEST_FILE


@pytest.mark.parametrize("raw", ["a.yaml", "b/c d/é.yml", "A.YAML", "日本/東京.yaml", "a.b.yaml"])
def test_manifests(raw: str) -> None:
    assert files.is_manifest(raw)


@pytest.mark.parametrize(
    "raw",
    [".a.yaml", ".pipeline/a.yaml", "a/.git/b.yaml", "a.yaml~", ".#a.yaml", "#a.yaml#", "4913",
     ".a.yaml.swp", "a.yaml.swx", "a.yaml.tmp", "a.yaml.part", "a.png", "a.error.txt", "a",
     "yaml", "../a.yaml"],
)  # fmt: skip
def test_droppings(raw: str) -> None:
    assert not files.is_manifest(raw)


def test_a_walk_finds_manifests_at_any_depth_and_enters_neither_links_nor_hidden_folders(
    tmp_path: Path,
) -> None:
    for raw in (
        "a.yaml",
        "b/c.yml",
        "b/d/e.yaml",
        ".git/f.yaml",
        "b/.x/g.yaml",
        "b/h.png",
        "b/c.01.png",
    ):
        (tmp_path / raw).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / raw).touch()
    (tmp_path / "b" / "loop").symlink_to(tmp_path)
    (tmp_path / "folder.yaml").mkdir()
    fails: dict[str, OSError] = {}
    found = sorted(files.walk(tmp_path, "", fails.__setitem__))
    assert found == ["a.yaml", "b/c.yml", "b/d/e.yaml", "b/h.png"]
    assert sorted(files.walk(tmp_path, "b/d", fails.__setitem__)) == ["b/d/e.yaml"]
    assert not list(files.walk(tmp_path, "nowhere", fails.__setitem__))
    assert fails == {}


def test_only_plain_files_inside_the_inbox_have_a_signature(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "inbox"
    (root / ".pipeline").mkdir(parents=True)
    monkeypatch.chdir(root)  # A socket's path may be no longer than 107 bytes.
    for path in (root / "a.yaml", tmp_path / "out.yaml", root / ".pipeline" / "x.yaml"):
        path.write_text("kind: job")
    (root / "folder.yaml").mkdir()
    os.mkfifo(root / "pipe.yaml")
    links = {
        "inside": "a.yaml", "outside": "../out.yaml", "hidden": ".pipeline/x.yaml",
        "dangling": "nothing.yaml", "loop": "loop.yaml", "absolute": str(tmp_path / "out.yaml"),
        "device": "/dev/zero",
    }  # fmt: skip
    for name, target in links.items():
        (root / f"{name}.yaml").symlink_to(target)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket.yaml")
        known = {
            path.stem for path in root.iterdir() if files.signature(root, path.name) is not None
        } - {".pipeline"}
    assert known == {"a", "inside"}
    assert files.signature(root, "nowhere/a.yaml") is None
    assert files.signature(root, "a.yaml/b.yaml") is None


def test_a_file_is_read_whole_and_a_large_one_no_further_than_needed(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(b"kind: job")
    assert files.read(path) == b"kind: job"
    path.write_bytes(b"#" * (3 * LARGEST_FILE))
    data = files.read(path)
    assert data is not None
    assert len(data) == LARGEST_FILE + 1


def test_reading_a_pipe_does_not_wait_for_a_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.yaml")
    with pytest.raises(FileNotFoundError):
        files.read(tmp_path / "a.yaml")


def test_names_are_public_in_nfc_and_odd_ones_are_named_and_refused() -> None:
    assert files.public_name("a/e\u0301.yaml") == ("a/é.yaml", "")
    assert files.public_name("e\u0301/a.yaml") == (
        "é/a.yaml", "its folder's name is in another Unicode spelling than NFC"
    )  # fmt: skip
    assert files.public_name(os.fsdecode(b"caf\xe9.yaml")) == (
        "caf\\xe9.yaml", "the file's name is not UTF-8"
    )  # fmt: skip
    assert files.public_name("a\nb.yaml") == (
        "a\\x0ab.yaml", "the file's name has a control character in it"
    )  # fmt: skip
