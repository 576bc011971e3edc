"""Writes the golden journal of the present version: every event there is, with all that it can say.

`python -m tests.golden` records it anew under tests/data/journals, with the shape of the events and
the state that it folds to. An older version's journal was written by that version and
never changes; only what is said of its state is, and is looked at before it is committed.
"""

import json
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import msgspec

from pipeline.core import commands as c
from pipeline.core import events as e
from pipeline.core import observed as o
from pipeline.core.adapters import AdapterFile
from pipeline.core.ip_adapters import ImageEncoder, IpAdapter, ReferenceModel
from pipeline.core.keys import shelf_file
from pipeline.core.models import called, standby
from pipeline.core.pictures import PictureFile
from pipeline.core.resolved import Model, Offered
from pipeline.core.state import JobState, State, Take
from pipeline.core.status import status
from pipeline.history import fold
from pipeline.journal import Entry, Journal, replay
from tests.production import MODEL, Production

INK = Model(name="ink-v3", sha256="1c" * 32, width=512, height=512)
FOLDER = Path(__file__).parent / "data" / "journals"
TODAY = FOLDER / f"v{e.VERSION}.jsonl"
SHAPE = FOLDER / f"v{e.VERSION}.shape.json"

ROOFTOP = "neon-tokyo/characters/akira/rooftop"
HARD = "neon-tokyo/hard"


def scenario() -> Production:
    """A production in which everything happens at least once."""
    made = Production()
    _declare(made)
    _draw(made)
    _guide(made)
    _steer(made)
    _go_wrong(made)
    _withdraw(made)
    _change_models(made)
    return made


def _declare(made: Production) -> None:
    made.drop(
        "neon-tokyo/project.yaml",
        "kind: project\nname: Neon Tokyo\nstyle: cyberpunk\n"
        "defaults:\n  size: 256x256\n  steps: 8\n",
    )
    made.drop(
        "neon-tokyo/characters/akira.yaml",
        "kind: character\nname: Akira\nappearance: [silver hair, blue eyes]\noutfit: red jacket\n"
        "backstory: Grew up below the rails. 銀\n",
    )
    made.drop("neon-tokyo/styles/inky.json", '[{"name": "Inky", "prompt": "ink"}]')
    made.record(e.WildcardDeclared(file="neon-tokyo/wildcards/sky.txt", lines=("dawn", "dusk")))
    made.record(
        e.AdapterDeclared(
            file="neon-tokyo/loras/akira.safetensors",
            adapter=AdapterFile(sha256="a1" * 32, unfit={"cd" * 32: "it is made for SDXL"}),
        )
    )
    made.record(
        e.AdapterDeclared(
            file="neon-tokyo/controlnets/pose.safetensors",
            adapter=AdapterFile(sha256="a2" * 32, fault="it is no LoRA", control=True),
        ),
        e.PictureDeclared(
            file="neon-tokyo/pictures/sketch.png",
            picture=PictureFile(sha256="b1" * 32, width=640, height=480),
        ),
        e.PictureDeclared(
            file="neon-tokyo/pictures/torn.jpg",
            picture=PictureFile(fault="it is cut short; copy or save it again"),
        ),
        e.RunnerStarted(
            version="0", model=MODEL, workers=3, device="cpu", pid=2,
            reference_model=ReferenceModel(
                file="ip-adapter.safetensors", adapter=IpAdapter(sha256="b1" * 32, width=1024),
                folder="image_encoder",
                encoder=ImageEncoder(sha256="c1" * 32, hidden=1280, projected=1024),
            ),
        ),
        e.AdapterDeclared(
            file="neon-tokyo/ip-adapter-plus.safetensors",
            adapter=AdapterFile(
                fault="it is no LoRA but an IP-Adapter",
                prompting=IpAdapter(sha256="b2" * 32, width=1280, deep=True),
            ),
        ),
        e.PictureDeclared(
            file="neon-tokyo/references/akira.png",
            picture=PictureFile(sha256="d1" * 32, width=640, height=480),
        ),
    )  # fmt: skip
    made.drop("neon-tokyo/bad.yaml", "kind: job\nprompt: x\nstyel: manga\n")
    made.drop("neon-tokyo/mended.yaml", "kind: job\nprompt: x\nstyel: manga\n")
    made.drop("neon-tokyo/mended.yaml", "kind: job\nprompt: x\nhold: true\n")


def _guide(made: Production) -> None:
    """A job from a picture, and one of a drawn picture that a ControlNet steers."""
    made.drop(
        "neon-tokyo/traced.yaml",
        "kind: job\nprompt: rooftop\nseed: 3\n"
        "from: {picture: sketch.png, strength: 0.5, mask: sketch.png}\n",
    )
    made.drop(
        "neon-tokyo/larger.yaml",
        f"kind: job\nprompt: rooftop\nseed: 4\nfrom: {ROOFTOP.partition('/')[2]}.01.png\n"
        "refine: 1.5\n"
        "control: {kind: pose, picture: sketch.png, model: pose, weight: 0.8, end: 0.9}\n",
    )
    for task in made.tasks():
        if task.job in ("neon-tokyo/traced", "neon-tokyo/larger"):
            made.paint(task)


def _draw(made: Production) -> None:
    head = "kind: job\ncharacters: [akira]\nseed: 7\ncount: 2\nprompt: "
    made.drop(f"{ROOFTOP}.yaml", f"{head}rooftop at night, rain\n")
    for task in made.tasks()[:2]:
        made.paint(task)
    made.record(
        e.SheetComposed(job=ROOFTOP, take=1, file=f"{ROOFTOP}.sheet.png", sha256="5e" * 32),
    )
    made.drop(f"{ROOFTOP}.yaml", f"{head}rooftop at dawn\n")
    made.paint(made.tasks()[0])
    made.record(
        e.SheetShelved(job=ROOFTOP, take=1, file=f".pipeline/takes/{ROOFTOP}.take1.sheet.png"),
        e.SheetRestored(job=ROOFTOP, take=1, file=f"{ROOFTOP}.sheet.png"),
        e.SheetShelved(job=ROOFTOP, take=1, file=f".pipeline/takes/{ROOFTOP}.take1.sheet.png"),
        e.ImageDiscarded(
            job=ROOFTOP, take=1, index=1, file=made.job(ROOFTOP).takes[0].images[1].file
        ),
    )
    now = made.job(ROOFTOP).takes[-1].images[1]
    made.drop(
        "neon-tokyo/portrait.yaml",
        "kind: job\nprompt: x\nreference: {picture: akira.png, weight: 0.5}\n",
    )
    made.paint(next(task for task in made.tasks() if task.job == "neon-tokyo/portrait"))
    made.drop("neon-tokyo/copy.yaml", "kind: job\ncharacters: [akira]\nprompt: x\nseed: 7\n")
    made.record(
        e.ImageReused(
            job="neon-tokyo/copy", take=1, index=1, seed=7, file="neon-tokyo/copy.01.png",
            sha256=now.sha256, source=now.file,
        )
    )  # fmt: skip
    _restore(made)


def _restore(made: Production) -> None:
    made.drop("neon-tokyo/back.yaml", "kind: job\nprompt: first\n")
    made.paint(next(task for task in made.tasks() if task.job == "neon-tokyo/back"))
    made.drop("neon-tokyo/back.yaml", "kind: job\nprompt: second\n")
    made.paint(next(task for task in made.tasks() if task.job == "neon-tokyo/back"))
    made.record(
        e.ImageShelved(
            job="neon-tokyo/back", take=2, index=1, file=shelf_file("neon-tokyo/back", 2, 1)
        ),
        e.ImageRestored(job="neon-tokyo/back", take=1, index=1, file="neon-tokyo/back.01.png"),
        e.TakeRestored(job="neon-tokyo/back", take=1),
    )
    made.command(c.Approve(job="neon-tokyo/back"))
    made.command(c.Reject(job="neon-tokyo/back", take=2))
    made.command(c.Reject(job=ROOFTOP))
    made.command(c.Unjudge(job=ROOFTOP, picture=1))


def _steer(made: Production) -> None:
    made.command(c.Release(target="neon-tokyo/mended"))
    made.command(c.Prioritise(job="neon-tokyo/mended", priority=5))
    made.command(c.Render(target="neon-tokyo/copy"))
    made.drop("neon-tokyo/later.yaml", "kind: job\nprompt: v\n")
    made.command(c.Hold(target="neon-tokyo/later"))
    made.drop("neon-tokyo/not-this.yaml", "kind: job\nprompt: w\n")
    made.command(c.Cancel(target="neon-tokyo/not-this"))
    made.command(c.Hold(target="nobody"))
    made.observe(o.Garbled(command="garbled", error="it is no JSON"))


def _go_wrong(made: Production) -> None:
    made.drop(f"{HARD}.yaml", "kind: job\nprompt: y\n")
    made.record(
        e.RenderStarted(job=HARD, take=1, index=1, worker="worker-1"),
        e.WorkerLost(
            worker="worker-1", pid=12, cause="crash", detail="SIGSEGV", blamed=True, job=HARD,
            take=1, index=1,
        ),
        e.JobQuarantined(job=HARD, reason="it brought down its worker twice"),
    )  # fmt: skip
    large = "neon-tokyo/large"
    made.drop(f"{large}.yaml", "kind: job\nprompt: z\n")
    made.record(
        e.RenderLessened(job=large, take=1, index=1, error="no room"),
        e.RenderFailed(job=large, take=1, index=1, kind="out_of_memory", error="no room"),
    )
    made.command(c.Retry(target=large))
    made.record(e.RenderFailed(job=large, take=1, index=1, kind="error", error="again no room"))
    made.command(c.Pause(reason="tea"))
    made.command(c.Resume())
    made.record(e.QueuePaused(reason="the disk is full", by="disk"))


def _change_models(made: Production) -> None:
    offered = (
        Offered(name="ink", model=INK),
        Offered(name="gone", error="model gone does not exist"),
    )
    made.record(
        e.RunnerStarted(
            version="0", model=MODEL, workers=2, device="cpu", pid=2, models=offered,
            warm=INK.sha256,
        )
    )  # fmt: skip
    made.record(e.QueueResumed())
    made.drop("inked/project.yaml", "kind: project\nname: Inked\nmodel: ink\n")
    made.drop("inked/rain.yaml", "kind: job\nprompt: rain\n")
    made.drop("inked/never.yaml", "kind: job\nprompt: rain\nmodel: gone\n")
    made.paint(next(task for task in made.tasks() if task.job == "inked/rain"))
    made.record(
        e.ModelSwitched(model=MODEL.sha256, name="test", left=("ink",), seconds=4.5),
        e.ModelFailed(model=INK.sha256, name="ink", error="it is torn; copy it again"),
    )
    made.drop("inked/late.yaml", "kind: job\nprompt: snow\n")
    made.record(e.QueuePaused(reason="the disk is full", by="disk"))


def _withdraw(made: Production) -> None:
    made.drop("neon-tokyo/gone.yaml", "kind: job\nprompt: u\n")
    made.remove("neon-tokyo/gone.yaml")
    made.drop("neon-tokyo/characters/mei.yaml", "kind: character\nname: Mei\nappearance: [bob]\n")
    made.drop("neon-tokyo/mei.yaml", "kind: job\ncharacters: [mei]\nprompt: tea\n")
    made.remove("neon-tokyo/characters/mei.yaml")
    made.drop("old/project.yaml", "kind: project\nname: Old\n")
    made.remove("old/project.yaml")
    made.remove("neon-tokyo/styles/inky.json")
    made.record(e.WildcardWithdrawn(file="neon-tokyo/wildcards/sky.txt"))
    made.record(e.AdapterWithdrawn(file="neon-tokyo/loras/akira.safetensors"))
    made.record(e.PictureWithdrawn(file="neon-tokyo/pictures/torn.jpg"))
    made.remove("neon-tokyo/portrait.yaml")
    made.record(e.PictureWithdrawn(file="neon-tokyo/references/akira.png"))


def said(state: State) -> dict[str, Any]:
    """What a state says, in words that outlast its shape in memory."""
    return {
        "seq": state.seq,
        "at": state.at,
        "model": state.model.name if state.model else None,
        **({"models": _models(state)} if state.models else {}),
        "paused": [state.paused, state.paused_by],
        "finished": state.finished,
        "projects": {key: one.spec.name for key, one in state.projects.items()},
        "characters": {key: one.file for key, one in state.characters.items()},
        "rejected": {file: [p.message for p in found] for file, found in state.rejected.items()},
        "files": {file: list(keys) for file, keys in state.files.items()},
        "answered": list(state.answered),
        "jobs": {key: _job(state, job) for key, job in state.jobs.items()},
    }


def _models(state: State) -> dict[str, Any]:
    return {
        "warm": [called(state, one) for one in state.warm],
        "switches": state.switches,
        "stand": [[one.name, one.state, one.why] for one in standby(state)],
    }


def _job(state: State, job: JobState) -> dict[str, Any]:
    return {
        "status": status(state, job),
        "project": job.project,
        "seed": job.seed,
        "hold": job.on_hold,
        "rank": list(job.rank),
        "quarantined": job.quarantined,
        "blamed": job.blamed,
        "takes": [_take(take) for take in job.takes],
    }


def _take(take: Take) -> dict[str, Any]:
    return {
        "number": take.number,
        "reason": take.reason,
        "cells": [[cell.seed, cell.digest, cell.resolved.prompt] for cell in take.cells],
        "owed": list(take.owed),
        "failed": list(take.failed.values()),
        "restored": take.restored,
        "sheet": take.sheet.file if take.sheet else None,
        "images": [
            [one.file, one.sha256, one.seed, one.at, one.source, one.discarded]
            for one in take.images.values()
        ],
    }


def shape() -> dict[str, Any]:
    """The shape of all events and of all that is in them, without what is said of it."""
    _, found = msgspec.json.schema_components([e.Event])
    return {name: _bare(one) for name, one in sorted(found.items())}


_PROSE = ("description", "examples", "title")


def _bare(part: Any) -> Any:
    """A part of a JSON schema without prose, as JSON gives it back."""
    match part:
        case {"properties": fields, **rest}:
            shaped = {name: _bare(one) for name, one in fields.items()}
            return {**_bare(rest), "properties": shaped}
        case dict():
            return {name: _bare(one) for name, one in part.items() if name not in _PROSE}
        case list() | tuple():
            return [_bare(one) for one in part]
        case _:
            return part


def stated(journal: Path) -> Path:
    """The file that states what a golden journal folds to."""
    return journal.with_suffix(".state.json")


def _written(value: Any) -> str:
    return json.dumps(value, indent=1) + "\n"


def _record(events: list[e.Event]) -> bytes:
    moment = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)

    def clock() -> datetime:
        nonlocal moment
        moment += timedelta(minutes=1, microseconds=123_456)
        return moment

    with (
        tempfile.TemporaryDirectory() as folder,
        Journal.open(Path(folder), clock=clock) as journal,
    ):
        for start in range(0, len(events), 3):
            entries = map(e.encode, events[start : start + 3])
            journal.append([Entry(type=n, fields=f, v=e.VERSION) for n, f in entries])
        return journal.path.read_bytes()


def main() -> None:
    events = scenario().events
    missing = set(get_args(e.Event)) - {type(event) for event in events}
    assert not missing, missing
    FOLDER.mkdir(exist_ok=True)
    TODAY.write_bytes(_record(events))
    lines = [f"{json.dumps(name)}: {json.dumps(one)}" for name, one in shape().items()]
    SHAPE.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    for journal in FOLDER.glob("v*.jsonl"):
        stated(journal).write_text(_written(said(fold(replay(journal)))))


if __name__ == "__main__":
    main()
