"""A long history: a snapshot has what goes on and the newest of what is finished, the rest comes in
pages; the counts are of all there is, and every id is found."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from pipeline.core import events as e
from pipeline.core.manifest import Character, Job, Project
from pipeline.core.pending import pending
from pipeline.history import event_of
from pipeline.journal import replay
from pipeline.server.board import Board
from pipeline.server.catalogue import Catalogue
from pipeline.server.older import MOST
from pipeline.server.view import LiveView, picture_id
from tests.server.asking import Stream, ask
from tests.server.conftest import Served
from tests.server.productions import Production, folded

LIVE = LiveView(
    workers=(), model_preloaded=True, inbox_lost=None, journal_failed=None, draining=False
)


def finished(made: Production, count: int, folder: str = "neon", **spec: Any) -> list[str]:
    """So many jobs of a project, drawn one after another."""
    keys = []
    for number in range(count):
        said = {"prompt": f"rooftop {number}", **spec}
        key = made.job(f"{folder}/{number:03}.yaml", Job(**said), project=folder)
        made.finish(made.task(key))
        keys.append(key)
    return keys


def shown(board: Board) -> Any:
    return msgspec.json.decode(board.snapshot(LIVE))


def board(made: Production, most: int = 3) -> Board:
    return Board(folded(made.path), inbox=made.inbox, shown=most)


def told(made: Production, page: Board, *events: e.Event) -> None:
    """Record facts and tell the board."""
    for line, event in zip(made.record(*events), events, strict=True):
        page.fold(line.seq, line.at, event)


@pytest.fixture
def neon(production: Production) -> Production:
    production.begin()
    production.project(Project(name="Neon"))
    production.project(Project(name="Rust"))
    production.character(Character(name="Akira", appearance="silver hair"), "neon")
    return production


def test_a_snapshot_has_the_newest_that_are_finished_and_all_that_go_on(neon: Production) -> None:
    old = neon.job("old.yaml", Job(prompt="x", hold=True))
    keys = finished(neon, 5)
    page = board(neon)
    told_ = shown(page)
    assert [job["key"] for job in told_["jobs"]] == [old, *keys[2:]]
    assert told_["older"]["count"] == 2
    failed = neon.job("failed.yaml", Job(prompt="y"))
    page = board(neon)
    told(neon, page, e.JobCancelled(job=failed))
    assert [job["key"] for job in shown(page)["jobs"]] == [old, *keys[2:], failed]


def test_pages_follow_the_snapshot_without_a_gap_and_to_the_end(neon: Production) -> None:
    keys = finished(neon, 8)
    page = board(neon)
    found, before = [], shown(page)["older"]["before"]
    while before is not None:
        at, _, order = before.rpartition(".")
        some = page.page((at, int(order)), 2, None, lambda _: True)
        found += [job.key for job in some.jobs]
        before = some.before
    assert found == keys[4::-1]


def test_what_goes_on_again_leaves_the_pages_and_comes_back(
    neon: Production,
) -> None:
    keys = finished(neon, 6)
    page = board(neon)
    shown(page)
    told(neon, page, e.JobCancelled(job=keys[0]))
    assert keys[0] in [job["key"] for job in shown(page)["jobs"]]
    assert shown(page)["older"]["count"] == 2
    told(neon, page, e.JobRetried(job=keys[0]))
    assert keys[0] not in [job["key"] for job in shown(page)["jobs"]]
    assert shown(page)["older"]["count"] == 3


def test_counts_are_of_all_there_is_and_stay_true_fact_by_fact(neon: Production) -> None:
    finished(neon, 4, characters=("akira",))
    finished(neon, 2, "rust")
    page = board(neon, most=1)
    first = shown(page)
    assert (first["tally"]["jobs"], first["tally"]["pictures"]) == (6, 6)
    assert {each["key"]: each["tally"]["pictures"] for each in first["projects"]} == {
        "neon": 4, "rust": 2,
    }  # fmt: skip
    assert [each["tally"]["jobs"] for each in first["characters"]] == [4]
    told(neon, page, e.JobWithdrawn(key="neon/000", file="neon/000.yaml"))
    told(neon, page, e.ImageDiscarded(job="rust/000", take=1, index=1, file="rust/000.01.png"))
    assert page.catalogue.tallies() == Catalogue(page.state).tallies()
    last = shown(page)
    assert (last["tally"]["jobs"], last["tally"]["pictures"]) == (5, 5)


def test_how_many_are_stale_is_seen_little_by_little(neon: Production) -> None:
    keys = finished(neon, 4, characters=("akira",))
    page = board(neon, most=1)
    shown(page)
    while page.doubts.look(0.0) is not None:
        pass
    assert (shown(page)["tally"]["stale"], shown(page)["counted"]) == (0, True)
    bible = Character(name="Akira", appearance="red hair")
    told(neon, page, e.CharacterDeclared(
        key="neon/akira", file="neon/characters/akira.yaml", spec=bible))  # fmt: skip
    assert not shown(page)["counted"]
    while page.doubts.look(1.0) is not None:
        pass
    told_ = shown(page)
    assert (told_["tally"]["stale"], told_["counted"]) == (4, True)
    assert told_["projects"][0]["tally"]["stale"] == told_["characters"][0]["tally"]["stale"] == 4
    told(neon, page, e.JobWithdrawn(key=keys[0], file=f"{keys[0]}.yaml"))
    while page.doubts.look(1.0) is not None:
        pass
    assert shown(page)["tally"]["stale"] == 3


def test_what_is_told_before_anybody_asks_counts_too(neon: Production) -> None:
    page = board(neon)
    told(neon, page, e.QueuePaused(reason="tea"))
    assert shown(page)["paused"] == "tea"


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A served history of a few more jobs than a page has."""
    with Production(tmp_path_factory.mktemp("long")) as made:
        made.begin()
        made.project(Project(name="Neon"))
        made.project(Project(name="Rust"))
        finished(made, 3, "rust")
        finished(made, MOST + 5)
        made.record(e.ImageApproved(job="rust/001", take=1, index=1, sha256=sha(made, "rust/001")))
        server = made.server()
        yield Served(made, server, server.start())
        server.stop()


def sha(made: Production, key: str) -> str:
    return made.state.jobs[key].takes[-1].images[1].sha256


def page(long: Served, query: str) -> Any:
    return ask(long.url, f"/api/jobs?{query}").json


def test_a_page_has_at_most_so_many_and_says_where_the_next_one_begins(long: Served) -> None:
    first = page(long, "")
    assert len(first["jobs"]) == MOST
    rest = page(long, f"before={first['before']}&limit=7")
    assert [job["key"] for job in rest["jobs"]][:6] == [
        "neon/004", "neon/003", "neon/002", "neon/001", "neon/000", "rust/002",
    ]  # fmt: skip
    last = page(long, f"before={rest['before']}")
    assert ([job["key"] for job in last["jobs"]], last["before"]) == (["rust/000"], None)


@pytest.mark.parametrize(
    ("query", "keys"),
    [("of=rust", ["rust/002", "rust/001", "rust/000"]),
     ("show=approved", ["rust/001"]),
     ("show=over", []),
     ("words=ROOFTOP+rust/00&limit=2", ["rust/002", "rust/001"]),
     ("job=rust/001", ["rust/001"]),
     ("job=nobody", []),
     (f"picture={picture_id('rust/001', 1, 1)}", ["rust/001"]),
     (f"picture={'0' * 16}", []),
     ("picture=..", [])],
)  # fmt: skip
def test_what_is_asked_for_is_found_however_old(long: Served, query: str, keys: list[str]) -> None:
    assert [job["key"] for job in page(long, query)["jobs"]] == keys


def test_a_job_is_found_by_its_id(long: Served) -> None:
    (job,) = page(long, "job=rust/000")["jobs"]
    assert page(long, f"job={job['id']}")["jobs"] == [job]
    assert ask(long.url, f"/jobs/{job['id']}").json["status"] == "completed"


@pytest.mark.parametrize("query", ["limit=0", f"limit={MOST + 1}", "limit=x", "before=now",
                                   "show=me", f"words={'x' * 2000}"])  # fmt: skip
def test_what_means_nothing_is_refused(long: Served, query: str) -> None:
    answer = ask(long.url, f"/api/jobs?{query}")
    assert (answer.status, bool(answer.json["detail"])) == (422, True)


def test_an_old_picture_is_served_by_its_id(long: Served) -> None:
    assert ask(long.url, f"/pictures/{picture_id('rust/000', 1, 1)}").status == 200
    assert ask(long.url, f"/pictures/{picture_id('rust/000', 2, 1)}").status == 404


def test_who_listens_is_told_how_many_are_stale(served: Served) -> None:
    made = served.production
    made.project(Project(name="Neon"))
    made.character(Character(name="Akira", appearance="silver hair"), "neon")
    finished(made, 2, characters=("akira",))
    with Stream(served.url) as stream:
        stream.take(1)
        made.character(Character(name="Akira", appearance="red hair"), "neon")
        said = next(frame for frame in stream if frame.event == "counted")
    assert (said.id, said.json) == (None, {"stale": 2, "all": True})


def test_what_is_kept_up_fact_by_fact_is_what_the_state_says(neon: Production) -> None:
    page = board(neon)
    neon.audience = []
    chance = random.Random(7)
    names = [f"neon/{number}" for number in range(6)]
    seq = page.state.seq

    def keep_up() -> None:
        nonlocal seq
        for line in replay(neon.path):
            if line.seq > seq:
                page.fold(line.seq, line.at, event_of(line))
                seq = line.seq

    shown(page)
    for _ in range(150):
        key = chance.choice(names)
        job = neon.state.jobs.get(key)
        match chance.randrange(7):
            case 0 | 1:
                cast = ("akira",) if chance.random() < 0.5 else ()
                spec = Job(prompt=f"{chance.random()}", characters=cast, count=chance.randint(1, 2))
                neon.job(f"{key}.yaml", spec, project=chance.choice(["neon", "rust", None]))
            case 2 | 3:
                for task in pending(neon.state, set(), chance.randint(1, 4)):
                    neon.finish(task)
            case 4 if job is not None and not job.withdrawn:
                neon.record(e.JobWithdrawn(key=key, file=job.file))
            case 5 if job is not None:
                neon.record(e.JobCancelled(job=key))
            case 6 if job is not None:
                neon.record(e.JobRetried(job=key))
            case _:
                pass
        keep_up()
        kept, fresh = page.catalogue, Catalogue(page.state)
        assert kept.rest == fresh.rest
        assert kept.going.keys() == fresh.going.keys()
        for group in fresh.of_project("neon"):
            assert group.rest in [one.rest for one in kept.of_project("neon")]
        while page.doubts.look(1.0) is not None:
            pass
        stale = {key for key in (*kept.rest, *kept.going) if page.job(key).stale}
        assert (kept.stale, kept.whole().stale) == (stale, len(stale))
        assert replace(kept.whole(), stale=0) == fresh.whole()
