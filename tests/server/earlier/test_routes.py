"""Projects and characters over HTTP: a write is a manifest, and what is answered is on disk."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from pipeline.core import events as e
from pipeline.core.digest import public_id
from pipeline.inbox.load import load
from tests.processes import facts
from tests.server.asking import ask
from tests.server.playing import Playing

PROJECTS, CHARACTERS = "/api/anime/projects", "/api/anime/characters"


def project(run: Playing, name: str, **more: Any) -> Any:
    answer = run.send("POST", PROJECTS, {"name": name, **more})
    assert answer.status == 200, answer.body
    return answer.json


def character(run: Playing, project_id: str, name: str, **more: Any) -> Any:
    asked = {"project_id": project_id, "name": name, "appearance": "1girl, red hair", **more}
    answer = run.send("POST", CHARACTERS, asked)
    assert answer.status == 200, answer.body
    return answer.json


def test_a_project_is_made_as_a_manifest_whose_event_is_on_disk(run: Playing) -> None:
    made = project(
        run, "Neon Tokyo", description="rain", style="cyberpunk", metadata={"a": [1, None, "no"]}
    )
    assert made["id"] == public_id("project", "neon-tokyo")
    declared = [one for one in facts(run.root) if isinstance(one, e.ProjectDeclared)]
    (event,) = [one for one in declared if one.key == "neon-tokyo"]
    assert event.file == f"projects/{made['id']}/project.yaml"
    assert event.spec.id == made["id"]
    assert event.spec.metadata == made["metadata"] == {"a": [1, None, "no"]}
    assert made["style"] == "cyberpunk"
    assert made["created_at"].endswith("Z")
    assert (made["file_count"], made["characters"]) == (0, [])
    assert ask(run.url, f"{PROJECTS}/{made['id']}").json == made
    assert made in ask(run.url, PROJECTS).json["projects"]


@pytest.mark.parametrize("said", [{}, {"style": None}, {"style": "anime"}, {"style": "Anime"}])
def test_the_style_anime_is_no_preset(run: Playing, said: dict[str, Any]) -> None:
    made = project(run, "Plain", **said)
    assert made["style"] == "anime"
    text = (run.root / f"projects/{made['id']}/project.yaml").read_text()
    assert "style" not in text


def test_asking_twice_for_the_same_is_answered_with_what_is_there(run: Playing) -> None:
    first = project(run, "Twice", description="x")
    assert project(run, "Twice", description="x") == first
    other = run.send("POST", PROJECTS, {"name": "TWICE!", "description": "y"})
    assert other.status == 409
    assert other.json["file"] == f"projects/{first['id']}/project.yaml"


def test_a_project_of_a_person_is_served_but_never_rewritten(run: Playing) -> None:
    folder = run.root / "by-hand"
    folder.mkdir()
    text = "kind: project\nname: By Hand\nstyle: [manga, fantasy]\n"
    (folder / "project.yaml").write_text(text)
    id_ = public_id("project", "by-hand")
    run.until_said(f"{PROJECTS}/{id_}", "name", "By Hand")
    assert ask(run.url, f"{PROJECTS}/{id_}").json["style"] == "manga, fantasy"
    answer = run.send("PUT", f"{PROJECTS}/{id_}", {"description": "mine"})
    assert answer.status == 409
    assert answer.json["file"] == "by-hand/project.yaml"
    assert (folder / "project.yaml").read_text() == text
    girl = character(run, id_, "Rei")
    assert (folder / "characters" / f"{girl['id']}.yaml").is_file()


def test_a_project_is_changed_as_long_as_nobody_has_touched_its_file(run: Playing) -> None:
    made = project(run, "Changing", style="manga", metadata={"a": 1})
    path = f"{PROJECTS}/{made['id']}"
    answer = run.send("PUT", path, {"description": "now: this\n  and that #1"})
    assert answer.status == 200
    assert answer.json == made | {"description": "now: this\n  and that #1"}
    assert run.send("PUT", path, {"style": None}).json["style"] == "anime"
    file = run.root / f"projects/{made['id']}/project.yaml"
    file.write_bytes(file.read_bytes() + b"# mine now\n")
    before = file.read_bytes()
    refused = run.send("PUT", path, {"description": "again"})
    assert refused.status == 409
    assert refused.json["file"] == f"projects/{made['id']}/project.yaml"
    assert file.read_bytes() == before


def test_an_id_outlives_a_new_name_and_is_not_given_twice(run: Playing) -> None:
    made = project(run, "Old Name")
    girl = character(run, made["id"], "Mio")
    renamed = run.send("PUT", f"{PROJECTS}/{made['id']}", {"name": "New Name"}).json
    assert (renamed["id"], renamed["name"]) == (made["id"], "New Name")
    run.until_said(f"{PROJECTS}/{made['id']}", "characters", [girl["id"]])
    assert ask(run.url, f"{CHARACTERS}/{girl['id']}").json["project_id"] == made["id"]
    again = project(run, "Old Name")
    assert again["id"] != made["id"]
    taken = run.send("PUT", f"{PROJECTS}/{made['id']}", {"name": "Old Name"})
    assert taken.status == 409


def test_a_change_survives_a_restart_of_the_program(tmp_path: Path) -> None:
    with Playing(tmp_path / "inbox") as first:
        made = project(first, "Lasting", description="one")
    with Playing(tmp_path / "inbox") as second:
        answer = second.send("PUT", f"{PROJECTS}/{made['id']}", {"description": "two"})
        assert answer.status == 200
        assert answer.json == made | {"description": "two"}


def test_a_character_has_a_bible(run: Playing) -> None:
    home = project(run, "Cast")
    made = character(
        run, home["id"], "Akira", description="d", personality="calm", backstory="docks\n\nfar",
        reference_prompts=["a, b", "1e3"], relationships={"Rei": "brother"},
    )  # fmt: skip
    assert made == {
        "id": public_id("character", "cast/akira"), "project_id": home["id"], "name": "Akira",
        "description": "d", "personality": "calm", "appearance": "1girl, red hair",
        "backstory": "docks\n\nfar", "reference_prompts": ["a, b", "1e3"],
        "relationships": {"Rei": "brother"}, "created_at": made["created_at"],
        "generation_count": 0,
    }  # fmt: skip
    assert ask(run.url, f"{CHARACTERS}/{made['id']}").json == made
    assert ask(run.url, f"{CHARACTERS}/{made['id']}/bible").json == {
        "character_id": made["id"],
        "bible": {
            "name": "Akira", "appearance": "1girl, red hair", "personality": "calm",
            "backstory": "docks\n\nfar", "reference_prompts": ["a, b", "1e3"],
            "generation_count": 0,
        },
    }  # fmt: skip
    assert ask(run.url, f"{PROJECTS}/{home['id']}").json["characters"] == [made["id"]]
    file = run.root / f"projects/{home['id']}/characters/{made['id']}.yaml"
    assert load(file.read_bytes(), "a.yaml").problems == ()


@pytest.mark.parametrize(
    ("path", "asked", "near"),
    [
        (PROJECTS, {"name": "x1", "style": "cyberpnk"}, "cyberpunk"),
        (CHARACTERS, {"project_id": "Nearby", "name": "x", "appearance": "y"}, "(Nearby)"),
        ("/generate", {"prompt": "x", "project_id": "Nearbye"}, "(Nearby)"),
        ("/generate", {"prompt": "x", "character_id": "Akiro"}, "(Akira Near)"),
        ("/generate", {"prompt": "x", "style_preset": "mangga"}, "manga"),
    ],
)
def test_what_is_not_there_is_422_with_the_nearest_names(
    run: Playing, path: str, asked: dict[str, Any], near: str
) -> None:
    home = project(run, "Nearby")
    character(run, home["id"], "Akira Near")
    answer = run.send("POST", path, asked)
    assert answer.status == 422
    assert any(near in one for one in answer.json["nearest"]), answer.body


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", PROJECTS, b"{", 400),
        ("POST", PROJECTS, b"\xff", 400),
        ("POST", PROJECTS, b"", 400),
        ("POST", PROJECTS, {}, 422),
        ("POST", PROJECTS, [], 422),
        ("POST", PROJECTS, {"name": ""}, 422),
        ("POST", PROJECTS, {"name": "!!!"}, 422),
        ("POST", PROJECTS, {"name": "a\0b"}, 422),
        ("POST", PROJECTS, {"name": "x" * 101}, 422),
        ("POST", PROJECTS, {"name": 7}, 422),
        ("POST", PROJECTS, {"name": "x", "descripton": "y"}, 422),
        ("POST", PROJECTS, {"name": "x", "description": "y" * 10_001}, 422),
        ("POST", PROJECTS, {"name": "deep", "metadata": json.loads("[" * 40 + "]" * 40)}, 422),
        ("POST", CHARACTERS, {"name": "x", "appearance": "y"}, 422),
        ("PUT", f"{PROJECTS}/00000000", {"description": "x"}, 404),
        ("GET", f"{PROJECTS}/00000000", b"", 404),
        ("GET", f"{PROJECTS}/", b"", 404),
        ("GET", f"{CHARACTERS}/00000000", b"", 404),
        ("GET", f"{CHARACTERS}/00000000/bible", b"", 404),
        ("GET", "/jobs/00000000", b"", 404),
    ],
)
def test_bad_ids_and_values_are_400_404_or_422(
    run: Playing, method: str, path: str, body: Any, status: int
) -> None:
    assert run.send(method, path, body).status == status


def test_text_comes_back_as_it_was_said(run: Playing) -> None:
    words = [
        "no", "on", "12:30", "1e3", "0o17", "010", "~", "null", "- a", "a: b", "# c", "a #b", " x ",
        "'", '"', "\\", "é日本語🎨", "*a", "&a", "!a", "%a", "@a", "`a", "{a}", "[a]", "<<", "|",
        ">", "line\nline", "line\n\n  indented\n", "\ttab", "trailing \nspace", "\u2028", "\x85",
    ]  # fmt: skip
    made = project(run, "Words", metadata={"words": words, **{f"k{w}": w for w in words}})
    assert made["metadata"]["words"] == words
    file = run.root / f"projects/{made['id']}/project.yaml"
    (document,) = load(file.read_bytes(), "a.yaml").documents
    assert document.manifest.metadata == made["metadata"]  # type: ignore[union-attr]


def test_nothing_is_written_through_a_link_that_leaves_the_inbox(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    root = tmp_path / "inbox"
    root.mkdir()
    os.symlink(outside, root / "projects")
    with Playing(root) as run:
        answer = run.send("POST", PROJECTS, {"name": "Away"})
        assert answer.status == 503
        assert answer.json["file"].startswith("projects/")
        assert list(outside.iterdir()) == []
        (root / "projects").unlink()
        assert run.send("POST", PROJECTS, {"name": "Away"}).status == 200


def test_a_file_that_is_in_the_way_is_not_overwritten(tmp_path: Path) -> None:
    with Playing(tmp_path / "inbox") as run:
        file = run.root / "projects" / public_id("project", "mine") / "project.yaml"
        file.parent.mkdir(parents=True)
        file.write_text("# nothing yet\n")
        answer = run.send("POST", PROJECTS, {"name": "Mine"})
        assert answer.status == 409
        assert file.read_text() == "# nothing yet\n"


def test_a_late_runner_is_said_and_what_was_written_is_taken_up_later(
    tmp_path: Path,
) -> None:
    with Playing(tmp_path / "inbox", patience=0.3) as run:
        with run.held():
            answer = run.send("POST", PROJECTS, {"name": "Late"})
        assert answer.status == 503
        assert answer.headers["Retry-After"]
        assert "runner has not recorded it" in answer.json["detail"]
        id_ = public_id("project", "late")
        run.until_said(f"{PROJECTS}/{id_}", "name", "Late")
        assert project(run, "Late")["id"] == id_


def test_nothing_is_taken_while_the_inbox_is_lost(tmp_path: Path) -> None:
    with Playing(tmp_path / "inbox") as run:
        project(run, "There")
        away = tmp_path / "away"
        run.root.rename(away)
        run.until_said("/health", "status", "degraded")
        answer = run.send("POST", PROJECTS, {"name": "Nowhere"})
        assert answer.status == 503
        assert not run.root.exists()
        away.rename(run.root)
        run.until_said("/health", "status", "ok")
        assert run.send("POST", PROJECTS, {"name": "Nowhere"}).status == 200
