"""A node has weights where the head has them, or in folders that it names; only the very ones."""

from pathlib import Path

from pipeline.cluster.places import PACKAGE, Places, cache_in, folders_in
from pipeline.cluster.words import Lack, Weights
from pipeline.model import describe
from pipeline.modelfiles import ModelFiles
from pipeline.pictures import sha256_of

BUNDLED = PACKAGE / "chibi" / "model"


def weights(path: Path, sha256: str, file: str = "loras/ink.safetensors") -> Weights:
    return Weights(what="LoRA", path=path, sha256=sha256, file=file)


def written(path: Path, text: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return sha256_of(path)


def test_the_heads_own_place_comes_first_then_the_nodes_folders(tmp_path: Path) -> None:
    there, folder = tmp_path / "inbox/loras/ink.safetensors", tmp_path / "weights"
    places = Places((folder,), Path("/nowhere"), None)
    sha256 = written(folder / "ink.safetensors", "ink")
    assert places.weights(weights(there, sha256)) == folder / "ink.safetensors"
    written(folder / "loras/ink.safetensors", "ink")
    assert places.weights(weights(there, sha256)) == folder / "loras/ink.safetensors"
    written(there, "ink")
    assert places.weights(weights(there, sha256)) == there


def test_another_file_of_that_name_is_none_and_is_told(tmp_path: Path) -> None:
    there = tmp_path / "loras/ink.safetensors"
    found = written(there, "another")
    lack = Places((tmp_path / "w",), Path("/nowhere"), None).weights(weights(there, "ab" * 32))
    assert isinstance(lack, Lack)
    assert lack.called == "LoRA loras/ink.safetensors"
    assert f"{there} is another one ({found[:12]})" in lack.why
    assert f"nothing at {tmp_path}/w/ink.safetensors" in lack.why


def test_a_file_that_is_replaced_is_seen(tmp_path: Path) -> None:
    there = tmp_path / "ink.safetensors"
    places = Places((), Path("/nowhere"), tmp_path / "hashes.json")
    sha256 = written(there, "ink")
    assert places.weights(weights(there, sha256)) == there
    written(there, "another one")
    assert isinstance(places.weights(weights(there, sha256)), Lack)
    assert (tmp_path / "hashes.json").is_file()


def test_the_bundled_model_is_found_wherever_the_program_is(tmp_path: Path) -> None:
    sha256 = describe(BUNDLED).sha256
    elsewhere = tmp_path / "lib/pipeline"
    wanted = ModelFiles(path=elsewhere / "chibi/model", sha256=sha256)
    found = Places((), elsewhere, None).model(wanted)
    assert isinstance(found, ModelFiles)
    assert (found.path, found.sha256) == (BUNDLED, sha256)
    lack = Places((), Path("/nowhere"), None).model(wanted)
    assert isinstance(lack, Lack)
    assert lack.why == f"nothing at {elsewhere}/chibi/model"


def test_a_model_of_another_sha256_is_none(tmp_path: Path) -> None:
    lack = Places((), PACKAGE, None).model(ModelFiles(path=BUNDLED, sha256="ab" * 32))
    assert isinstance(lack, Lack)
    assert lack.called == "model model"
    assert f"{BUNDLED} is another one ({describe(BUNDLED).sha256[:12]})" in lack.why


def test_a_folder_is_named_in_full_or_not_at_all() -> None:
    assert folders_in({"ANIME_NODE_WEIGHTS": "/a:b::/c d"}) == (Path("/a"), Path("/c d"))
    assert folders_in({}) == ()
    assert cache_in({"HOME": "/home/me"}) == Path("/home/me/.cache/anime/hashes.json")
    assert cache_in({"XDG_CACHE_HOME": "/c", "HOME": "/h"}) == Path("/c/anime/hashes.json")
    assert cache_in({}) is None
