"""`check` of standard input: a text in the place of a file, as an editor or a script has it."""

import io
import json
from pathlib import Path

import pytest

from pipeline.cli import main
from pipeline.inbox.yaml import LARGEST_FILE
from tests.cli.command import anime
from tests.safetensors import kohya_pair, write

SHOW = {
    "inbox/show/project.yaml": "kind: project\nname: Show\n",
    "inbox/show/akira.yaml": "kind: character\nname: Akira\n",
    "inbox/show/roof.yaml": "kind: job\npromt: x\n",
}


@pytest.fixture
def show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in SHOW.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> io.BytesIO:
    """What is on standard input, to be written before it is read."""
    stream = io.BytesIO()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(stream))
    return stream


def put(stream: io.BytesIO, text: bytes) -> None:
    stream.write(text)
    stream.seek(0)


def test_standard_input_stands_for_a_file_that_is_there(
    show: Path, given: io.BytesIO, capsys: pytest.CaptureFixture[str]
) -> None:
    put(given, b"kind: job\ncharacters: [akira]\nstpes: 3\n")
    assert main(["check", "-", "--as", "inbox/show/roof.yaml"]) == 1
    assert capsys.readouterr().out == (
        "inbox/show/roof.yaml:3:1: a job has no field stpes\n"
        "    stpes: 3\n"
        "    ^\n"
        "    hint: did you mean steps?\n"
        "\n"
        "1 manifest, 1 problem\n"
    )
    assert (show / "inbox/show/roof.yaml").read_text() == SHOW["inbox/show/roof.yaml"]


def test_standard_input_stands_for_a_file_that_is_to_come(
    show: Path, given: io.BytesIO, capsys: pytest.CaptureFixture[str]
) -> None:
    put(given, b"kind: job\ncharacters: [akria]\n")
    assert main(["check", "-", "--as", "inbox/show/new/x.yaml", "--json"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert said["files"] == 1
    [problem] = said["problems"]
    assert problem["file"] == "inbox/show/new/x.yaml"
    assert problem["hint"] == "did you mean akira? (the job waits)"


def test_what_other_files_say_is_judged_with_it(
    show: Path, given: io.BytesIO, capsys: pytest.CaptureFixture[str]
) -> None:
    put(given, b"kind: character\nname: Rei\n")
    (show / "inbox/show/roof.yaml").write_text("kind: job\ncharacters: [akira]\n")
    assert main(["check", "-", "--as", "inbox/show/akira.yaml", "inbox/show/roof.yaml"]) == 1
    assert "roof.yaml:2:14: there is no character 'akira' yet" in capsys.readouterr().out


def test_without_a_name_it_is_a_file_of_the_folder_one_is_in(
    show: Path,
    given: io.BytesIO,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put(given, b"kind: job\ncharacters: [akira]\nsteps: 0\n")
    monkeypatch.chdir(show / "inbox" / "show")
    assert main(["check", "-"]) == 1
    assert capsys.readouterr().out.startswith("stdin.yaml:3:8: steps must be between 1 and 150")


def test_a_name_that_no_inbox_reads_is_said(
    show: Path, given: io.BytesIO, capsys: pytest.CaptureFixture[str]
) -> None:
    put(given, b"kind: job\nprompt: x\n")
    assert main(["check", "-", "--as", "inbox/x.txt"]) == 1
    assert "an inbox does not read a file of this name" in capsys.readouterr().out


def test_a_name_without_standard_input_is_a_mistake(
    show: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", "--as", "inbox/x.yaml"]) == 2
    assert "anime check - --as FILE" in capsys.readouterr().err


def test_no_more_is_read_than_a_file_may_have(
    show: Path, given: io.BytesIO, capsys: pytest.CaptureFixture[str]
) -> None:
    put(given, b"#" * (LARGEST_FILE + 10))
    assert main(["check", "-", "--as", "inbox/x.yaml"]) == 1
    assert "x.yaml:1:1: the file has more than 1,048,576 bytes" in capsys.readouterr().out
    assert given.closed or given.tell() <= LARGEST_FILE + 2**17


@pytest.mark.process
def test_check_loads_no_torch_and_no_library_that_it_does_not_need(show: Path) -> None:
    done = anime("check", cwd=show, flags=["-X", "importtime"])
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "pipeline.inbox.load" in loaded
    assert not loaded & {"torch", "watchdog", "starlette", "rich", "numpy", "PIL", "asyncio"}


def test_a_lora_for_another_architecture_is_refused_by_name(
    show: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The bundled model is what it is compared with, without loading it."""
    name = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k"
    write(show / "inbox/show/loras/sdxl.safetensors", kohya_pair(name, (2048,), 96))
    (show / "inbox/show/akira.yaml").write_text("kind: character\nname: Akira\nlora: sdxl\n")
    (show / "inbox/show/roof.yaml").write_text("kind: job\ncharacters: [akira]\n")
    assert main(["check"]) == 1
    told = capsys.readouterr().out
    why = "it is made for SDXL, and the model is a model whose text is 192 wide"
    assert f"akira.yaml:3:7: the LoRA show/loras/sdxl.safetensors cannot be used: {why}" in told
    assert "roof.yaml:1:1: the LoRA show/loras/sdxl.safetensors cannot be used" in told
    assert main(["check", "inbox/show/loras/sdxl.safetensors"]) == 1
    assert f"this LoRA cannot be used: {why}" in capsys.readouterr().out


def test_a_lora_that_is_missing_is_told_with_the_nearest_name(
    show: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k"
    write(show / "inbox/show/loras/rain_v2.safetensors", kohya_pair(name, (192,), 96))
    (show / "inbox/show/roof.yaml").write_text("kind: job\nprompt: x\nlora: [rain_v1]\n")
    assert main(["check"]) == 1
    told = capsys.readouterr().out
    assert "roof.yaml:3:8: there is no LoRA 'rain_v1' yet" in told
    assert "hint: write loras/rain_v2.safetensors (the job waits)" in told
    (show / "inbox/show/roof.yaml").write_text("kind: job\nprompt: x\nlora: rain_v2\n")
    assert main(["check"]) == 0
