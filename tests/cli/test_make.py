"""What `init` and `new` write passes `check` and overwrites nothing; `check` says what is wrong."""

import json
import os
import re
from pathlib import Path

import pytest

from pipeline.cli import main
from pipeline.commands.checking import check, root_of
from pipeline.commands.scaffold import GITIGNORE, SETTINGS
from pipeline.settings import gather

CLONE = Path(__file__).parents[2]
HELD = "kind: job\nprompt: x\n"


def test_all_that_is_written_passes_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["init"]) == 0
    assert main(["new", "project", "Neon Tokyo"]) == 0
    assert main(["new", "character", "Akira: 'the' [red]", "--project", "neon tokyo"]) == 0
    assert main(["new", "character", "夜", "--project", "Neon Tokyo"]) == 0
    assert main(["new", "character", "yes"]) == 0
    assert main(["new", "job", "Rooftop", "--project", "neon-tokyo", "--character", "夜"]) == 0
    both = ["--character", "yes", "--character", "夜"]
    assert main(["new", "job", "Two", "--project", "neon-tokyo", *both]) == 0
    assert main(["new", "job", "1 + 1"]) == 0
    written = [line for line in capsys.readouterr().out.splitlines() if line.endswith(".yaml")]
    assert written == [
        "inbox/hello.yaml",
        "inbox/neon-tokyo/project.yaml",
        "inbox/neon-tokyo/characters/akira-the-red.yaml",
        "inbox/neon-tokyo/characters/夜.yaml",
        "inbox/characters/yes.yaml",
        "inbox/neon-tokyo/characters/夜/rooftop.yaml",
        "inbox/neon-tokyo/general/two.yaml",
        "inbox/1-1.yaml",
    ]
    assert main(["check"]) == 0
    assert capsys.readouterr().out == "8 manifests, nothing to mend\n"
    [checked] = check([tmp_path / "inbox"], tmp_path / "inbox")
    assert checked.state.characters["neon-tokyo/akira-the-red"].spec.name == "Akira: 'the' [red]"


def test_the_settings_that_init_writes_are_settings(tmp_path: Path) -> None:
    assert main(["init", str(tmp_path)]) == 0
    file = tmp_path / "anime.toml"
    assert gather({"inbox": str(tmp_path)}, environ={}, cwd=tmp_path).workers == 3
    file.write_text(re.sub(r"^# (?=\w+ = |\[)", "", file.read_text(), flags=re.MULTILINE))
    found = gather({"inbox": str(tmp_path)}, environ={}, cwd=tmp_path)
    assert found.model == tmp_path / "models" / "my-model"
    assert found.origins["grace"].startswith(f"{file}:")
    assert list(found.models) == ["ink", "dream"]


def test_the_inbox_of_the_clone_is_one_that_init_makes() -> None:
    assert (CLONE / "inbox" / ".gitignore").read_text() == GITIGNORE
    assert (CLONE / "inbox" / "anime.toml").read_text() == SETTINGS


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_disk_that_refuses_is_3(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    assert main(["init", str(tmp_path / "inbox")]) == 3
    assert main(["new", "job", "a", "--inbox", str(tmp_path)]) == 3


def test_a_file_in_the_place_of_the_inbox_is_3(tmp_path: Path) -> None:
    (tmp_path / "inbox").write_text("mine")
    assert main(["init", str(tmp_path / "inbox")]) == 3


def test_init_keeps_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine")
    (tmp_path / "own.yaml").write_text(HELD)
    assert main(["init", str(tmp_path)]) == 0
    assert main(["init", str(tmp_path)]) == 0
    assert (tmp_path / "README.md").read_text() == "mine"
    assert {file.name for file in tmp_path.iterdir()} == {
        "README.md", ".gitignore", ".manifest.schema.json", "anime.toml", "own.yaml",
    }  # fmt: skip


def test_new_overwrites_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.yaml").write_text(HELD)
    assert main(["new", "job", "A", "--inbox", str(tmp_path)]) == 1
    assert (tmp_path / "a.yaml").read_text() == HELD
    assert "a.yaml is there already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["job", "a", "--project", "Neon Tokio"], "did you mean Neon Tokyo?"),
        (["job", "a", "--character", "akria"], "did you mean Akira?"),
        (["character", "b", "--project", "moon"], "make it first: anime new project moon"),
        (["project", "neon tokyo"], "already declared by neon-tokyo/project.yaml"),
        (["job", "!?"], "has no letter or digit"),
    ],
)
def test_new_names_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    inbox = ["--inbox", str(tmp_path)]
    assert main(["new", "project", "Neon Tokyo", *inbox]) == 0
    assert main(["new", "character", "Akira", *inbox]) == 0
    before = sorted(tmp_path.rglob("*"))
    assert main(["new", *arguments, *inbox]) == 1
    assert said in capsys.readouterr().err
    assert sorted(tmp_path.rglob("*")) == before


@pytest.fixture
def cast(tmp_path: Path) -> Path:
    """An inbox with Mika in two projects, Akira in one, and Yuki in one without a project.yaml."""
    for file, text in {
        "moon/project.yaml": "kind: project\nname: Moon\n",
        "moon/mika.yaml": "kind: character\nname: Mika\n",
        "tokyo/project.yaml": "kind: project\nname: Neon Tokyo\n",
        "tokyo/mika.yaml": "kind: character\nname: Mika\n",
        "tokyo/akira.yaml": "kind: character\nname: Akira\n",
        "more/old.yaml": "kind: project\nname: Old Town\n",
        "more/yuki.yaml": "kind: character\nname: Yuki\nproject: old town\n",
    }.items():
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "written"),
    [
        (["job", "Rooftop", "--character", "akira"], "tokyo/characters/akira/rooftop.yaml"),
        (["job", "Two", "--character", "Akira", "--character", "mika"], "tokyo/general/two.yaml"),
        (["job", "Snow", "--character", "Yuki"], "more/characters/yuki/snow.yaml"),
        (["job", "Street", "--project", "Old Town"], "more/general/street.yaml"),
        (["character", "Ren", "--project", "old town"], "more/characters/ren.yaml"),
        (["job", "Both", "--character", "moon/mika"], "characters/mika/both.yaml"),
        (
            ["job", "Guest", "--project", "moon", "--character", "neon-tokyo/Akira"],
            "moon/characters/akira/guest.yaml",
        ),
    ],
)
def test_a_job_goes_where_its_characters_are_known(
    cast: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], written: str
) -> None:
    assert main(["new", *arguments, "--inbox", str(cast)]) == 0, capsys.readouterr().err
    assert (cast / written).is_file()
    assert main(["check", str(cast)]) == 0, capsys.readouterr().out
    [checked] = check([cast], cast)
    assert all(
        project in checked.state.projects
        for project in (
            job.project for job in checked.state.jobs.values() if job.project is not None
        )
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["--character", "Mika"],
            "Mika is in moon and in neon-tokyo\n  hint: say which is meant: ",
        ),
        (
            ["--character", "Akira", "--project", "moon"],
            "Akira is in neon-tokyo, not in moon\n"
            "  hint: name them with their project: --character neon-tokyo/akira",
        ),
        (
            ["--character", "Akira", "--character", "Yuki"],
            "no project has all of Akira, Yuki\n"
            "  hint: name them with their project: --character neon-tokyo/akira",
        ),
        (["--character", "moon/akira"], "there is no character 'moon/akira' in this inbox\n"),
        (
            ["--character", "akria", "--project", "moon"],
            "no character 'akria' in the project 'moon'\n"
            "  hint: make it first: anime new character akria --project moon",
        ),
    ],
)
def test_who_is_meant_is_asked_not_guessed(
    cast: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert main(["new", "job", "x", *arguments, "--inbox", str(cast)]) == 1
    assert said in capsys.readouterr().err


def test_a_path_with_dots_is_the_file_it_leads_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["init", str(tmp_path / "inbox")]) == 0
    (tmp_path / "inbox" / "below").mkdir()
    monkeypatch.chdir(tmp_path / "inbox" / "below")
    capsys.readouterr()
    assert main(["check", "../hello.yaml"]) == 0
    assert main(["check"]) == 0
    assert capsys.readouterr().out == "1 manifest, nothing to mend\n" * 2
    assert main(["init", "../../inbox"]) == 0
    assert capsys.readouterr().out.endswith("anime run --inbox ..\n")


def test_what_is_new_names_a_schema_that_is_there(tmp_path: Path) -> None:
    inbox = ["--inbox", str(tmp_path)]
    assert main(["new", "project", "Neon Tokyo", *inbox]) == 0
    assert main(["new", "character", "Akira", "--project", "neon tokyo", *inbox]) == 0
    assert main(["new", "job", "Roof", "--character", "akira", *inbox]) == 0
    written = sorted(tmp_path.rglob("*.yaml"))
    assert len(written) == 3
    for file in written:
        first = file.read_text().splitlines()[0]
        schema = file.parent / first.removeprefix("# yaml-language-server: $schema=")
        assert json.loads(schema.read_text())["required"] == ["kind"]
        assert schema.resolve() == tmp_path / ".manifest.schema.json"


def test_init_renews_the_schema_that_it_wrote_and_no_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    schema = tmp_path / ".manifest.schema.json"
    assert main(["init", str(tmp_path)]) == 0
    written = schema.read_text()
    schema.write_text(written.replace("832x1216", "1x1"))
    capsys.readouterr()
    assert main(["init", str(tmp_path)]) == 0
    assert schema.read_text() == written
    assert ".manifest.schema.json" in capsys.readouterr().out
    assert main(["init", str(tmp_path)]) == 0
    assert ".manifest.schema.json" not in capsys.readouterr().out
    schema.write_text("{}")
    assert main(["init", str(tmp_path)]) == 0
    assert schema.read_text() == "{}"


def test_check_says_all_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    show = tmp_path / "inbox" / "show"
    show.mkdir(parents=True)
    (show / "project.yaml").write_text("kind: project\nname: Show\nstyle: mnaga\n")
    (show / "akira.yaml").write_text("kind: character\nname: Akira\nsede: 1\n")
    (show / "waits.yaml").write_text("kind: job\ncharacters: [akria]\nsteps: 0\n---\nkind: jab\n")
    (show / "other.yaml").write_text("kind: job\nname: x\nprompt: x\nstyle: fantasi\n")
    (show / "broken.yaml").write_text("kind: [job\n")
    assert main(["check"]) == 1
    out = capsys.readouterr().out
    assert "inbox/show/akira.yaml:3:1: " in out
    assert "hint: did you mean seed?" in out
    assert "hint: did you mean job?" in out
    assert "inbox/show/waits.yaml:3:8: steps must be" in out
    assert "inbox/show/waits.yaml:5:7: " in out
    assert "inbox/show/other.yaml:4:8: there is no style 'fantasi' yet (nearest: fantasy" in out
    assert "inbox/show/broken.yaml:" in out
    assert out.splitlines()[-1].startswith("5 manifests, ")


def test_check_of_one_file_reads_the_others_of_its_inbox(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    (inbox / "akira.yaml").write_text("kind: character\nname: Akira\n")
    (inbox / "job.yaml").write_text("kind: job\ncharacters: [akira]\n")
    (inbox / "bad.yaml").write_text("kind: job\n")
    assert main(["check", "inbox/job.yaml"]) == 0
    assert main(["check", "inbox/bad.yaml", "--json"]) == 1
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert said["files"] == 1
    assert [problem["file"] for problem in said["problems"]] == ["inbox/bad.yaml"]


def test_check_waits_for_nothing_that_stands_below(tmp_path: Path) -> None:
    """Whatever the order of names: a project, its character, and a job that names both."""
    show = tmp_path / "a" / "b"
    show.mkdir(parents=True)
    (tmp_path / "z-project.yaml").write_text("kind: project\nname: Zett\n")
    (show / "job.yaml").write_text("kind: job\nproject: zett\ncharacters: [mika]\n")
    (tmp_path / "mika.yaml").write_text("kind: character\nname: Mika\nproject: zett\n")
    [checked] = check([tmp_path], tmp_path)
    assert checked.problems == ()


def test_two_files_of_one_key_are_said(tmp_path: Path) -> None:
    for name in ("one.yaml", "two.yaml"):
        (tmp_path / name).write_text("kind: character\nname: Mika\n")
    [checked] = check([tmp_path], tmp_path)
    assert [problem.file for problem in checked.problems] == ["two.yaml"]
    assert "already declared by one.yaml" in checked.problems[0].message


def test_what_a_file_is_read_with(tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    show = tmp_path / "examples" / "show"
    (show / "general").mkdir(parents=True)
    (show / "project.yaml").write_text("kind: project\nname: Show\n")
    job = show / "general" / "job.yaml"
    job.write_text(HELD)
    alone = tmp_path / "alone.yaml"
    alone.write_text(HELD)
    assert root_of(inbox / "x.yaml", inbox) == inbox
    assert root_of(job, inbox) == show
    assert root_of(tmp_path / "examples", inbox) == tmp_path / "examples"
    assert root_of(alone, inbox) is None
    (tmp_path / "examples" / "anime.toml").touch()
    assert root_of(job, inbox) == tmp_path / "examples"
    assert [len(each.files) for each in check([job, alone], inbox)] == [1, 1]


def test_a_file_that_no_inbox_would_read_is_said(tmp_path: Path) -> None:
    other = tmp_path / "job.txt"
    other.write_text(HELD)
    [checked] = check([other], tmp_path / "inbox")
    assert "does not read a file of this name" in checked.problems[0].message
