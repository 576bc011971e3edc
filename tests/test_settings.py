"""Settings: which place wins, what an inbox may not say, and that all errors come at once."""

from pathlib import Path

import pytest

from pipeline.model import Told
from pipeline.modelfiles import ModelFiles
from pipeline.settings import BUNDLED_MODEL, Settings, SettingsError, gather


def settle(tmp_path: Path, inbox: str = "", user: str = "", **flags: object) -> Settings:
    """Settings with these two files and flags; flags in capitals are the environment."""
    (tmp_path / "inbox").mkdir(exist_ok=True)
    (tmp_path / "inbox" / "anime.toml").write_text(inbox)
    (tmp_path / "config" / "anime").mkdir(parents=True, exist_ok=True)
    (tmp_path / "config" / "anime" / "config.toml").write_text(user)
    environ = {f"ANIME_{name}": str(value) for name, value in flags.items() if name.isupper()}
    return gather(
        {name: value for name, value in flags.items() if name.islower()},
        environ=environ | {"XDG_CONFIG_HOME": str(tmp_path / "config")},
        cwd=tmp_path,
    )


def refusal(tmp_path: Path, inbox: str = "", user: str = "", **flags: object) -> str:
    with pytest.raises(SettingsError) as caught:
        settle(tmp_path, inbox, user, **flags)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_defaults(tmp_path: Path) -> None:
    found = gather({}, environ={}, cwd=tmp_path)
    assert found == Settings(inbox=tmp_path / "inbox", origins=found.origins)
    assert (found.workers, found.device, found.threads) == (3, "auto", 0)
    assert (found.host, found.port, found.model) == ("127.0.0.1", 8328, BUNDLED_MODEL)
    assert set(found.origins.values()) == {"default"}
    assert "origins" not in found.origins


def test_flags_environment_user_inbox(tmp_path: Path) -> None:
    below = "workers = 5\n"
    assert settle(tmp_path, below).workers == 5
    assert settle(tmp_path, below, "workers = 4\n").workers == 4
    assert settle(tmp_path, below, "workers = 4\n", WORKERS=2).workers == 2
    found = settle(tmp_path, below, "workers = 4\n", WORKERS=2, workers="1")
    assert (found.workers, found.origins["workers"]) == (1, "--workers")
    assert settle(tmp_path, below, workers=None, WORKERS="").workers == 5


def test_the_origin_names_the_place(tmp_path: Path) -> None:
    found = settle(tmp_path, "# mine\n\nworkers = 2\n", PORT=0)
    assert found.origins["workers"] == f"{tmp_path}/inbox/anime.toml:3"
    assert found.origins["port"] == "ANIME_PORT"
    assert found.origins["device"] == "default"


def test_words_are_read(tmp_path: Path) -> None:
    assert not settle(tmp_path, POLLING="yes", polling=False).polling
    found = settle(tmp_path, "grace = 5\n", POLLING="yes", on_start="paused", HOST="::1")
    assert (found.grace, found.polling, found.on_start, found.host) == (5.0, True, "paused", "::1")
    assert settle(tmp_path, "polling = true\non-start = 'paused'\n").polling


def test_failures_in_a_row_are_counted_as_far_as_is_set(tmp_path: Path) -> None:
    assert settle(tmp_path).previews == 3
    assert settle(tmp_path, "previews = 5\n").previews == 5
    assert settle(tmp_path, "previews = 5\n", PREVIEWS=0).previews == 0
    assert "previews must be a whole number from 0 to 1000" in refusal(tmp_path, PREVIEWS=-1)
    assert settle(tmp_path).pause_after == 3
    assert settle(tmp_path, "pause_after = 0\n", PAUSE_AFTER="").pause_after == 0
    assert settle(tmp_path, PAUSE_AFTER=7).pause_after == 7
    assert "pause_after must be a whole number from 0 to 1000" in refusal(tmp_path, PAUSE_AFTER=-1)


def test_paths_start_where_they_are_said(tmp_path: Path) -> None:
    assert settle(tmp_path, "model = 'm'\n").model == tmp_path / "inbox" / "m"
    assert settle(tmp_path, "", "model = 'm'\n").model == tmp_path / "config" / "anime" / "m"
    assert settle(tmp_path, MODEL="m").model == tmp_path / "m"
    assert settle(tmp_path, model="../m").model == tmp_path.parent / "m"
    assert settle(tmp_path, model="/m").model == Path("/m")


def test_which_inbox(tmp_path: Path) -> None:
    assert settle(tmp_path).inbox == tmp_path / "inbox"
    assert gather({"inbox": "b"}, environ={"ANIME_INBOX": "c"}, cwd=tmp_path).inbox == (
        tmp_path / "b"
    )
    (tmp_path / ".pipeline").mkdir()
    assert gather({}, environ={}, cwd=tmp_path).inbox == tmp_path
    (tmp_path / "show" / "inbox").mkdir(parents=True)
    assert gather({}, environ={}, cwd=tmp_path / "show").inbox == tmp_path
    (tmp_path / "show" / "anime.toml").touch()
    assert gather({}, environ={}, cwd=tmp_path / "show" / "inbox").inbox == tmp_path / "show"
    fixed = gather({}, environ={"ANIME_INBOX": "c"}, cwd=tmp_path, inbox=tmp_path / "demo")
    assert fixed.inbox == tmp_path / "demo"


@pytest.mark.parametrize("name", ["host", "port", "token", "names", "inbox"])
def test_an_inbox_does_not_decide_who_reaches_this_machine(tmp_path: Path, name: str) -> None:
    said = refusal(tmp_path, f"workers = 2\n{name} = 'x'\n")
    assert f"{tmp_path}/inbox/anime.toml:2: {name} cannot be set in an inbox" in said
    assert f"use --{name}, ANIME_{name.upper()} or the user's own file" in said


def test_the_user_may(tmp_path: Path) -> None:
    assert settle(tmp_path, "", "port = 9000\nhost = '0.0.0.0'\n").port == 9000


def test_all_errors_at_once(tmp_path: Path) -> None:
    said = refusal(
        tmp_path,
        "workers = '2'\nport = 1\n",
        "devise = 'cpu'\ngrace = -1\n",
        WORKER="3",
        THREADS="two",
        port="65536",
    )
    assert said.startswith("7 settings are wrong:\n--port: port must be a whole number from 0 to")
    for part in (
        "ANIME_THREADS: threads must be a whole number from 0 to 1024, not 'two'",
        "ANIME_WORKER: no setting has this name\n  hint: did you mean ANIME_WORKERS?",
        "config.toml:1: there is no setting 'devise'\n  hint: did you mean device?",
        "config.toml:2: grace must be seconds from 0 to 86400, not -1",
        "anime.toml:1: workers must be a whole number from 1 to 64, not '2'\n"
        "  hint: take the quotes away",
        "anime.toml:2: port cannot be set in an inbox",
    ):
        assert part in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("workers = \n", "anime.toml:1:11: invalid value"),
        ("workers = 3\nworkers = 4\n", "anime.toml:2:12: cannot overwrite a value"),
        ("a = '''\n\n", "anime.toml:2: "),
        ("workers = true\n", "anime.toml:1: workers must be a whole number"),
        ("[server]\nport = 1\n", "anime.toml:1: there is no setting 'server'"),
        ("device = 'tpu'\n", "anime.toml:1: device must be auto, cpu or cuda, not 'tpu'"),
        ("model = 3\n", "anime.toml:1: model must be the path of a folder or a file, not 3"),
    ],
)
def test_a_file_that_is_wrong_is_named_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    assert said in refusal(tmp_path, text)


def test_a_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "anime.toml").mkdir()
    with pytest.raises(SettingsError, match=r"it cannot be read: Is a directory") as caught:
        gather({"inbox": "."}, environ={}, cwd=tmp_path)
    assert caught.value.hint == "check its permissions and its owner"
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "anime.toml").write_bytes(b"\nworkers = '\xff'\n")
    with pytest.raises(SettingsError, match=r"anime.toml:2: it is not UTF-8"):
        gather({"inbox": "b"}, environ={}, cwd=tmp_path)


def test_strangers_variables_are_left_alone(tmp_path: Path) -> None:
    environ = {"ANIME_CATALOGUE_XYZ": "1", "ANIME_PORT": "", "PATH": "/bin"}
    assert gather({}, environ=environ, cwd=tmp_path).port == 8328


def test_a_token_is_long_and_stands_in_no_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        gather({"token": "secret-word"}, environ={}, cwd=tmp_path, inbox=tmp_path)
    assert "secret-word" not in str(caught.value)
    assert "openssl rand" in str(caught.value)
    for token in ("none", "0123456789abcdef"):
        found = gather({}, environ={"ANIME_TOKEN": token}, cwd=tmp_path, inbox=tmp_path)
        assert found.token == token


def test_other_hosts_are_a_list_with_commas(tmp_path: Path) -> None:
    said = {"names": "localhost:9000, studio.example"}
    found = gather(said, environ={}, cwd=tmp_path, inbox=tmp_path)
    assert found.names == ("localhost:9000", "studio.example")
    with pytest.raises(SettingsError, match="names must be"):
        gather({"names": "http://a"}, environ={}, cwd=tmp_path, inbox=tmp_path)


def test_what_a_model_does_not_say_is_told(tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    (inbox / "anime.toml").write_text('vae = "vae.safetensors"\nprediction = "v_prediction"\n')
    settings = gather({}, environ={"ANIME_ZERO_SNR": "yes"}, cwd=tmp_path, inbox=inbox)
    told = Told(vae=inbox / "vae.safetensors", prediction="v_prediction", zero_snr="yes")
    assert settings.told == told
    with pytest.raises(SettingsError, match="prediction must be auto, epsilon or v_prediction"):
        gather({"prediction": "sample"}, environ={}, cwd=tmp_path, inbox=inbox)


def test_models_by_name(tmp_path: Path) -> None:
    found = settle(
        tmp_path,
        'model = "a"\n[models]\nink = "inks/ink.safetensors"\n'
        'dream = {path = "dream", vae = "vae.safetensors", prediction = "v_prediction"}\n',
    )
    inbox = tmp_path / "inbox"
    assert found.model == inbox / "a"
    assert found.models == {
        "ink": ModelFiles(path=inbox / "inks/ink.safetensors"),
        "dream": ModelFiles(
            path=inbox / "dream",
            told=Told(vae=inbox / "vae.safetensors", prediction="v_prediction"),
        ),
    }
    assert found.models_resident == 0
    assert settle(tmp_path, "models_resident = 2\n").models_resident == 2


def test_the_usual_model_may_be_one_of_the_table(tmp_path: Path) -> None:
    table = '[models.dream]\npath = "dream"\nvae = "own.safetensors"\nzero_snr = "yes"\n'
    found = settle(tmp_path, f'model = "dream"\nzero_snr = "no"\n{table}')
    assert found.model == tmp_path / "inbox/dream"
    assert found.told == Told(vae=tmp_path / "inbox/own.safetensors", zero_snr="no")
    assert settle(tmp_path, table, model="dream").told.zero_snr == "yes"
    assert settle(tmp_path, table).model == BUNDLED_MODEL


def test_what_is_wrong_with_models_is_said_at_their_lines(tmp_path: Path) -> None:
    said = refusal(
        tmp_path,
        '[models]\nink = 3\n"two words" = "a"\n'
        'dream = {path = "b", vea = "c", zero_snr = "maybe"}\n'
        "[models.far]\nprediction = 1\n",
    )
    inbox = tmp_path / "inbox/anime.toml"
    for line in (
        f"{inbox}:2: models.ink must be the path of a folder or a file",
        f"{inbox}:3: models.two words: a model cannot have this name",
        f"{inbox}:4: models.dream has no setting 'vea'",
        "  hint: did you mean vae?",
        f"{inbox}:4: models.dream: zero_snr must be auto, yes, no, not 'maybe'",
        f"{inbox}:5: models.far must be the path of a folder or a file",
        f"{inbox}:5: models.far: prediction must be auto, epsilon, v_prediction, not 1",
    ):
        assert line in said.splitlines()
    assert "must be a table" in refusal(tmp_path, 'models = "a"\n')
    assert "must be a table" in refusal(tmp_path, MODELS="a")
    assert refusal(tmp_path, "models_resident = 65\n").startswith(
        f"{inbox}:1: models_resident must be a whole number from 0 to 64"
    )


def test_a_cluster_is_named_by_its_address_and_never_by_an_inbox(tmp_path: Path) -> None:
    for address in ("auto", "head.studio:6379", "10.0.0.1:6379", "[fd00::1]:6379"):
        assert settle(tmp_path, cluster=address).cluster == address
    for address in ("ray://head:10001", "head", "head:0", "a b:6379"):
        assert "auto, or the HOST:PORT of a Ray cluster" in refusal(tmp_path, CLUSTER=address)
    assert "cluster cannot be set in an inbox" in refusal(tmp_path, 'cluster = "auto"\n')
