"""`anime config`: each setting, and the place that said it."""

import json
from pathlib import Path

from tests.cli.command import anime


def test_each_value_says_where_it_comes_from(tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    (inbox / "anime.toml").write_text("# ours\nworkers = 2\npolling = true\n")
    done = anime("config", "--inbox", "inbox", "--port", "0", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = {one["name"]: (one["value"], one["origin"]) for one in json.loads(done.stdout)}
    assert found["workers"] == ("2", f"{inbox}/anime.toml:2")
    assert found["polling"] == ("true", f"{inbox}/anime.toml:3")
    assert found["port"] == ("0", "--port")
    assert found["grace"] == ("60", "default")
    assert found["inbox"] == (str(inbox), "--inbox")


def test_what_is_wrong_is_said_as_by_a_run(tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    (inbox / "anime.toml").write_text("wrokers = 2\n")
    done = anime("config", "--inbox", "inbox", cwd=tmp_path)
    assert done.returncode == 2
    assert "did you mean workers?" in done.stderr
