"""A file gives its manifests, or every problem at once, each with its place and a way out."""

import msgspec
import pytest

from pipeline.core.manifest import Character, Job, Manifest, Project
from pipeline.core.problem import render
from pipeline.inbox.load import MOST_PROBLEMS, Loaded, load


def said(text: str) -> str:
    """The problems of a file: `line:column: message`, and below it the hint."""
    return "".join(
        f"{each.line}:{each.column}: {each.message}\n" + (f"    {each.hint}\n" if each.hint else "")
        for each in load(text.encode(), "a.yaml").problems
    )


def manifests(text: str) -> list[Manifest]:
    """The documents of a file without problems."""
    loaded = load(text.encode(), "a.yaml")
    assert loaded.problems == ()
    return [each.manifest for each in loaded.documents]


def test_each_kind_is_read_with_all_its_fields() -> None:
    assert manifests(
        """
kind: project
name: Neon Tokyo
style: cyberpunk
defaults: {size: 832x1216, steps: 15, guidance: 7, sampler: dpmpp_2m, schedule: karras}
metadata: {studio: "7", tags: [a, 1, null, {b: 1.5}], no: yes}
---
kind: character
name: アキラ
appearance: [red hair, amber eyes]
relationships: {rin: sister}
---
kind: job
name: dawn
prompt: >
  city at night,
  rain
characters: [アキラ]
hold: true
"""
    ) == [
        Project(
            name="Neon Tokyo",
            style="cyberpunk",
            defaults=msgspec.convert(
                {"size": "832x1216", "steps": 15, "guidance": 7.0, "sampler": "dpmpp_2m",
                 "schedule": "karras"},
                Project.__annotations__["defaults"],
            ),
            metadata={"studio": "7", "tags": ["a", 1, None, {"b": 1.5}], "no": "yes"},
        ),
        Character(
            name="アキラ", appearance=("red hair", "amber eyes"), relationships={"rin": "sister"}
        ),
        Job(name="dawn", prompt="city at night, rain\n", characters=("アキラ",), hold=True),
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["", "\n", "# a comment\n", "---\n---\n", "\ufeff"])
def test_a_file_without_a_document_has_no_problem(text: str) -> None:
    assert load(text.encode(), "a.yaml") == Loaded(file="a.yaml", lines=tuple(_lines(text)))


def _lines(text: str) -> list[str]:
    return text.removeprefix("\ufeff").split("\n")


def test_all_problems_of_all_documents_come_at_once_in_the_order_of_their_places() -> None:
    loaded = load(
        b"kind: job\nname: a\nsize: 833x1216\nsteps: 999\npromt: x\nsteps: 3\n---\n"
        b"kind: job\nname: good\nprompt: ok\n---\n"
        b"kind: character\nage: 3\n",
        "a.yaml",
    )
    assert [(each.line, each.column) for each in loaded.problems] == [
        (3, 7), (4, 8), (5, 1), (6, 1), (12, 1), (13, 1)
    ]  # fmt: skip
    assert [each.manifest for each in loaded.documents] == [Job(name="good", prompt="ok")]
    assert (loaded.documents[0].index, loaded.documents[0].line, loaded.several) == (1, 8, True)


def test_a_file_that_cannot_be_read_to_its_end_gives_no_document_but_all_problems() -> None:
    loaded = load(
        b"kind: job\nname: a\nprompt: ok\n---\nkind: jbo\n---\nkind: job\nprompt: 'x\n", "a"
    )
    assert loaded.documents == ()
    assert [each.line for each in loaded.problems] == [5, 5, 8]


def test_in_a_file_of_several_documents_every_job_needs_a_name() -> None:
    needs = "a job in a file of several documents needs a name\n    add a line 'name: …'\n"
    assert said("kind: job\nprompt: a") == ""
    assert said("kind: job\nprompt: a\n---\nkind: job\nname: b\nprompt: b") == f"1:1: {needs}"
    assert said("kind: job\nname:\nprompt: a\n---\nkind: project\nname: p") == f"2:6: {needs}"
    assert said("kind: job\nnam: x\nprompt: a\n---\nkind: project\nname: p") == (
        "2:1: a job has no field nam\n    did you mean name?\n"
    )


def test_of_two_documents_with_one_name_the_first_keeps_it() -> None:
    loaded = load(
        "kind: job\nname: Dämmerung\nprompt: a\n---\nkind: character\nname: dämmerung\n---\n"
        "kind: job\nname: 'DÄMMERUNG '\nprompt: b\n".encode(),
        "a.yaml",
    )
    assert [type(each.manifest) for each in loaded.documents] == [Job, Character]
    (problem,) = loaded.problems
    assert problem.message == ("two documents of this file, lines 2 and 9, are the job DÄMMERUNG")
    assert (problem.line, problem.column) == (9, 7)


def test_a_problem_that_shows_later_finds_its_place_in_the_document() -> None:
    loaded = load(b"# x\nkind: job\nprompt: a\nstyle: cyberpnk\n", "n/a.yaml")
    problem = loaded.problem(
        loaded.documents[0], ("style",), "no style cyberpnk", "is it cyberpunk?"
    )
    assert render(problem) == (
        "n/a.yaml:4:8: no style cyberpnk\n"
        "    style: cyberpnk\n"
        "           ^\n"
        "    hint: is it cyberpunk?"
    )


def test_a_long_line_is_shown_around_its_place_and_control_characters_never() -> None:
    loaded = load(
        ("kind: job\nprompt: [" + "a, " * 90 + "1, " + "\u202eb, " * 90 + "]").encode(), "a"
    )
    (problem,) = loaded.problems
    assert problem.text[problem.caret - 1] == "1"
    assert len(problem.text) <= 122
    assert "\u202e" not in problem.text


def test_problems_beyond_the_most_are_counted_only() -> None:
    loaded = load(b"kind: job\nprompt: a\n" + b"".join(b"k%d: 1\n" % n for n in range(9_000)), "a")
    assert len(loaded.problems) == MOST_PROBLEMS
    many = load(b"kind: job\nx: 1\n---\n" * 300, "a")
    assert len(many.problems) == MOST_PROBLEMS + 1
    assert many.problems[-1].message.endswith("or more problems follow")


def test_no_message_is_longer_than_a_person_reads() -> None:
    for text in (b"kind: job\n" + b"k" * 500_000, b"!" * 500_000, b"kind: " + b"x" * 500_000):
        for problem in load(text, "a").problems:
            assert len(problem.message) + len(problem.hint) + len(problem.text) < 1_200
