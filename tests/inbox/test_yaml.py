"""YAML is read as 1.2 says, every place is kept, and no bytes crash, stall or swell the reader."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.inbox import yaml
from pipeline.inbox.judge import plain
from pipeline.inbox.tree import Mapping, Mark, find
from tests.growth import keeps_to_its_size


def value_of(text: str) -> Any:
    """The value of a document with a single key, which has nothing wrong with it."""
    read = yaml.read(f"key: {text}".encode())
    assert read.broken is None
    assert read.documents[0].findings == ()
    return plain(read.documents[0].root)["key"]


def complaint(text: str | bytes) -> tuple[int, int, str]:
    """Where and why reading stopped, or the first finding."""
    read = yaml.read(text.encode() if isinstance(text, str) else text)
    finding = read.broken or read.documents[0].findings[0]
    return finding.mark.line, finding.mark.column, finding.message


@pytest.mark.parametrize(
    "word",
    ["no", "yes", "on", "off", "y", "n", "12:30", "1_000", "2024-01-31", "2024-99-99", "0o9", "+",
     ".", "1e", "e3", "0x", "=", "nullify", "1.2.3", "٣"],
)  # fmt: skip
def test_words_of_yaml_1_1_stay_text(word: str) -> None:
    assert value_of(word) == word


@pytest.mark.parametrize(
    ("text", "value"),
    [("", None), ("~", None), ("null", None), ("true", True), ("FALSE", False), ("010", 10),
     ("0o10", 8), ("0xff", 255), ("-12", -12), ("1e3", 1000.0), (".5", 0.5), ("1.", 1.0),
     ("-1.5E-2", -0.015), ("'no'", "no"), ('"1"', "1"), ("!!str 12", "12"), ("!!int 12", 12),
     ("!!float 1", 1), ("! 12", "12"), ("{a: [1, {b: x}]}", {"a": [1, {"b": "x"}]}),
     ("18446744073709551615", 2**64 - 1)],
)  # fmt: skip
def test_the_core_schema_gives_values(text: str, value: object) -> None:
    found = value_of(text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("a: 1\nb: 2\na: 3", (3, 1), "a is here twice: first in line 1, column 1"),
        ("a: &x {b: 1}\nc:\n  <<: *x", (3, 3), "merge keys (<<) are not read"),
        ("a: .nan", (1, 4), ".nan is not a finite number"),
        ("a: -.inf", (1, 4), "-.inf is not a finite number"),
        ("a: 1e999", (1, 4), "this number is too large or has too many digits"),
        ("a: " + "9" * 5000, (1, 4), "this number is too large"),
        ("a: 18446744073709551616", (1, 4), "this number is too large"),
        ("a: !shape x", (1, 4), "the tag !shape means nothing here"),
        ("a: !!python/object:os.system [x]", (1, 4), "the tag !!python/object:os.system means"),
        ("a: !!int x", (1, 4), "'x' is not of the type !!int"),
        ("a: !!set {x}", (1, 4), "the tag !!set means nothing here"),
        ("? [a]\n: 1", (1, 3), "a key must be a single word"),
        ("prompt: {{ name }}", (1, 10), "a key must be a single word"),
        ('"": 1', (1, 1), "a key is missing before ':'"),
        ("k" * 201 + ": 1", (1, 1), "a key has more than 200 characters"),
        ("a: *b", (1, 4), "*b repeats nothing: no &b stands before it"),
        ("a: &b [*b]", (1, 8), "*b repeats nothing: it stands inside what it repeats"),
        ('a: "\\0"', (1, 4), "the control character U+0000 may not stand in a manifest"),
        ("a: \x07", (1, 4), "the control character U+0007 may not stand in a manifest"),
        (b"a: \xff", (1, 4), "the byte 0xff is not UTF-8"),
        (b"# \xc3\xa4\na: \xed\xa0\x80", (2, 4), "the byte 0xed is not UTF-8"),
        ("a: 1".encode("utf-16"), (1, 1), "the file is UTF-16, not UTF-8"),
        ('a: "\\ud800"', (1, 7), "this escape is no character"),
        ("a:\n\t- b", (2, 1), "a tab is used for indentation"),
        ("a: b: c", (1, 5), "a ': ' is not allowed here"),
        ("日本: x: y", (1, 6), "a ': ' is not allowed here"),
        ("a: b\nc", (2, 1), "this line has no ': '"),
        ("a: 'b\nc: d", (1, 4), "the quote that opens here is never closed"),
        ("a: [b\nc: d", (1, 4), "the [ that opens here is not closed"),
        ("a: {b\nc: d", (1, 4), "the { that opens here is not closed"),
        ("a: 'it's'", (1, 8), "the value ends before this"),
        ("a:\n  b: c\n d: e", (3, 2), "this line does not fit the ones above it"),
        ("a: - b", (1, 4), "a list with '- ' cannot begin on this line"),
        ("a: @b", (1, 4), "text may not begin with @"),
        ("a: *b*", (1, 4), "text may not begin with * or &"),
        ('a: "C:\\dir"', (1, 7), "after a backslash, this character means nothing"),
        ("%YAML 3.0\n---\na: b", (1, 1), "this version of YAML is not known"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_plain_words_at_its_place(
    text: str | bytes, place: tuple[int, int], message: str
) -> None:
    line, column, said = complaint(text)
    assert said.startswith(message)
    assert (line, column) == place


def test_keys_are_text_as_written() -> None:
    read = yaml.read(b"{1: a, true: b, no: c, null: d, 1.50: e}")
    assert read.documents[0].findings == ()
    assert plain(read.documents[0].root) == {
        "1": "a", "true": "b", "no": "c", "null": "d", "1.50": "e"
    }  # fmt: skip


def test_places_are_counted_in_code_points_from_1() -> None:
    root = yaml.read("\ufeff日本: {犬: 1}\r\nb:\r\n  - x\r\n  - y".encode()).documents[0].root
    assert isinstance(root, Mapping)
    assert root.entries["日本"].mark == Mark(1, 1)
    assert find(root, ("日本", "犬")) == Mark(1, 9)
    assert find(root, ("b", 1)) == Mark(4, 5)
    assert find(root, ("b", 7, "nowhere")) == Mark(3, 3)


def test_documents_are_told_apart_and_empty_ones_left_out() -> None:
    read = yaml.read(b"# nothing\n---\n---\na: 1\n---\n# nothing\n---\nb: 2\n...\n")
    assert [plain(tree.root) for tree in read.documents] == [{"a": 1}, {"b": 2}]
    assert yaml.read(b"").documents == yaml.read(b"# only a comment\n").documents == ()


def test_an_alias_repeats_its_value_at_its_own_place() -> None:
    root = yaml.read(b"a: &x [1, 2]\nb: *x\nc: &y text\nd: *y").documents[0].root
    assert plain(root) == {"a": [1, 2], "b": [1, 2], "c": "text", "d": "text"}
    assert find(root, ("b",)) == Mark(2, 4)


BOMB = b"a0: &a0 [x, x, x, x, x, x, x, x]\n" + b"".join(
    b"a%d: &a%d [%s]\n" % (n, n, b", ".join([b"*a%d" % (n - 1)] * 8)) for n in range(1, 6)
)

HOSTILE = {
    "nested flow": b"[" * 1_000_000,
    "nested mapping": b"{a: " * 250_000,
    "nested block": b"- " * 500_000,
    "nested keys": b"? " * 500_000,
    "nested by aliases": b"a: &a [[[[[[[[x]]]]]]]]\n"
    + b"".join(b"b%d: &%c [[[[[[[[*%c]]]]]]]]\n" % (n, 98 + n, 97 + n) for n in range(6)),
    "alias bomb": BOMB,
    "many aliases": b"a: &a x\nb: [" + b"*a, " * 60 + b"]",
    "many nodes": b"[" + b"a," * 500_000 + b"]",
    "many documents": b"---\n" * 250_000,
    "too large": b"#" * (2**20 + 1),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_limits_stop_a_file_before_it_is_built(name: str) -> None:
    read = yaml.read(HOSTILE[name])
    assert read.broken is not None
    assert "more than" in read.broken.message
    assert read.documents == ()


LONG = {
    "colons": ":", "pairs": ": ", "stars": "*", "tags": "!", "dashes": "-", "pipes": "|",
    "newlines": "\n", "returns": "\r", "separators": "\u2028", "quotes": "'\n",
    "comments": "#\n", "keys": '"a": ', "percents": "%", "tabs": "\t", "marks": "&a ",
    "tagged": "- !a x\n", "directives": "%TAG ! !\n", "numbers": "- 1.5e3\n",
}  # fmt: skip


@pytest.mark.parametrize("name", LONG)
def test_a_mebibyte_of_anything_takes_no_more_than_its_size(name: str) -> None:
    size = 2**20 // len(LONG[name].encode())
    keeps_to_its_size(lambda text: yaml.read(text.encode()), LONG[name], size)


@given(st.binary(max_size=300))
def test_no_bytes_raise(data: bytes) -> None:
    yaml.read(data)


LEAVES = st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text("ab\n日: #'\"\\-")
TREES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner) | st.dictionaries(st.text("abc", min_size=1), inner),
    max_leaves=20,
)


@given(TREES)
def test_json_is_yaml_and_reads_as_it_was_written(value: object) -> None:
    read = yaml.read(b"key: " + msgspec.json.encode(value))
    assert read.broken is None
    assert plain(read.documents[0].root) == {"key": value}
