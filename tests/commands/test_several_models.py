"""A whole run with two models, with its own processes: each picture as with its model alone, no
more switches than the plan foretold, and all of it said."""

from pathlib import Path

import pytest

from pipeline.commands.planning import rehearse, report
from pipeline.commands.standing import standing, summary
from pipeline.core import events as e
from pipeline.core.turns import MOST_PASSED
from pipeline.inscription import record_of
from pipeline.settings import gather
from tests.processes import Program, write

PAIRS = MOST_PASSED + 6
"""So many jobs of each: enough for a model to be taken back."""
JOB = "kind: job\nprompt: girl, red hair\nsize: 64x64\nsteps: 2\n"
FOLDERS = {"pencil": "project: Pencil\n", "inked": "project: Inked\n"}

pytestmark = [pytest.mark.process, pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two diffusers folders with random weights."""
    from tests.render import tiny

    folder = tmp_path_factory.mktemp("models")
    return tiny.build(folder / "plain"), tiny.build(folder / "ink", seed=21)


def inbox(root: Path, settings: str, *projects: str) -> Path:
    """Jobs of two projects in turn, or those of one alone."""
    files = {
        "anime.toml": f"workers = 2\nthreads = 1\n{settings}",
        "pencil/project.yaml": "kind: project\nname: Pencil\n",
        "inked/project.yaml": "kind: project\nname: Inked\nmodel: ink\n",
    }
    for number in range(PAIRS):
        for project in projects:
            name = f"j{number:02d}-{project}.yaml"
            files[name] = f"{JOB}project: {project.title()}\nseed: {number}\n"
    write(root, files)
    return root


def draw(root: Path) -> list[e.Event]:
    """All facts of a run to its end."""
    run = Program(root, "--once")
    try:
        assert run.process.wait(500) == 0, run.log()
        run.read()
        return run.facts
    finally:
        run.close()


def pictures(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in root.glob("*.png")}


def test_two_models_draw_as_each_does_alone(tmp_path: Path, models: tuple[Path, Path]) -> None:
    plain, ink = models
    root = inbox(
        tmp_path / "both",
        f'model = "{plain}"\nmodels_resident = 1\n[models]\nink = "{ink}"\n',
        "pencil",
        "inked",
    )
    settings = gather({"inbox": str(root)}, environ={}, cwd=tmp_path)
    foretold = rehearse(settings)
    assert "2 switches of the model: ink → plain" in list(report(foretold, every=True))
    assert {each.model for each in foretold.plan.jobs} == {"plain", "ink"}

    facts = draw(root)
    switches = [fact for fact in facts if isinstance(fact, e.ModelSwitched)]
    assert tuple(fact.name for fact in switches) == foretold.plan.switches
    assert [fact.left for fact in switches] == [("plain",), ("ink",)]
    assert not [fact for fact in facts if isinstance(fact, e.WorkerLost | e.RenderFailed)]

    alone = draw(inbox(tmp_path / "plain", f'model = "{plain}"\n', "pencil"))
    assert not [fact for fact in alone if isinstance(fact, e.ModelSwitched)]
    draw(inbox(tmp_path / "ink", f'model = "ink"\n[models]\nink = "{ink}"\n', "inked"))
    both = pictures(root)
    assert len(both) == 2 * PAIRS
    assert both == pictures(tmp_path / "plain") | pictures(tmp_path / "ink")
    record = record_of(root / "j00-inked.01.png")
    assert record is not None
    assert (record.model, record.resolved.called) == ("ink", "ink")

    told = list(summary(standing(root)))
    assert "models    plain: cold, 0 pictures owed" in told
    assert "          ink: cold, 0 pictures owed" in told
    assert "switches  2 since the run began" in told
    assert {job.key: job.model for job in standing(root).jobs}["j00-inked"] == "ink"
