"""The page's word on several models: how each stands, which draws what, how often they changed."""

from pathlib import Path

import msgspec

from pipeline.core import events as e
from pipeline.core.observed import Live
from pipeline.core.resolved import Model, Offered
from pipeline.server.board import Board
from pipeline.server.health import health
from pipeline.server.view import LiveView
from tests.production import MODEL, Production

INK = Model(name="ink-v3", sha256="1c" * 32, width=512, height=768)
LIVE = LiveView(
    workers=(), model_preloaded=True, inbox_lost=None, journal_failed=None, draining=False
)


def board(*more: e.Event) -> Board:
    """What the page knows of two jobs, one of them of another model than the usual one."""
    made = Production()
    made.record(
        e.RunnerStarted(
            version="0", model=MODEL, workers=3, device="cpu", pid=1,
            models=(Offered(name="ink", model=INK),),
        )
    )  # fmt: skip
    made.drop("a.yaml", "kind: job\nprompt: rain\n")
    made.drop("b.yaml", "kind: job\nprompt: rain\nmodel: ink\n")
    made.record(*more)
    return Board(made.state.copy(), inbox=Path("inbox"))


def test_each_job_says_its_model_and_each_model_how_it_stands() -> None:
    switched = e.ModelSwitched(model=INK.sha256, name="ink", left=("test",), seconds=2.0)
    shown = msgspec.json.decode(board(switched).snapshot(LIVE))
    assert {job["key"]: job["model"] for job in shown["jobs"]} == {"a": "test", "b": "ink"}
    assert shown["models"] == [
        {"name": "test", "state": "cold", "why": ""},
        {"name": "ink", "state": "warm", "why": ""},
    ]
    assert shown["switches"] == 1
    found = health(board(switched), Live(model_preloaded=True), LIVE)
    assert [(each.name, each.state) for each in found.models] == [("test", "cold"), ("ink", "warm")]
    assert (found.status, found.switches) == ("ok", 1)


def test_a_model_that_fails_is_shown_with_its_jobs_at_once() -> None:
    shown = board()
    assert shown.job("b").status == "queued"
    shown.fold(
        shown.state.seq + 1, "", e.ModelFailed(model=INK.sha256, name="ink", error="it is torn")
    )
    assert shown.job("b").status == "waiting"
    assert shown.job("b").waiting == "the model ink cannot be used: it is torn"
    assert shown.job("a").status == "queued"
    (ink,) = [each for each in health(shown, Live(), LIVE).models if each.name == "ink"]
    assert (ink.state, ink.why) == ("unusable", "it is torn")


def test_with_one_model_nothing_is_said_of_several() -> None:
    made = Production()
    made.drop("a.yaml", "kind: job\nprompt: rain\n")
    shown = Board(made.state.copy(), inbox=Path("inbox"))
    assert shown.job("a").model is None
    assert health(shown, Live(), LIVE).models == ()
