"""A LoRA is found by its name near the manifest, worn with its weight, and waited for by name."""

from typing import Any

import pytest

from pipeline.core.adapters import AdapterFile, inside, places
from pipeline.core.observed import FileSeen
from pipeline.core.resolved import Adapter
from tests.production import MODEL, Production

BIBLE = "kind: character\nname: Akira\nappearance: red hair\n"
JOB = "kind: job\ncharacters: [akira]\nprompt: rain\n"


def offer(made: Production, file: str, letter: str = "a", **said: Any) -> list[Any]:
    adapter = AdapterFile(sha256="" if said.get("fault") else letter * 64, **said)
    look = FileSeen(file=file, sha256=letter * 64, adapter=adapter)
    return made.observe(look)


def worn(made: Production, job: str = "show/rain") -> tuple[Adapter, ...]:
    return made.compiled(job).cells[0].resolved.adapters


@pytest.mark.parametrize(
    ("said", "file"),
    [
        ("akira.safetensors", "show/akira.safetensors"),
        ("akira", "show/akira.safetensors"),
        ("akira", "show/loras/akira.safetensors"),
        ("loras/akira", "loras/akira.safetensors"),
        ("akira", "loras/akira.safetensors"),
        ("./sub/../akira", "show/akira.safetensors"),
    ],
)
def test_a_bible_names_a_file_beside_it_or_above(said: str, file: str) -> None:
    made = Production()
    offer(made, file)
    made.drop("show/akira.yaml", f"{BIBLE}lora: {said}\n")
    made.drop("show/rain.yaml", JOB)
    assert worn(made) == (Adapter(file=file, sha256="a" * 64, weight=1.0),)


def test_the_nearest_file_of_that_name_is_meant() -> None:
    made = Production()
    offer(made, "loras/akira.safetensors", "a")
    offer(made, "show/loras/akira.safetensors", "b")
    made.drop("show/akira.yaml", f"{BIBLE}lora: akira\n")
    made.drop("show/rain.yaml", JOB)
    assert [adapter.sha256 for adapter in worn(made)] == ["b" * 64]


def test_weight_and_trigger_words_come_with_it() -> None:
    made = Production()
    offer(made, "show/akira.safetensors")
    lora = "lora: {file: akira, weight: 0.8, trigger: akira_v2}\n"
    made.drop("show/akira.yaml", BIBLE + lora)
    made.drop("show/rain.yaml", f"{JOB}lora: []\n")
    (cell,) = made.compiled().cells
    assert cell.resolved.prompt == "akira_v2, red hair, rain"
    assert cell.resolved.adapters[0].weight == 0.8


def test_a_job_has_its_own_beside_everybodys_and_the_last_word_on_weights() -> None:
    made = Production()
    offer(made, "show/akira.safetensors", "a")
    offer(made, "show/rain.safetensors", "b")
    made.drop("show/akira.yaml", f"{BIBLE}lora: akira\n")
    made.drop(
        "show/rain.yaml",
        f"{JOB}lora: [{{file: rain, trigger: wet}}, {{file: akira, weight: 0.5}}]\n",
    )
    assert [(one.sha256[0], one.weight) for one in worn(made)] == [("a", 0.5), ("b", 1.0)]
    assert made.compiled().cells[0].resolved.prompt == "red hair, wet, rain"
    made.drop("show/rain.yaml", f"{JOB}lora: {{file: akira, weight: 0}}\n")
    assert worn(made) == ()


def test_several_characters_wear_theirs_at_once_and_twins_one() -> None:
    made = Production()
    offer(made, "show/akira.safetensors", "a")
    offer(made, "show/rei.safetensors", "b")
    made.drop("show/akira.yaml", f"{BIBLE}lora: akira\n")
    made.drop("show/rei.yaml", "kind: character\nname: Rei\nlora: [rei, akira]\n")
    made.drop("show/rain.yaml", "kind: job\ncharacters: [akira, rei]\n")
    assert [one.sha256[0] for one in worn(made)] == ["a", "b"]


def test_the_digest_knows_content_and_weight_but_not_the_place() -> None:
    made = Production()
    made.drop("show/akira.yaml", BIBLE)
    made.drop("show/rain.yaml", JOB)
    without = made.compiled().cells[0].digest
    made.drop("show/akira.yaml", f"{BIBLE}lora: akira\n")
    offer(made, "show/akira.safetensors", "a")
    first = made.compiled().cells[0].digest
    offer(made, "show/loras/akira.safetensors", "a")
    made.remove("show/akira.safetensors")
    assert worn(made)[0].file == "show/loras/akira.safetensors"
    assert made.compiled().cells[0].digest == first
    offer(made, "show/loras/akira.safetensors", "b")
    other = made.compiled().cells[0].digest
    made.drop("show/akira.yaml", f"{BIBLE}lora: {{file: akira, weight: 0.9}}\n")
    assert len({without, first, other, made.compiled().cells[0].digest}) == 4


def test_a_file_that_is_not_there_is_waited_for_with_the_nearest_names() -> None:
    made = Production()
    offer(made, "show/loras/akira_v2.safetensors")
    made.drop("show/akira.yaml", f"{BIBLE}lora: akira_v3\n")
    made.drop("show/rain.yaml", JOB)
    nearest = "(nearest: loras/akira_v2.safetensors)"
    assert made.waits() == f"there is no LoRA 'akira_v3' of akira yet {nearest}"
    asked = offer(made, "show/akira_v3.safetensors", "b")
    assert [type(event).__name__ for event in asked] == ["AdapterDeclared", "RenderRequested"]
    made.remove("show/akira_v3.safetensors")
    assert "akira_v3" in made.waits()


def test_one_that_does_not_fit_the_model_or_is_none_is_refused_by_name() -> None:
    made = Production()
    offer(made, "show/akira.safetensors", unfit={MODEL.sha256: "it is made for SDXL"})
    made.drop("show/rain.yaml", "kind: job\nprompt: rain\nlora: akira\n")
    refused = "the LoRA show/akira.safetensors cannot be used: "
    assert made.waits() == f"{refused}it is made for SDXL"
    assert not made.tasks()
    offer(made, "show/akira.safetensors", fault="it is cut short")
    assert made.waits() == f"{refused}it is cut short"
    offer(made, "show/akira.safetensors", unfit={"cd" * 32: "it is made for SDXL"})
    assert len(made.tasks()) == 1


def test_a_picture_says_that_its_lora_changed() -> None:
    made = Production()
    offer(made, "show/akira.safetensors", "a")
    made.drop("show/rain.yaml", "kind: job\nprompt: rain\nlora: akira\n")
    before = made.compiled().inputs
    offer(made, "show/akira.safetensors", "b")
    after = made.compiled().inputs
    assert {name for name in before if before[name] != after[name]} == {
        "LoRA show/akira.safetensors"
    }


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("akira.pt", "'akira.pt' is a pickle"),
        ("../../x.safetensors", "is outside the inbox"),
        ("/models/x.safetensors", "is outside the inbox"),
        (".pipeline/x.safetensors", "is outside the inbox"),
        ("[a, a]", "'a' is here twice"),
    ],
)
def test_a_name_that_can_be_none_is_refused_in_the_manifest(said: str, why: str) -> None:
    made = Production()
    made.drop("show/rain.yaml", f"kind: job\nprompt: rain\nlora: {said}\n")
    (problem,) = made.state.rejected["show/rain.yaml"]
    assert why in problem.message
    assert problem.line == 3


def test_a_bibles_seed_is_where_its_jobs_start_from_unless_they_say_their_own() -> None:
    made = Production()
    made.drop("show/akira.yaml", f"{BIBLE}seed: 77\n")
    made.drop("show/rain.yaml", f"{JOB}count: 2\n")
    assert [cell.seed for cell in made.compiled().cells] == [77, 78]
    made.drop("show/rain.yaml", f"{JOB}seed: 5\n")
    assert [cell.seed for cell in made.compiled().cells] == [5]


def test_a_name_stays_below_its_folder() -> None:
    assert inside("a/./b/../c") == "a/c"
    assert [inside(name) for name in ("", ".", "..", "a/../..", "/a", "a\\b", ".a")] == [None] * 7
    assert list(places(["show"], "../x")) == []
