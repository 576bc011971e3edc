"""The stream: a snapshot or exactly what was missed, then what happens; ticks bear no id."""

from __future__ import annotations

import json

import pytest
from msgspec.structs import replace

from pipeline.core import events as e
from pipeline.core.digest import public_id
from pipeline.core.manifest import Job, Project
from pipeline.core.observed import Live, WorkerLive
from pipeline.journal import replay
from pipeline.server import hub
from tests.server.asking import Frame, Stream, ask
from tests.server.conftest import Served
from tests.server.productions import Production

JOB = Job(prompt="city at night", count=2)


def raw(production: Production, after: int = 0) -> list[tuple[int, str]]:
    lines = (line for line in replay(production.path) if line.seq > after)
    return [(line.seq, line.raw.decode()) for line in lines]


def facts(stream: Stream, last: int) -> list[tuple[int, str]]:
    """The facts up to the one with that seq; no other frame may bear an id."""
    found = []
    for frame in stream:
        if frame.event == "fact":
            assert frame.id is not None
            found.append((frame.id, frame.data))
            if frame.id >= last:
                break
        else:
            assert frame.id is None
    return found


def test_a_newcomer_gets_the_state_first_then_each_fact_as_it_stands_in_the_journal(
    served: Served,
) -> None:
    with Stream(served.url) as stream:
        (snapshot,) = stream.take(1)
        assert (snapshot.event, snapshot.id) == ("snapshot", 1)
        assert snapshot.json["seq"] == 1
        served.production.job("a.yaml", JOB)
        assert facts(stream, 3) == raw(served.production, 1)


def test_one_who_comes_back_gets_exactly_the_missed_facts(served: Served) -> None:
    made = served.production
    with Stream(served.url) as stream:
        stream.take(1)
        key = made.job("a.yaml", JOB)
        assert facts(stream, 3)[-1][0] == 3
    made.finish(made.task(key))
    made.reject("b.yaml", "bad")
    with Stream(served.url, last=3) as stream:
        assert facts(stream, 5) == raw(made, 3)
        made.reject("c.yaml", "bad")
        assert facts(stream, 6) == raw(made, 5)


def test_the_address_may_say_after_and_the_header_is_newer(served: Served) -> None:
    served.production.job("a.yaml", JOB)
    with Stream(served.url, "/events?after=1") as stream:
        assert facts(stream, 3) == raw(served.production, 1)
    with Stream(served.url, "/events?after=1", last=2) as stream:
        assert facts(stream, 3) == raw(served.production, 2)


def test_what_the_server_no_longer_remembers_is_read_from_the_journal(
    production: Production,
) -> None:
    production.begin()
    production.reject_many(1200, "bad")
    server = production.server()
    url = server.start()
    with Stream(url, last=0) as stream:
        assert facts(stream, 1201) == raw(production)
        production.reject("last.yaml", "bad")
        assert facts(stream, 1202) == raw(production, 1201)
    server.stop()


def test_an_id_from_another_journal_gets_the_snapshot(served: Served) -> None:
    with Stream(served.url, last=900) as stream:
        (snapshot,) = stream.take(1)
        assert (snapshot.event, snapshot.id) == ("snapshot", 1)


def test_what_is_no_number_is_refused(served: Served) -> None:
    assert ask(served.url, "/events", [("Last-Event-ID", "1; drop")]).status == 400
    assert ask(served.url, "/events?after=-1").status == 400
    assert ask(served.url, f"/events?after={'9' * 30}").status == 400


def test_ticks_and_the_moment_have_no_id_and_tell_what_is_drawn(served: Served) -> None:
    made = served.production
    task = made.task(made.job("a.yaml", JOB))
    with Stream(served.url) as stream:
        stream.take(1)
        made.live([task])
        (live,) = stream.take(1)
        made.tick(task, 7)
        (tick,) = stream.take(1)
    assert (live.event, live.id) == ("live", None)
    assert [worker["phase"] for worker in live.json["workers"]] == ["rendering", "idle", "idle"]
    assert live.json["workers"][0]["job"] == "a"
    assert (tick.event, tick.id) == ("tick", None)
    assert tick.json["task"] == "a@1.1"
    assert (tick.json["step"], tick.json["steps"]) == (7, 15)


def test_one_who_comes_back_in_mid_picture_learns_the_step(served: Served) -> None:
    made = served.production
    task = made.task(made.job("a.yaml", JOB))
    made.live([task])
    made.tick(task, 7)
    with Stream(served.url, last=3) as stream:
        (live,) = stream.take(1)
    assert live.event == "live"
    assert (live.json["workers"][0]["step"], live.json["workers"][0]["steps"]) == (7, 15)


def test_a_reader_too_slow_for_the_facts_is_let_go_and_loses_nothing_by_coming_back(
    served: Served,
) -> None:
    made = served.production
    with Stream(served.url) as slow, Stream(served.url) as quick:
        (snapshot,) = quick.take(1)
        for _ in range(40):
            made.reject_many(hub.MOST // 10, "x" * 4000)
            quick.take(hub.MOST // 10)
        seen = [frame.id for frame in slow if frame.event == "fact"]
    last = made.journal.seq
    assert snapshot.id == 1
    assert seen == list(range(2, len(seen) + 2))
    assert len(seen) < 4 * hub.MOST
    with Stream(served.url, last=len(seen) + 1) as stream:
        assert facts(stream, last) == raw(made, len(seen) + 1)


def test_its_headers_keep_proxies_and_caches_from_holding_it_back(served: Served) -> None:
    with Stream(served.url) as stream:
        assert stream.headers["Content-Type"].startswith("text/event-stream")
        assert stream.headers["X-Accel-Buffering"] == "no"
        assert stream.headers["Cache-Control"] == "no-store"
    assert ask(served.url, "/events", method="HEAD").body == b""


def test_a_tick_says_where_its_preview_is_and_no_journal_has_it(served: Served) -> None:
    made = served.production
    task = made.task(made.job("a.yaml", JOB))
    before = made.path.read_bytes()
    with Stream(served.url) as stream:
        stream.take(1)
        made.live([task])
        made.tick(task, 3, preview=b"a jpeg")
        tick = stream.take(2)[-1]
    assert made.path.read_bytes() == before
    found = ask(served.url, tick.json["preview"])
    assert (found.status, found.headers["Content-Type"], found.body) == (
        200, "image/jpeg", b"a jpeg",
    )  # fmt: skip
    assert found.headers["Cache-Control"] == "no-store"
    assert ask(served.url, "/api/workers/worker-1/preview?n=9").status == 404
    assert ask(served.url, "/api/workers/worker-1/preview?n=x").status == 404
    assert ask(served.url, "/api/workers/nobody/preview?n=1").status == 404
    made.live([])
    with Stream(served.url) as stream:
        stream.take(1)
    assert ask(served.url, tick.json["preview"]).status == 404


def test_the_preview_of_a_worker_on_another_node_is_there_too(served: Served) -> None:
    made = served.production
    task = made.task(made.job("a.yaml", JOB))
    far = WorkerLive(name="gpu-box.1:worker-2", pid=7, phase="rendering", task=task)
    with Stream(served.url) as stream:
        stream.take(1)
        made.say(Live(workers=(far,), model_preloaded=True))
        made.tick(task, 3, worker=far.name, preview=b"a jpeg")
        tick = stream.take(2)[-1]
    assert ask(served.url, tick.json["preview"]).body == b"a jpeg"


def two_projects(made: Production) -> tuple[str, str]:
    """A job in each of two projects, with a bad manifest in the first."""
    made.project(Project(name="Neon"))
    made.project(Project(name="Rust"))
    one = made.job("neon/a.yaml", JOB, project="neon")
    other = made.job("rust/b.yaml", JOB, project="rust")
    made.reject("neon/bad.yaml", "bad")
    return one, other


@pytest.mark.parametrize("asked", ["project=neon", f"project={public_id('project', 'neon')}"])
def test_one_who_asks_for_a_project_hears_of_nothing_else(served: Served, asked: str) -> None:
    made = served.production
    one, other = two_projects(made)
    with Stream(served.url, f"/events?{asked}") as stream:
        (snapshot,) = stream.take(1)
        made.finish(made.task(other))
        made.finish(made.task(one))
        found: list[Frame] = []
        while not found or found[-1].id != made.journal.seq:
            found += stream.take(1)
    assert [job["key"] for job in snapshot.json["jobs"]] == ["neon/a"]
    assert [project["key"] for project in snapshot.json["projects"]] == ["neon"]
    assert [rejected["file"] for rejected in snapshot.json["rejected"]] == ["neon/bad.yaml"]
    assert snapshot.json["queue"] == ["neon/a"]
    assert {frame.json["job"] for frame in found} == {"neon/a"}
    assert found[-1].id == made.journal.seq


@pytest.mark.parametrize("asked", ["project=0123abcd", "job=4567cdef"])
def test_an_id_that_stands_in_the_manifest_is_asked_for_too(served: Served, asked: str) -> None:
    made = served.production
    made.project(Project(name="Neon", id="0123abcd"))
    made.job("neon/a.yaml", replace(JOB, id="4567cdef"), project="neon")
    made.job("b.yaml", JOB)
    with Stream(served.url, f"/events?{asked}") as stream:
        (snapshot,) = stream.take(1)
    assert [job["id"] for job in snapshot.json["jobs"]] == ["4567cdef"]


@pytest.mark.parametrize("asked", ["job=rust/b", f"job={public_id('job', 'rust/b')}"])
def test_one_who_comes_back_gets_the_missed_facts_of_its_job_and_what_concerns_all(
    served: Served, asked: str
) -> None:
    made = served.production
    two_projects(made)
    made.record(e.QueuePaused(reason="tea"))
    with Stream(served.url, f"/events?{asked}&after=1") as stream:
        found = [json.loads(data) for _, data in facts(stream, made.journal.seq)]
    assert [fact["type"] for fact in found] == [
        "job_submitted", "render_requested", "queue_paused",
    ]  # fmt: skip
    assert {fact.get("key", fact.get("job")) for fact in found} == {"rust/b", None}


def test_what_is_read_from_the_journal_is_filtered_too(production: Production) -> None:
    production.begin()
    two_projects(production)
    production.reject_many(1200, "bad")
    production.record(e.QueuePaused(reason="tea"))
    server = production.server()
    url = server.start()
    with Stream(url, "/events?job=rust/b", last=1) as stream:
        found = [json.loads(data)["type"] for _, data in facts(stream, production.journal.seq)]
    assert found == ["job_submitted", "render_requested", "queue_paused"]
    server.stop()


def test_ticks_of_another_job_are_not_told(served: Served) -> None:
    made = served.production
    one, other = two_projects(made)
    first, second = made.task(one), made.task(other)
    with Stream(served.url, f"/events?job={one}") as stream:
        stream.take(1)
        made.live([second, first])
        made.tick(second, 7)
        made.tick(first, 8, worker="worker-2")
        live, tick = stream.take(2)
    assert live.event == "live"
    assert (tick.json["task"], tick.json["step"]) == ("neon/a@1.1", 8)


def test_a_name_without_end_is_refused(served: Served) -> None:
    assert ask(served.url, f"/events?job={'x' * 2000}").status == 400
    assert ask(served.url, "/events?project=").status == 400


def test_a_browser_is_told_to_come_back_after_a_second(served: Served) -> None:
    with Stream(served.url) as stream:
        lines = stream.lines()
        assert [next(lines), next(lines), next(lines)] == ["retry: 1000", "", "id: 1"]


def test_a_quiet_stream_gives_signs_of_life_that_no_listener_takes_for_news(
    production: Production,
) -> None:
    production.begin()
    server = production.server(ping=0.05)
    with Stream(server.start()) as stream:
        stream.take(1)
        pings = [next(line for line in stream.lines() if line) for _ in range(2)]
        assert [line.partition(" ")[0] for line in pings] == [":", ":"]
        production.reject("a.yaml", "bad")
        assert stream.take(1)[0].event == "fact"
    server.stop()
