"""What the page shows of a job is made anew when something that it rests on has changed."""

from pathlib import Path

from pipeline.core.state import State
from pipeline.server.board import Board
from pipeline.server.view import JobView
from tests.production import Production


class Shown:
    """A board beside a production, told of every event."""

    def __init__(self) -> None:
        self.production = Production()
        self.board = Board(State(), inbox=Path("inbox"))

    def drop(self, file: str, text: str) -> None:
        self.production.drop(file, text)

    def job(self) -> JobView:
        for seq, event in enumerate(self.production.events, start=1):
            self.board.fold(seq, f"at-{seq}", event)
        return self.board.job("neon/job")


def test_a_changed_style_or_wildcard_makes_a_job_stale() -> None:
    shown = Shown()
    shown.drop("styles.csv", "name,prompt,negative_prompt\nnoir,film noir,\n")
    shown.drop("wildcards/sky.txt", "sun\n")
    shown.drop("neon/job.yaml", "kind: job\nprompt: city, __sky__\nstyle: noir\n")
    for task in shown.production.tasks():
        shown.production.paint(task)
    assert not shown.job().stale
    shown.drop("wildcards/sky.txt", "moon\n")
    assert shown.job().stale
    shown.drop("wildcards/sky.txt", "sun\n")
    assert not shown.job().stale
    shown.drop("styles.csv", "name,prompt,negative_prompt\nnoir,grainy film noir,\n")
    assert shown.job().stale
    shown.drop("styles.csv", "name,prompt,negative_prompt\nnoir,film noir,\n")
    assert not shown.job().stale


def test_a_job_waits_while_the_file_of_its_project_has_errors() -> None:
    shown = Shown()
    shown.drop("neon/job.yaml", "kind: job\nprompt: city\nhold: true\n")
    assert shown.job().status == "held"
    shown.drop("neon/project.yaml", "kind: project\nname: Neon\nstile: manga\n")
    assert shown.job().status == "waiting"
    shown.drop("neon/project.yaml", "kind: project\nname: Neon\n")
    assert shown.job().status == "held"
