"""`anime pull` fetches what is a model and nothing else, goes on where it broke off, and says so.

The hub's own client speaks to a small server of ours that answers as the hub does.
"""

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec
import pytest

from pipeline import pulled
from pipeline.checkpoint import VAE
from pipeline.commands.pull import CannotPull, File, chosen, fetch, find, sized
from pipeline.settings import gather
from pipeline.weights import ModelError
from tests.test_checkpoint import SD, written

COMMIT = "a" * 40
PARTS = ("text_encoder", "unet", "vae")


class Hub:
    """What the server has, and what it was asked for."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[tuple[str, str]] = []
        self.broken = ""
        self.url = ""


def _lfs(data: bytes) -> dict[str, object]:
    """What the hub says of a big file."""
    sha256 = hashlib.sha256(data).hexdigest()
    return {"lfs": {"size": len(data), "sha256": sha256, "pointerSize": 134}}


@pytest.fixture
def hub() -> Iterator[Hub]:
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def do_GET(self) -> None:
            self._answer(body=True)

        def _answer(self, body: bool) -> None:
            path = self.path.split("?")[0]
            if path == "/api/models/studio/dream":
                said = [{"rfilename": n, "size": len(d), **_lfs(d)} for n, d in hub.files.items()]
                self._send(msgspec.json.encode({"id": "x", "sha": COMMIT, "siblings": said}), body)
                return
            name = path.removeprefix(f"/studio/dream/resolve/{COMMIT}/")
            if name not in hub.files:
                self._send(b"{}", body, 404, {"X-Error-Code": "RepoNotFound"})
                return
            data, asked = hub.files[name], self.headers.get("Range", "")
            hub.asked += [(name, asked)] if body else []
            more = {"X-Repo-Commit": COMMIT, "ETag": f'"{len(data)}-{name.count("/")}"'}
            start = int(asked.removeprefix("bytes=").split("-")[0]) if body and asked else 0
            if start:
                more["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
            if body and name == hub.broken and start:
                self._send(b"{}", body, 403)
                return
            if body and name == hub.broken:
                more["Content-Length"] = str(len(data) - start)
                self._send(data[start : start + 20], body, 200, more)
                self.close_connection = True
                return
            self._send(data[start:], body, 206 if start else 200, more)

        def _send(
            self, data: bytes, body: bool, code: int = 200, more: dict[str, str] | None = None
        ) -> None:
            self.send_response(code)
            for key, value in ({"Content-Length": str(len(data))} | (more or {})).items():
                self.send_header(key, value)
            self.end_headers()
            if body:
                self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Nothing on the terminal."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield hub
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client finds nothing of the person who runs the tests."""
    monkeypatch.setenv("HF_HUB_DISABLE_TELEMETRY", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "token"))


def _checkpoint(folder: Path) -> bytes:
    return written(folder / "made.safetensors", SD).read_bytes()


def test_one_checkpoint_is_fetched_and_meant_by_its_name(hub: Hub, tmp_path: Path) -> None:
    data = _checkpoint(tmp_path)
    hub.files = {"dream.safetensors": data, "dream.ckpt": b"\x80", "README.md": b"words"}
    environ = {"XDG_DATA_HOME": str(tmp_path / "data"), "HOME": "/nowhere"}
    folder = pulled.place("studio/dream", environ)
    assert folder == tmp_path / "data/anime/models/studio/dream"
    found = find("studio/dream", folder, endpoint=hub.url)
    assert (found.size, found.commit) == (len(data), COMMIT)
    told: list[str] = []
    model = fetch(found, told.append, endpoint=hub.url)
    assert model == folder / "dream.safetensors"
    assert model.read_bytes() == data
    assert told == [f"dream.safetensors ({sized(len(data))})"]
    assert [name for name, _ in hub.asked] == ["dream.safetensors"]
    settings = gather({"model": "studio/dream"}, environ=environ, cwd=tmp_path)
    assert settings.model == model
    (tmp_path / "studio/dream").mkdir(parents=True)
    here = gather({"model": "studio/dream"}, environ=environ, cwd=tmp_path)
    assert here.model == tmp_path / "studio/dream"


def test_what_broke_off_is_gone_on_with(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 5)  # it keeps whole ones
    data = _checkpoint(tmp_path)
    hub.files, hub.broken = {"dream.safetensors": data}, "dream.safetensors"
    found = find("studio/dream", tmp_path / "kept", endpoint=hub.url)
    with pytest.raises(CannotPull, match="broke off") as caught:
        fetch(found, lambda _: None, endpoint=hub.url)
    assert "goes on from there" in (caught.value.hint or "")
    assert not (tmp_path / "kept/dream.safetensors").exists()
    hub.broken, hub.asked = "", []
    assert fetch(found, lambda _: None, endpoint=hub.url).read_bytes() == data
    ((_, asked),) = hub.asked
    assert asked.startswith("bytes=")
    assert int(asked.removeprefix("bytes=").split("-")[0]) >= 20


def test_what_is_there_is_not_fetched_again_and_what_is_not_whole_is(
    hub: Hub, tmp_path: Path
) -> None:
    data = _checkpoint(tmp_path)
    hub.files = {"dream.safetensors": data}
    found = find("studio/dream", tmp_path / "kept", endpoint=hub.url)
    model = fetch(found, lambda _: None, endpoint=hub.url)
    fetch(found, lambda _: None, endpoint=hub.url)
    assert len(hub.asked) == 1
    model.write_bytes(data[:-1] + b"5")
    fetch(found, lambda _: None, endpoint=hub.url)
    assert model.read_bytes() == data
    assert [path.name for path in model.parent.iterdir()] == [model.name]


def test_what_has_another_hash_is_thrown_away(hub: Hub, tmp_path: Path) -> None:
    data = _checkpoint(tmp_path)
    hub.files = {"dream.safetensors": data}
    found = find("studio/dream", tmp_path / "kept", endpoint=hub.url)
    hub.files = {"dream.safetensors": data[:-1] + b"5"}
    with pytest.raises(CannotPull, match="has not the sha256"):
        fetch(found, lambda _: None, endpoint=hub.url)
    assert list((tmp_path / "kept").iterdir()) == []


def test_a_model_that_is_not_there_is_said(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(CannotPull, match="no model studio/other"):
        find("studio/other", tmp_path, endpoint=hub.url)
    with pytest.raises(CannotPull, match="does not answer"):
        find("studio/dream", tmp_path, endpoint="http://127.0.0.1:9")


def test_a_fetched_file_is_judged(hub: Hub, tmp_path: Path) -> None:
    bare = {name: shape for name, shape in SD.items() if not name.startswith(VAE)}
    hub.files = {"dream.safetensors": written(tmp_path / "made", bare).read_bytes()}
    told: list[str] = []
    found = find("studio/dream", tmp_path / "kept", endpoint=hub.url)
    fetch(found, told.append, endpoint=hub.url)
    assert "holds no VAE" in told[-1]
    hub.files = {"dream.safetensors": b"version https://git-lfs.github.com/spec/v1"}
    found = find("studio/dream", tmp_path / "other", endpoint=hub.url)
    with pytest.raises(ModelError, match="LFS"):
        fetch(found, told.append, endpoint=hub.url)


def _files(*names: str) -> list[File]:
    return [File(name=name, size=1) for name in names]


def _names(*names: str, only: str | None = None) -> list[str]:
    return [file.name for file in chosen("studio/dream", _files(*names), only)]


def test_a_folder_is_its_parts_in_half_precision_where_all_have_it() -> None:
    index = [
        "model_index.json",
        "README.md",
        "run.py",
        "unet/run.py",
        "safety_checker/a.safetensors",
    ]
    full = [f"{part}/model.safetensors" for part in PARTS]
    configs = [f"{part}/config.json" for part in PARTS]
    words = ["tokenizer/vocab.json", "tokenizer/merges.txt", "scheduler/scheduler_config.json"]
    pickles = [f"{part}/model.bin" for part in PARTS]
    wanted = {"model_index.json", *configs, *words}
    half = [f"{part}/model.fp16.safetensors" for part in PARTS]
    others = ["unet/model.non_ema.safetensors"]
    every = [*index, *full, *configs, *words, *pickles, *others]
    assert set(_names(*every)) == wanted | set(full)
    assert set(_names(*every, *half)) == wanted | set(half)
    assert set(_names(*every, *half[:2])) == wanted | set(full)
    shards = [f"unet/model-0000{n}-of-00002.safetensors" for n in (1, 2)]
    shards.append("unet/model.safetensors.index.json")
    cut = [name for name in every if name != "unet/model.safetensors"]
    assert set(_names(*cut, *shards)) == wanted | {*full, *shards} - {"unet/model.safetensors"}


def test_pickles_are_never_fetched() -> None:
    with pytest.raises(CannotPull, match="neither"):
        _names("model.ckpt", "pytorch_model.bin")
    parts = [f"{part}/model.bin" for part in PARTS]
    with pytest.raises(CannotPull, match="only as pickle"):
        _names("model_index.json", *parts)


def test_of_several_checkpoints_one_is_named() -> None:
    names = ("a.safetensors", "b.safetensors", "deep/c.safetensors")
    with pytest.raises(CannotPull, match="2 checkpoints") as caught:
        _names(*names)
    assert "--file" in (caught.value.hint or "")
    assert _names(*names, only="deep/c.safetensors") == ["deep/c.safetensors"]
    with pytest.raises(CannotPull, match="no file"):
        _names(*names, only="d.safetensors")


@pytest.mark.parametrize("name", ["../../x.safetensors", "/x.safetensors", "a//x.safetensors"])
def test_a_name_that_leads_elsewhere_is_no_file_of_a_model(name: str) -> None:
    with pytest.raises(CannotPull):
        _names(name)
    with pytest.raises(CannotPull):
        _names(name, only=name)


@pytest.mark.parametrize(
    ("text", "so"),
    [
        ("studio/dream", True),
        ("cagliostrolab/animagine-xl-4.0", True),
        ("dream", False),
        ("../dream", False),
        ("a/b/c", False),
        ("a/..", False),
        ("/a", False),
        (7, False),
    ],
)
def test_what_can_be_a_name_on_a_hub(text: object, so: bool) -> None:
    assert pulled.is_id(text) is so
