"""Every field says what it means, with a right example; schema, explain and READMEs agree."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec import NODEFAULT

from pipeline.commands.explain import NoSuchField, example_of, explain
from pipeline.commands.fields import KINDS, Field, every_field, fields, written
from pipeline.commands.reference import READMES
from pipeline.commands.schema import schema_of
from pipeline.core.manifest import GUIDANCE, SAMPLER, STEPS
from pipeline.inbox.load import load

FIELDS = list(every_field())
LEAST: dict[str, dict[str, Any]] = {
    "project": {"kind": "project", "name": "a"},
    "character": {"kind": "character", "name": "a"},
    "job": {"kind": "job", "prompt": "a"},
}


def name(field: Field) -> str:
    return f"{field.kind}.{field.path}"


@pytest.mark.parametrize("field", FIELDS, ids=name)
def test_a_field_says_what_it_means_and_what_holds_without_it(field: Field) -> None:
    says = f"declare {name(field)} with says(…) in pipeline/core/manifest.py: "
    assert field.meaning, says + "what it means is missing"
    assert field.example is not NODEFAULT, says + "an example is missing"
    assert not field.meaning.endswith("."), says + "what it means goes on in a sentence"
    assert "\n" not in field.meaning
    assert field.value
    if field.absent == "nothing":
        assert "None" not in field.value, says + "say what holds without it"


@pytest.mark.parametrize("field", FIELDS, ids=name)
def test_an_example_is_a_line_of_a_good_manifest(field: Field) -> None:
    extra = field.line
    if "." in field.path:
        above, _, below = field.path.partition(".")
        around = next(
            each.example for each in FIELDS if (each.kind, each.path) == (field.kind, above)
        )
        many = isinstance(around, list)
        named = next(iter(around)) if field.holder == "Preset" else None
        inner = around[0] if many else around[named] if named else around
        one = inner | {below: field.example}
        whole = [one, *around[1:]] if many else {named: one} if named else one
        extra = written({above: whole})
    least = {key: value for key, value in LEAST[field.kind].items() if key != field.path}
    if field.path == "sheet":
        least["characters"] = ["akira"]
    loaded = load(f"{written(least)}\n{extra}\n".encode(), "a.yaml")
    assert loaded.problems == ()
    assert len(loaded.documents) == 1


@pytest.mark.parametrize("kind", list(KINDS))
def test_all_examples_together_are_a_good_manifest(kind: str) -> None:
    assert load(example_of(kind).encode(), "a.yaml").problems == ()


@pytest.mark.parametrize("field", FIELDS, ids=name)
def test_explain_has_meaning_value_default_and_example(field: Field) -> None:
    text = "\n".join(explain(name(field)))
    assert text.startswith(f"{name(field)}: ")
    words = " ".join(text.split())
    for part in (field.meaning, field.value, field.absent, field.line):
        assert " ".join(part.replace("`", "").split()) in words.replace("`", "")


def test_explain_says_the_kinds_a_kind_and_a_field() -> None:
    assert [line for line in explain(None) if line.startswith("  job")]
    job = "\n".join(explain("job"))
    assert all(f"  {each.path} " in job for each in fields("job"))
    assert "kind: job" in job
    sampler = explain("job.sampler")
    assert "dpm_2_ancestral" in "\n".join(sampler)
    assert f"  left out  the project's, else {SAMPLER}" in sampler
    assert "  example   sampler: euler" in sampler
    assert explain("sampler")[0] == sampler[0]
    assert explain("project.defaults.steps")[0].startswith("project.defaults.steps: ")


@pytest.mark.parametrize(
    ("asked", "hint"),
    [
        ("job.smapler", "did you mean job.sampler?"),
        ("jbo", "did you mean job?"),
        ("character.otufit", "did you mean character.outfit?"),
        ("project.defaults.stpes", "did you mean project.defaults.steps?"),
        ("smapler", "did you mean sampler?"),
        ("job.", ""),
        ("job.zzzzzz", "it has name, project, "),
        ("zzzzzz", "all there are: anime explain job, project or character"),
    ],
)
def test_explain_names_the_nearest(asked: str, hint: str) -> None:
    if not hint:
        assert explain(asked) == explain("job")
        return
    with pytest.raises(NoSuchField) as raised:
        explain(asked)
    assert (raised.value.hint or "").startswith(hint)


def test_what_is_said_of_defaults_is_what_holds() -> None:
    absent = {name(each): each.absent for each in FIELDS}
    assert absent["job.steps"] == f"the project's, else {STEPS}"
    assert absent["job.guidance"] == f"the project's, else {GUIDANCE:g}"
    assert absent["project.defaults.sampler"] == f"`{SAMPLER}`"


@pytest.mark.parametrize("kind", [None, *KINDS])
def test_the_schema_tells_an_editor_of_every_field(kind: str | None) -> None:
    schema = json.loads(schema_of(kind))
    for each in FIELDS:
        if kind not in (None, each.kind):
            continue
        holder = schema["$defs"][each.holder]
        assert holder["additionalProperties"] is False
        shown = holder["properties"][each.path.rpartition(".")[2]]
        assert shown["description"].startswith(each.meaning)
        assert shown["examples"][0] == each.example
        assert shown.get("default", 1) not in (None, "", [], {})
    text = json.dumps(schema)
    assert "dpmpp_2m" in text or kind == "character"
    assert '"studio_ghibli"' in text or kind == "character"


def test_the_schema_of_any_kind_decides_by_the_kind_first() -> None:
    schema = json.loads(schema_of(None))
    assert schema["properties"]["kind"]["enum"] == list(KINDS)
    chosen = {
        each["if"]["properties"]["kind"]["const"]: each["then"]["$ref"] for each in schema["allOf"]
    }
    assert chosen == {kind: f"#/$defs/{cls.__name__}" for kind, cls in KINDS.items()}
    assert all(ref.removeprefix("#/$defs/") in schema["$defs"] for ref in chosen.values())


@pytest.mark.parametrize("readme", READMES, ids=lambda readme: readme.parent.name)
def test_a_readme_has_its_tables_as_they_are(readme: Path) -> None:
    text = readme.read_text(encoding="utf-8")
    assert READMES[readme](text) == text, "run: make reference"


@pytest.mark.parametrize("renewed", READMES.values())
def test_a_readme_without_its_markers_is_not_touched(renewed: Callable[[str], str]) -> None:
    with pytest.raises(ValueError, match="has no lines"):
        renewed("# anime\n")
