"""Orders and words are the same on the other side."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from pipeline.cluster import words as w
from pipeline.model import Told
from pipeline.modelfiles import ModelFiles
from pipeline.pool import Manner
from tests.fakes import FAKE_MADE
from tests.render.conftest import task

SETUP = w.Setup(
    version="0", models=(ModelFiles(path=Path("/m"), told=Told(vae=Path("/v")), sha256="ab"),),
    held=("ab",), workers=2, device="cpu", threads=1, manner=Manner(previews=3), package=Path("/p"),
    weights={"ab": 5}, name="one",
)  # fmt: skip
LACK = w.Lack(called="LoRA x", sha256="ab", why="nothing at /x")
ORDERS: list[w.Order] = [
    w.Draw(
        number=1, worker="worker-1", task=task("雨"),
        weights=(w.Weights(what="LoRA", path=Path("/x"), sha256="ab", file="x"),),
        pictures=(w.Sent(file="a.png", data=b"\x00\xff"),),
    ),
    w.Cancel(number=1), w.Hold(turn=2, models=("ab", "cd")), w.End(grace=1.5),
]  # fmt: skip
WORDS: list[w.Word] = [
    w.Opening(), w.Opened(models=("ab",), lacks=(LACK,)),
    w.Lives(
        workers=(w.OnePhase(name="worker-1", pid=None, phase="starting"),), keeper=5, turn=0,
        free=1, each=2,
    ),
    w.Warmed(worker="worker-1", pid=3), w.Begun(number=1, encoding=0.5),
    w.Ticked(number=1, step=2, steps=3, preview=b"jpeg"), w.Ticked(number=1, step=3, steps=3),
    w.Drawn(number=1, data=b"\x89PNG", sha256="ab", seconds=1.0, made=FAKE_MADE),
    w.Failing(number=1, kind="disk_full", error="no room"), w.Halted(number=1),
    w.Returned(number=1, lacks=(LACK,)),
    w.Dead(worker="worker-1", pid=3, cause="node", detail="", blamed=False, number=1),
    w.Unfit(lack=LACK), w.Broke(error="no GPU"), w.Ended(),
]  # fmt: skip


def test_all_of_it_goes_through_bytes() -> None:
    assert w.setup_of(w.pack(SETUP)) == SETUP
    assert [w.order_of(w.pack(order)) for order in ORDERS] == ORDERS
    assert w.words_of(w.pack(WORDS)) == WORDS
    assert {type(word) for word in WORDS} == {*w.Word.__args__}


@given(st.binary(max_size=2048))
def test_a_picture_of_any_bytes_is_those_bytes(data: bytes) -> None:
    drawn = w.Drawn(number=1, data=data, sha256="ab", seconds=1.0, made=FAKE_MADE)
    assert w.words_of(w.pack([drawn])) == [drawn]
