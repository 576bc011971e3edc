"""However the files arrive, the declared state is the same; replaying gives the same bytes."""

import random

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.core import events as e
from pipeline.core.evolve import evolve
from pipeline.core.resolve import resolve
from pipeline.core.state import State
from tests.production import Production

STYLES = ("cyberpunk", "manga", "none", "no_such_style", "noir", "[noir, fantasy]")
MANY = ("", "matrix: {place: [roof, __place__], steps: [3, 4]}\n", "seeds: [7, 5]\n")


def production_files(rng: random.Random, jobs: int) -> list[tuple[str, str]]:
    """A production of two projects and a general folder, some of whose references lead nowhere."""
    files = [
        ("neon/project.yaml", "kind: project\nname: Neon\nstyle: cyberpunk\n"),
        ("neon/sub/project.yaml", "kind: project\nname: Sub\ndefaults: {steps: 9}\n"),
        ("shared.yaml", "kind: character\nname: Shared\nappearance: red hair\n"),
        ("styles.csv", "name,prompt,negative_prompt\nnoir,film noir,colour\n"),
        ("neon/styles/own.json", '[{"name": "noir", "prompt": "near, {prompt}"}]'),
        ("wildcards/place.txt", "beach\nforest\n"),
        ("neon/wildcards/place.txt", "roof\nstreet\nbar\n"),
    ]
    for folder in ("neon", "neon/sub"):
        files += [
            (f"{folder}/{name}.yaml", f"kind: character\nname: {name}\nappearance: {name} hair\n")
            for name in ("akira", "rin")
        ]
    for number in range(jobs):
        folder = rng.choice(("neon", "neon/sub", "neon/sub/deep", "general"))
        cast = rng.sample(("akira", "rin", "shared", "nobody"), rng.randint(0, 2))
        many = rng.choice(MANY) or f"count: {rng.randint(1, 3)}\n"
        files.append(
            (
                f"{folder}/job{number}.yaml",
                f"kind: job\nprompt: scene {number} __place__\n"
                f"characters: [{', '.join(cast)}]\nstyle: {rng.choice(STYLES)}\n{many}",
            )
        )
    return files


def declared(state: State) -> object:
    """What the manifests come to: specs and resolved digests, without the history."""
    return msgspec.to_builtins(
        {
            "projects": {k: (p.file, p.spec) for k, p in sorted(state.projects.items())},
            "characters": {k: (c.file, c.spec) for k, c in sorted(state.characters.items())},
            "jobs": {
                key: (job.file, job.project, job.seed, job.spec, str(resolve(state, job)),
                      [(take.number, take.shows) for take in job.takes])
                for key, job in sorted(state.jobs.items())
            },
            "folders": sorted(state.folders.items()),
            "rejected": sorted(state.rejected),
        }
    )  # fmt: skip


def test_a_checkout_of_300_equals_300_drops_in_random_order() -> None:
    """With the queue paused; every order of arrival ends in the same declared state."""
    rng = random.Random(11)
    files = production_files(rng, 289)
    assert len(files) == 300
    at_once = Production()
    at_once.record(e.QueuePaused(reason="the test"))
    at_once.checkout(files)
    for _ in range(2):
        rng.shuffle(files)
        one_by_one = Production()
        one_by_one.record(e.QueuePaused(reason="the test"))
        for file, text in files:
            one_by_one.drop(file, text)
        assert declared(one_by_one.state) == declared(at_once.state)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), jobs=st.integers(1, 12))
def test_any_order_of_a_small_production_ends_the_same(seed: int, jobs: int) -> None:
    rng = random.Random(seed)
    files = production_files(rng, jobs)
    first = Production()
    first.checkout(files)
    rng.shuffle(files)
    second = Production()
    for file, text in files:
        second.drop(file, text)
    assert declared(second.state) == declared(first.state)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_replaying_the_written_events_gives_the_same_state_byte_for_byte(seed: int) -> None:
    """Through the wire format: encode, decode, fold again."""
    rng = random.Random(seed)
    production = Production()
    files = production_files(rng, 8)
    for _ in range(12):
        file, text = rng.choice(files)
        match rng.randint(0, 3):
            case 0:
                production.remove(file)
            case 1:
                production.drop(file, text + "name: Renamed\n")
            case 2:
                production.drop(file, text)
            case _:
                for task in production.tasks(2):
                    production.paint(task)
    again = State()
    for number, event in enumerate(production.events, 1):
        name, fields = e.encode(event)
        line = b'{"seq":%d,"type":"%s"%s' % (
            number, name.encode(), b"," + fields[1:] if fields != b"{}" else b"}",
        )  # fmt: skip
        evolve(again, number, f"at-{number}", e.decode(line))
    assert msgspec.json.encode(again) == msgspec.json.encode(production.state)


PARTS = {
    "appearance": ["silver hair", "black hair"],
    "outfit": ["black jacket", "red kimono"],
    "expression": ["smile", "sad"],
    "negative": ["glasses", "hat"],
    "style": ["manga", "fantasy"],
    "prompt": ["roof", "street"],
    "steps": ["9", "10"],
    "wildcard": ["rain", "snow"],
}
"""What a picture is made of here, and two values of each."""


def digests(chosen: dict[str, str]) -> tuple[str, ...]:
    production = Production()
    for file, text in (
        ("neon/project.yaml", f"kind: project\nname: Neon\nstyle: {chosen['style']}\n"
         f"defaults: {{steps: {chosen['steps']}}}\n"),
        ("neon/akira.yaml", f"kind: character\nname: Akira\nappearance: {chosen['appearance']}\n"
         f"outfit: {chosen['outfit']}\nexpression: {chosen['expression']}\n"
         f"negative: {chosen['negative']}\nbackstory: none of the model's business\n"),
        ("neon/wildcards/sky.txt", f"{chosen['wildcard']}\n"),
        ("neon/job.yaml", f"kind: job\ncharacters: [Akira]\nprompt: {chosen['prompt']}, __sky__\n"
         "seed: 3\ncount: 2\n"),
    ):  # fmt: skip
        production.drop(file, text)
    return tuple(cell.digest for cell in production.job("neon/job").takes[-1].cells)


@settings(max_examples=40, deadline=None)
@given(
    st.fixed_dictionaries({name: st.sampled_from(values) for name, values in PARTS.items()}),
    st.sampled_from(sorted(PARTS)),
)
def test_same_inputs_same_digest_and_any_other_input_another(
    chosen: dict[str, str], part: str
) -> None:
    assert digests(chosen) == digests(chosen)
    (other,) = (value for value in PARTS[part] if value != chosen[part])
    assert set(digests({**chosen, part: other})).isdisjoint(digests(chosen))
