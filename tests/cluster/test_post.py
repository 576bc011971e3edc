"""An actor obeys in order, and draws nothing where whoever comes could have it run anything."""

from pathlib import Path

import pytest

from pipeline import __version__
from pipeline.cluster import words as w
from pipeline.cluster.post import Post
from pipeline.modelfiles import ModelFiles
from pipeline.pool import Manner


def setup(tmp_path: Path, version: str = __version__) -> bytes:
    """A node whose models are nowhere: it opens, and has no workers."""
    models = (ModelFiles(path=tmp_path / "none", sha256="ab" * 32),)
    return w.pack(
        w.Setup(
            version=version, models=models, held=("ab" * 32,), workers=1, device="cpu", threads=1,
            manner=Manner(), package=Path("/nowhere"), name="one",
        )
    )  # fmt: skip


def heard(post: Post, kind: type[w.Word]) -> list[w.Word]:
    """All that it says until a word of that kind."""
    words: list[w.Word] = []
    while not any(isinstance(word, kind) for word in words):
        words += w.words_of(post.listen(10.0))
    return words


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def test_orders_are_obeyed_as_they_are_numbered(here: Path) -> None:
    post = Post(setup(here))
    (opened,) = heard(post, w.Opened)
    assert isinstance(opened, w.Opened)
    assert [lack.called for lack in opened.lacks] == ["model none"]
    post.order(2, w.pack(w.End(grace=0.0)))
    assert w.words_of(post.listen(0.1)) == []
    post.order(1, w.pack(w.Hold(turn=1, models=())))
    assert heard(post, w.Ended)[-1] == w.Ended()


def test_without_a_token_a_node_draws_nothing(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_AUTH_MODE")
    post = Post(setup(here))
    (broke,) = heard(post, w.Broke)
    assert isinstance(broke, w.Broke)
    assert "without token authentication" in broke.error
    assert "export RAY_AUTH_MODE=token" in broke.hint
    post.order(1, w.pack(w.End(grace=0.0)))
    assert w.words_of(post.listen(0.01)) == []


def test_a_node_with_another_version_draws_nothing(here: Path) -> None:
    post = Post(setup(here, version="0.0.1"))
    (broke,) = heard(post, w.Broke)
    assert isinstance(broke, w.Broke)
    assert broke.error == f"its anime is {__version__}, and the head's is 0.0.1"
    post.order(1, w.pack(w.End(grace=0.0)))
    heard(post, w.Ended)
