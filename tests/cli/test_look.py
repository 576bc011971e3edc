"""`status`, `log` and `schema` on journals as they are on the disk."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.core import events as e
from pipeline.history import PRIVATE
from pipeline.journal import Entry, Journal
from tests.cli.command import anime, environment, noon, record
from tests.production import Production

pytestmark = pytest.mark.process


def production() -> Production:
    """One job drawn, one queued, one waiting, one failed, and a manifest that was rejected."""
    made = Production()
    made.drop("show/project.yaml", "kind: project\nname: Show\n")
    made.drop("show/done.yaml", "kind: job\nprompt: x\n")
    made.paint(made.tasks()[0])
    made.drop("show/failed.yaml", "kind: job\nprompt: y\n")
    task = made.tasks()[0]
    made.record(
        e.RenderFailed(
            job=task.job, take=1, index=1, kind="error", error="[red]no\x1b[0m\nsecond line"
        )
    )
    made.drop("show/queued.yaml", "kind: job\nprompt: z\ncount: 2\n")
    made.drop("show/waits.yaml", "kind: job\ncharacters: [akira]\n")
    made.drop("show/bad.yaml", "kind: job\nprompt: x\nstyel: manga\n")
    return made


def test_status_of_nothing(tmp_path: Path) -> None:
    (tmp_path / "inbox").mkdir()
    done = anime("status", cwd=tmp_path)
    assert done.returncode == 0
    assert "runner    none\njobs      none\npictures  0\n" in done.stdout


def test_status_says_what_is_and_what_needs_somebody(tmp_path: Path) -> None:
    record(tmp_path / "inbox", production().events)
    said = anime("status", cwd=tmp_path).stdout
    assert "runner    none\n" in said
    assert "jobs      1 done, 1 queued, 1 waiting, 1 failed\n" in said
    assert "pictures  1\n" in said
    assert r"failed      show/failed  [red]no\x1b[0m\nsecond line" in said
    assert "waiting     show/waits  there is no character 'akria'" not in said
    assert "waiting     show/waits  there is no character 'akira' yet" in said
    assert "show/bad.yaml:3:1: a job has no field styel" in said
    assert "try again   a failed job: anime retry JOB, or change its manifest" in said
    assert "a quarantined job" not in said


def test_status_as_json(tmp_path: Path) -> None:
    record(tmp_path / "inbox", production().events)
    said = json.loads(anime("status", "--json", cwd=tmp_path).stdout)
    assert said["runner"] is None
    assert said["counts"] == {"done": 1, "failed": 1, "queued": 1, "waiting": 1}
    jobs = {job["key"]: job for job in said["jobs"]}
    assert jobs["show/done"]["pictures"] == ["show/done.01.png"]
    assert jobs["show/queued"]["owed"] == 2
    assert said["rejected"]["show/bad.yaml"][0]["hint"] == "did you mean style?"


def test_status_knows_a_runner_and_does_not_disturb_it(tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    record(inbox, production().events)
    with Journal.open(inbox / PRIVATE, clock=noon) as journal:
        said = json.loads(anime("status", "--json", cwd=tmp_path).stdout)
        assert said["runner"]["pid"] == os.getpid()
        journal.append([Entry(type="queue_resumed", fields=b"{}")])
    assert json.loads(anime("status", "--json", cwd=tmp_path).stdout)["runner"] is None


def test_what_a_dead_runner_was_drawing_is_queued(tmp_path: Path) -> None:
    made = Production()
    made.drop("a.yaml", "kind: job\nprompt: x\n")
    made.record(e.RenderStarted(job="a", take=1, index=1, worker="worker-1"))
    record(tmp_path / "inbox", made.events)
    assert "jobs      1 queued\n" in anime("status", cwd=tmp_path).stdout


def test_log_has_a_line_for_each_event(tmp_path: Path) -> None:
    made = production()
    record(tmp_path / "inbox", made.events)
    lines = anime("log", cwd=tmp_path).stdout.splitlines()
    assert len([line for line in lines if line.startswith("2026-01-02 12:00:00  ")]) == len(
        made.events
    )
    assert "2026-01-02 12:00:00  drawn       show/done.01.png  1.0 s  worker-1" in lines
    assert r"2026-01-02 12:00:00  failed      show/failed [1]  [red]no\x1b[0m\nsecond line" in lines


def test_log_as_json_is_the_journal(tmp_path: Path) -> None:
    path = record(tmp_path / "inbox", production().events)
    assert anime("log", "--json", cwd=tmp_path).stdout.encode() == path.read_bytes()


def test_a_torn_tail_is_passed_over(tmp_path: Path) -> None:
    made = production()
    path = record(tmp_path / "inbox", made.events)
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"seq":99,"at":"20')
    assert anime("log", "--json", cwd=tmp_path).stdout.encode() == whole
    assert anime("status", cwd=tmp_path).returncode == 0


def test_an_event_of_a_later_version_is_named(tmp_path: Path) -> None:
    with Journal.open(tmp_path / PRIVATE, clock=noon) as journal:
        journal.append([Entry(type="moon_landed", fields=b"{}", v=2)])
    done = anime("log", "--inbox", tmp_path, cwd=tmp_path)
    assert done.returncode == 6
    assert "line 1 is a 'moon_landed' (version 2)" in done.stderr


def test_follow_goes_on_with_what_comes(tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    record(inbox, [e.QueuePaused(reason="tea")])
    command = [sys.executable, "-m", "pipeline", "log", "--follow"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment(tmp_path), text=True, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().endswith("paused      the queue  tea\n")
        record(inbox, [e.QueueResumed()])
        assert process.stdout.readline().endswith("resumed     the queue\n")
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130


@pytest.mark.parametrize("kind", ["project", "character", "job"])
def test_schema_knows_the_fields_and_refuses_others(tmp_path: Path, kind: str) -> None:
    said = json.loads(anime("schema", kind, cwd=tmp_path).stdout)
    fields = said["$defs"][kind.capitalize()]
    assert fields["properties"]["kind"]["enum"] == [kind]
    assert fields["additionalProperties"] is False
