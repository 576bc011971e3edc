"""Workers are shown references each by itself: no picture without them changes, none fails another;
and the whole way, from manifests and settings to pictures and back."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch

from pipeline import inscription
from pipeline.core.observed import Failed
from pipeline.core.resolved import Likeness, Picture, Task
from pipeline.hashes import Hashes
from pipeline.inscription import record_of
from pipeline.model import Told
from pipeline.modelfiles import ModelFiles
from pipeline.pictures import sha256_of
from pipeline.pool import WorkerPool
from pipeline.references import encoder_sha256
from pipeline.settings import BUNDLED_MODEL
from tests.cli.command import anime
from tests.render import ip_adapters
from tests.render.conftest import Pool, task

pytestmark = [pytest.mark.process, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Told:
    """An IP-Adapter for the tiny model, and its encoder."""
    root = tmp_path_factory.mktemp("shown-by")
    loader: Any = diffusers
    folder = str(tiny_model / "unet")
    unet = loader.UNet2DConditionModel.from_pretrained(folder, dtype=torch.float32)
    file = ip_adapters.adapter(root / "ip-adapter-plus.safetensors", unet, "plus")
    return Told(ip_adapter=file, image_encoder=ip_adapters.encoder(root / "image_encoder"))


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path, told: Told) -> Iterator[Pool]:
    root = tmp_path_factory.mktemp("inbox")

    def make(wake: Callable[[], None]) -> WorkerPool:
        files = ModelFiles(path=tiny_model, told=told)
        return WorkerPool(root, files, workers=2, device="cpu", threads=1, wake=wake)

    pool = Pool(root, make)
    yield pool
    pool.pool.stop(5.0)


def like(root: Path, told: Told, name: str, colour: str) -> Likeness:
    assert told.ip_adapter is not None
    assert told.image_encoder is not None
    path = ip_adapters.picture(root / name, colour)
    return Likeness(
        pictures=(Picture(file=name, sha256=sha256_of(path)),), weight=0.8,
        adapter=sha256_of(told.ip_adapter),
        encoder=encoder_sha256(told.image_encoder, Hashes(None)),
    )  # fmt: skip


def pixels(pool: Pool, wanted: Task, worker: str) -> bytes:
    painted = pool.draw(wanted, worker)
    return inscription.pixels_in(pool.root / painted.file).encode()


@pytest.mark.slow
def test_pictures_with_references_and_without_are_the_same_on_every_worker(
    shown: Pool, told: Told
) -> None:
    red, blue = (like(shown.root, told, f"{each}.png", each) for each in ("red", "blue"))
    shows = {"plain": (), "red": (red,), "both": (red, blue), "plain again": ()}
    drawn: dict[str, list[bytes]] = {}
    for worker in shown.all_free():
        for name, likenesses in shows.items():
            wanted = task(f"{worker}-{name[-5:]}", seed=99, steps=2, likenesses=likenesses)
            drawn.setdefault(name, []).append(pixels(shown, wanted, worker))
    assert all(first == second for first, second in drawn.values())
    assert drawn["plain"] == drawn["plain again"]
    assert len({first for first, _ in drawn.values()}) == 3
    gone = like(shown.root, told, "gone.png", "green")
    (shown.root / "gone.png").unlink()
    worker = shown.all_free()[0]
    pid = shown.worker(worker).pid
    failed = shown.draw(task("gone", steps=1, likenesses=(gone,)), worker)
    assert isinstance(failed, Failed)
    assert "the picture gone.png cannot be read: No such file or directory" in failed.error
    assert pixels(shown, task("after", steps=1), worker)
    assert shown.worker(worker).pid == pid


@pytest.mark.slow
def test_from_manifests_to_pictures_and_back(tmp_path: Path, tiny_model: Path, told: Told) -> None:
    inbox = tmp_path / "inbox"
    settings = {"model": tiny_model, "ip_adapter": told.ip_adapter,
                "image_encoder": told.image_encoder}  # fmt: skip
    files = {
        "anime.toml": "".join(f'{name} = "{path}"\n' for name, path in settings.items())
        + 'workers = 1\ndevice = "cpu"\n',
        "project.yaml": "kind: project\nname: Show\ndefaults: {size: 64x64, steps: 2}\n",
        "akira.yaml": "kind: character\nname: Akira\nappearance: red hair\nreference: a.png\n",
        "rei.yaml": "kind: character\nname: Rei\nreference: {picture: b.png, weight: 1}\n",
        "one.yaml": "kind: job\ncharacters: [akira]\nprompt: rain\n",
        "two.yaml": "kind: job\ncast: [{who: akira}, {who: rei, expression: smile}]\n",
        "three.yaml": "kind: job\nprompt: sun\nreference: one.01.png\nfrom: two.01.png\n"
        "refine: {scale: 2, strength: 0.5}\n",
    }
    ip_adapters.picture(inbox / "references/a.png", "red")
    ip_adapters.picture(inbox / "b.png", "blue")
    for name, text in files.items():
        (inbox / name).write_text(text)

    def said(*arguments: str, status: int = 0) -> str:
        done = anime(*arguments, cwd=inbox, timeout=400)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout

    assert said("check") == "6 manifests, nothing to mend\n"
    assert "2 pictures to draw" in said("plan", status=1), "the third waits for these"
    assert "jobs      3 done" in said("run", "--once", "--port", "0")
    record = record_of(inbox / "two.01.png")
    assert record is not None
    assert [each.pictures[0].file for each in record.resolved.likenesses] == [
        "references/a.png", "b.png",
    ]  # fmt: skip
    three = said("show", "three")
    assert "after one.01.png, weight 0.6" in three
    assert "from two.01.png" in three
    assert "after references/a.png, weight 0.6, 0% to 50% across" in said("show", "two")
    assert 'reference: {"picture":"references/a.png","weight":0.6}' in said("recipe", "one.01.png")
    assert "# - the reference b.png, weight 1 from 50% to 100% of the width" in said(
        "recipe", "two.01.png"
    )
    (inbox / "b.png").rename(inbox / "moved.png")
    assert said("reproduce", "two.01.png").startswith("the same pixels")
    (inbox / "moved.png").rename(inbox / "b.png")
    ip_adapters.picture(inbox / "references/a.png", "green")
    assert "stale       one  (picture references/a.png)" in said("plan")
    bundled = f'model = "{BUNDLED_MODEL}"\n'
    (inbox / "anime.toml").write_text(bundled)
    assert "none is named: say ip_adapter and image_encoder" in said("plan")
    (inbox / "anime.toml").write_text(f'{bundled}ip_adapter = "{told.ip_adapter}"\n')
    why = "the IP-Adapter ip-adapter-plus.safetensors cannot be used: it is made for"
    assert why in said("check", status=1)
