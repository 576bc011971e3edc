"""A problem is written as place, message, line, caret under the place, and hint."""

from pipeline.core.problem import Problem, render


def test_the_caret_stands_under_the_place() -> None:
    problem = Problem(
        file="a/b.yaml", line=4, column=8, message="no", text="steps: 1500", caret=8, hint="yes"
    )
    assert render(problem) == "a/b.yaml:4:8: no\n    steps: 1500\n           ^\n    hint: yes"


def test_wide_letters_take_two_columns_and_a_tab_stays_a_tab() -> None:
    problem = Problem(file="a", line=1, column=1, message="no", text="日\te\u0301: x", caret=7)
    line, caret = render(problem).split("\n")[1:]
    assert line == "    日\te\u0301: x"
    assert caret == "      \t   ^"


def test_a_problem_of_a_whole_file_has_neither_line_nor_caret() -> None:
    assert render(Problem(file="a", line=1, column=1, message="no")) == "a:1:1: no"
