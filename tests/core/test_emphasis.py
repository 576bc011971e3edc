"""Weights of words, as A1111 writes them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.emphasis import chunks, is_stressed, plain, stressed


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("red hair", [("red hair", 1)]),
        ("a (red) scarf", [("a ", 1), ("red", 1.1), (" scarf", 1)]),
        ("((red))", [("red", 1.21)]),
        ("(red:1.4)", [("red", 1.4)]),
        ("(red: .5)", [("red", 0.5)]),
        ("(a (b:2) c:1.5)", [("a ", 1.5), ("b", 3), (" c", 1.5)]),
        ("[dim]", [("dim", 1 / 1.1)]),
        (r"smile \(closed\)", [("smile (closed)", 1)]),
        ("left: red, right: blue", [("left: red, right: blue", 1)]),
        ("12:30", [("12:30", 1)]),
        ("(open", [("(open", 1)]),
        ("shut)", [("shut)", 1)]),
        ("(a) (b", [("a", 1.1), (" (b", 1)]),
        ("(x:99)", [("x", 10)]),
        ("", []),
    ],
)
def test_what_a_prompt_stresses(prompt: str, expected: list[tuple[str, float]]) -> None:
    found = stressed(prompt)
    assert [each.text for each in found] == [text for text, _ in expected]
    assert [each.weight for each in found] == pytest.approx([weight for _, weight in expected])


@given(st.text(alphabet="ab ,:.1()[]\\", max_size=40))
def test_any_text_has_weights_and_loses_no_letter(text: str) -> None:
    letters = [char for char in text if char in "ab"]
    assert [char for char in plain(text) if char in "ab"] == letters
    assert all(abs(each.weight) <= 10 for each in stressed(text))


@given(st.text(alphabet="ab ,:1", max_size=40))
def test_a_text_without_brackets_is_what_it_is(text: str) -> None:
    assert plain(text) == text
    assert not is_stressed(text)


def test_a_thousand_brackets_take_no_time() -> None:
    assert plain("(a" * 20_000 + ")" * 20_000).count("a") == 20_000
    assert [each.weight for each in stressed("((((x))))")] == pytest.approx([1.1**4])


@pytest.mark.parametrize(
    ("prompt", "found"),
    [
        ("", [[]]),
        ("a, b", [["a, b"]]),
        ("a BREAK b", [["a"], ["b"]]),
        ("a, BREAK, b", [["a"], ["b"]]),
        ("a,BREAK\nb BREAK BREAK c", [["a"], ["b"], ["c"]]),
        ("BREAK a BREAK", [["a"]]),
        ("BREAK", [[]]),
        ("BREAKFAST, break, a", [["BREAKFAST, break, a"]]),
        ("a, (b BREAK c:1.2), d", [["a, ", "b"], ["c", ", d"]]),
    ],
)
def test_break_parts_a_prompt(prompt: str, found: list[list[str]]) -> None:
    assert [[each.text for each in chunk] for chunk in chunks(prompt)] == found


@given(st.text("ab ()[]:,"), st.text("ab ()[]:,"))
def test_a_prompt_without_break_is_one_chunk(first: str, second: str) -> None:
    whole = f"{first}{second}"
    assert chunks(whole) == (stressed(whole),)
