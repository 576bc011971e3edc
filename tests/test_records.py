"""What systemd's journal keeps of a run: one line of JSON a record, with a priority."""

import io
import json
import logging
import os
from pathlib import Path
from typing import Any

from pipeline.core import events as e
from pipeline.core.observed import Live
from pipeline.journal import Line
from pipeline.records import Records, kept_by_systemd
from tests.production import Production


def read(stream: io.StringIO) -> list[tuple[int, dict[str, Any]]]:
    """Priorities, and what the records say."""
    found = []
    for line in stream.getvalue().splitlines():
        priority, _, record = line.removeprefix("<").partition(">")
        found.append((int(priority), json.loads(record)))
    return found


def told(*events: e.Event) -> list[tuple[int, dict[str, Any]]]:
    stream = io.StringIO()
    records = Records(stream)
    for seq, event in enumerate(events, start=1):
        line = Line(seq=seq, at="", v=1, type=e.encode(event)[0], crc="", raw=b"")
        records.recorded(line, event)
    return read(stream)


def test_a_record_says_what_happened_to_which_job() -> None:
    production = Production()
    production.drop("neon/rain.yaml", "kind: job\nprompt: x\n")
    production.drop("bad.yaml", "kind: job\nstyel: x\nprompt: x\n")
    for task in production.tasks():
        production.paint(task)
    records = told(*production.events)
    of_job = [(priority, said["event"]) for priority, said in records if "job" in said]
    assert of_job == [
        (7, "job_submitted"), (7, "render_requested"), (7, "render_started"), (6, "image_rendered"),
    ]  # fmt: skip
    assert {said["job"] for _, said in records if "job" in said} == {"neon/rain"}
    assert (
        6,
        {
            "message": "drawn neon/rain.01.png, 1.0 s, worker-1", "seq": len(records),
            "event": "image_rendered", "job": "neon/rain", "file": "neon/rain.01.png",
        },
    ) == records[-1]  # fmt: skip
    (rejected,) = [said for _, said in records if said["event"] == "manifest_rejected"]
    assert rejected["below"][0] == "bad.yaml:2:1: a job has no field styel"


def test_an_error_is_one_and_cannot_steer() -> None:
    event = e.RenderFailed(job="a", take=1, index=1, kind="error", error="\x1b[2J\u202e\n<3>x")
    stream = io.StringIO()
    Records(stream).recorded(Line(seq=1, at="", v=1, type="x", crc="", raw=b""), event)
    assert stream.getvalue().count("\n") == 1
    assert "\x1b" not in stream.getvalue()
    ((priority, said),) = read(stream)
    assert priority == 3
    assert said["message"] == "failed a [1], \\x1b[2J\\u202e\\n<3>x"


def test_words_of_the_moment_and_warnings_share_the_form() -> None:
    stream = io.StringIO()
    records = Records(stream)
    with records.hearing(), records:
        records.note("page", "http://127.0.0.1:1")
        records.changed(Live(inbox_lost="it is gone"))
        logging.getLogger("pipeline.test").warning("%s is odd\x07", "this")
    assert read(stream) == [
        (6, {"message": "page http://127.0.0.1:1"}),
        (3, {"message": "lost it is gone"}),
        (4, {"message": "warning: this is odd\\x07"}),
    ]


def test_it_speaks_so_only_where_systemd_reads(tmp_path: Path) -> None:
    with (tmp_path / "out").open("w") as stream:
        found = os.fstat(stream.fileno())
        ours = {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}
        assert kept_by_systemd(ours, stream)
        assert not kept_by_systemd({}, stream)
        # Inherited by a program whose output goes elsewhere.
        assert not kept_by_systemd({"JOURNAL_STREAM": "8:1"}, stream)
    assert not kept_by_systemd(ours, io.StringIO())
