"""Whatever is in a file: nothing is raised, nothing stalls, and the good job that follows is read.

Seconds are those of the processor, since the machine may be busy with something else.
"""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.commands.checking import Checked, check_folder
from pipeline.core.keys import job_key
from pipeline.core.manifest import Character, Job, Project
from pipeline.core.problem import render
from pipeline.core.prompt import negative_parts, prompt_parts
from pipeline.inbox.load import MOST_PROBLEMS, Loaded, load
from pipeline.inbox.yaml import LARGEST_FILE

LONGEST = 20.0
"""CPU seconds after which a file counts as one that hangs: the worst takes a tenth of it on a busy
machine, and what grows with the square of the file takes hours."""
GOOD = b"kind: job\nname: good\nprompt: city at night\n"
GOOD_JOB = Job(name="good", prompt="city at night")
EXAMPLES = [
    file.read_bytes() for file in sorted((Path(__file__).parents[2] / "examples").rglob("*.yaml"))
]
FIELDS = sorted(
    {*Job.__struct_fields__, *Character.__struct_fields__, *Project.__struct_fields__, "kind"}
)

# A blank is written _ and the end of a line $.
WORDS = [
    word.replace("_", " ").replace("$", "\n")
    for word in (
        "kind:_job$ kind:_character$ name:_a$ prompt:_b$ steps:_3$ ---$ -_ :_ $ __ [ ] { } ,_ &a_ "
        "*a_ !x_ !!int_ \" ' |$ >$ ...$ #_ % ?_ <<:_ 1e999 0x1 ~ \\ @ .nan defaults:$ characters:_ "
        "metadata:_ ( ) : , <<<<<<<_HEAD$ 日本 " + "\ufeff"
    ).split(" ")
] + ["\t", "\x00", "\r", "\x85", "\u2028", "\xa0", "\u202e", "\u200b"]
TEXTS = st.lists(st.sampled_from(WORDS) | st.text(max_size=3), max_size=40).map("".join)


@contextmanager
def quickly() -> Iterator[None]:
    """What is done here takes less than a second."""
    began = time.process_time()
    yield
    assert time.process_time() - began < LONGEST


def read(data: bytes) -> Loaded:
    """A file as the runner reads it, with all that must hold of any."""
    with quickly():
        loaded = load(data, "a.yaml")
    for document in loaded.documents:
        with quickly():
            _compiled(document.manifest)
    assert len(msgspec.json.encode(loaded.documents)) < 20 * LARGEST_FILE
    places = [(each.line, each.column) for each in loaded.problems]
    assert places == sorted(places)
    assert len(places) <= MOST_PROBLEMS + 1
    for problem in loaded.problems:
        assert problem.line >= 1
        assert problem.column >= 1
        assert "\n" not in problem.message + problem.hint
        assert len(render(problem)) < 3_000
        render(problem).encode()
    return loaded


def _compiled(manifest: Project | Character | Job) -> None:
    """Its tags in a prompt, which is where they are taken apart."""
    if isinstance(manifest, Job):
        prompt_parts(None, (), (), manifest)
        negative_parts(None, (), (), manifest)


def together(data: bytes, name: str = "a.yaml") -> Checked:
    """The file beside a good one, which is read as if it stood alone."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / name).write_bytes(data)
        (root / "good.yaml").write_bytes(GOOD)
        with quickly():
            checked = check_folder(root)
    assert checked.state.jobs[job_key("good.yaml", None, several=False)].spec == GOOD_JOB
    assert not [each for each in checked.problems if each.file == "good.yaml"]
    return checked


@settings(max_examples=300)
@given(st.binary(max_size=400))
def test_any_bytes(data: bytes) -> None:
    read(data)


@settings(max_examples=300)
@given(TEXTS)
def test_any_text_of_the_words_that_manifests_are_made_of(text: str) -> None:
    read(text.encode("utf-8", "surrogatepass"))


@settings(max_examples=60)
@given(st.one_of(st.binary(max_size=200), TEXTS.map(lambda text: text.encode())))
def test_nothing_swallows_the_good_job_of_another_file(data: bytes) -> None:
    together(data)
    together(data, "good-2.yml")


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """One of the examples after a few accidents."""
    data = draw(st.sampled_from(EXAMPLES))
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(data)))
        end = min(len(data), at + draw(st.integers(0, 30)))
        match draw(st.integers(0, 5)):
            case 0:  # something is lost
                data = data[:at] + data[end:]
            case 1:  # something is there twice
                data = data[:end] + data[at:end] + data[end:]
            case 2:  # something slips in
                data = data[:at] + draw(st.sampled_from(WORDS)).encode() + data[at:]
            case 3:  # a byte goes wrong
                data = data[:at] + bytes([draw(st.integers(0, 255))]) + data[at + 1 :]
            case 4:  # the end is cut off
                data = data[:at]
            case _:  # another manifest gets in between
                data = data[:at] + draw(st.sampled_from(EXAMPLES)) + data[at:]
    return data


@settings(max_examples=300)
@given(mutated())
def test_a_good_manifest_after_accidents(data: bytes) -> None:
    read(data)


@settings(max_examples=60)
@given(mutated())
def test_accidents_do_not_reach_another_file(data: bytes) -> None:
    together(data)


TEXT = st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=5)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
STRUCTURES = st.dictionaries(st.sampled_from([*FIELDS, "zzz"]) | TEXT, VALUES, max_size=8)
KINDS = st.sampled_from(["job", "character", "project", "jbo", None, 3])


@settings(max_examples=75)
@given(st.lists(st.tuples(KINDS, STRUCTURES), min_size=1, max_size=3), st.booleans())
def test_a_bad_document_never_swallows_the_good_one_that_follows(
    documents: list[tuple[Any, dict[str, Any]]], block: bool
) -> None:
    text = "".join(
        "---\n"
        + yaml.dump(
            fields | {"kind": kind},
            Dumper=yaml.CSafeDumper,
            allow_unicode=True,
            default_flow_style=not block,
        )
        for kind, fields in documents
        if fields.get("name") != "good"
    )
    loaded = read(text.encode() + b"---\n" + GOOD)
    if not any("in a manifest" in each.message for each in loaded.problems):
        assert loaded.documents[-1].manifest == GOOD_JOB
    assert len(loaded.documents) == len(documents) + 1 or loaded.problems or "good" in text


@settings(max_examples=25)
@given(
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=4).map("".join),
    st.sampled_from(["{}", "kind: job\nprompt: [{}", "kind: job\nprompt: ['{}']\n", "- {}",
                     "kind: project\nname: a\nmetadata:\n  {}", 'kind: job\nprompt: ["{}"]\n']),
)  # fmt: skip
def test_a_mebibyte_of_the_same_again(piece: str, around: str) -> None:
    size = LARGEST_FILE - 100
    filling = (piece * (size // len(piece.encode()))).encode()
    read(around.encode().replace(b"{}", filling))


@settings(max_examples=100)
@given(st.lists(st.tuples(st.integers(1, 60), st.integers(1, 200)), min_size=1, max_size=6))
def test_aliases_of_aliases_never_swell(layers: list[tuple[int, int]]) -> None:
    lines = ["kind: project\nname: a\nmetadata:\n  a0: &a0 " + "x" * 5_000]
    for number, (times, width) in enumerate(layers, 1):
        many = ", ".join([f"*a{number - 1}"] * times)
        lines.append(f"  a{number}: &a{number} [{many}, {'y' * width}]")
    loaded = read("\n".join(lines).encode())
    assert loaded.documents or "more than" in loaded.problems[0].message
