"""Many pictures from one job: seeds, matrix, wildcards, sheets; styles that stack; what is worn."""

import pytest

from pipeline.core import events as e
from pipeline.core.status import outdated, stale, waits_for
from tests.production import Production

AKIRA = """kind: character
name: Akira
appearance: silver hair, red eyes
outfit: black jacket
expression: expressionless
outfits: {school: [white school uniform, scarf], beach: yellow dress}
expressions: {glad: smile, cross: angry}
"""


NOIR = '\ufeffname,prompt,negative_prompt\nnoir,"film noir, {prompt}, grain",blur\n'


def production(job: str, **files: str) -> Production:
    made = Production()
    made.drop("neon/project.yaml", "kind: project\nname: Neon\n")
    made.drop("neon/akira.yaml", AKIRA)
    for name, text in files.items():
        made.drop(f"neon/{name.replace('__', '/').replace('_dot_', '.')}", text)
    made.drop("neon/job.yaml", f"kind: job\n{job}")
    return made


def prompts(made: Production) -> list[str]:
    return [task.resolved.prompt for task in made.tasks()]


def test_a_list_of_seeds_is_a_picture_each() -> None:
    made = production("prompt: city\nseeds: [5, 3, 99]\n")
    assert [task.seed for task in made.tasks()] == [5, 3, 99]


def test_a_matrix_draws_every_combination_with_the_same_seed() -> None:
    made = production(
        "characters: [Akira]\nprompt: 1girl\nseed: 7\n"
        "matrix: {expression: [smile, sad], outfit: [school, beach], background: [forest, rain]}\n"
    )
    tasks = made.tasks()
    assert len({task.digest for task in tasks}) == len(tasks) == 8
    assert {task.seed for task in tasks} == {7}
    assert tasks[0].resolved.prompt == (
        "silver hair, red eyes, white school uniform, scarf, smile, 1girl, forest"
    )
    assert tasks[-1].resolved.prompt == "silver hair, red eyes, yellow dress, sad, 1girl, rain"
    (take,) = made.job("neon/job").takes
    assert [cell.label for cell in take.cells][:3] == [
        "smile · school · forest", "smile · school · rain", "smile · beach · forest",
    ]  # fmt: skip


def test_a_matrix_puts_a_word_where_the_prompt_has_it() -> None:
    made = production("prompt: a {animal} in the rain\nmatrix: {animal: [cat, fox]}\n")
    assert prompts(made) == ["a cat in the rain", "a fox in the rain"]


def test_a_matrix_may_vary_how_it_is_drawn() -> None:
    made = production("prompt: city\nmatrix: {steps: [5, 9], size: [64x64, 64x128]}\n")
    drawn = [(task.resolved.steps, task.resolved.height) for task in made.tasks()]
    assert drawn == [(5, 64), (5, 128), (9, 64), (9, 128)]


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        ("{expresion: [smile]}", "a matrix cannot vary expresion"),
        ("{steps: [5, many]}", "'many' cannot be a steps"),
        ("{steps: [0]}", "0 cannot be a steps"),
        ("{size: [65x64]}", "width must be a multiple of 8"),
        ("{sampler: [eular]}", "'eular' cannot be a sampler"),
        ("{seed: [1, 2]}", "a matrix cannot vary seed"),
        ("{'a b': [1]}", "'a b' cannot be what a matrix varies"),
        ("{a: [1,2,3,4,5,6,7,8,9,10], b: [1,2,3,4,5,6,7,8,9,10], c: [1,2,3,4,5]}",
         "these are 500 pictures"),
    ],
)  # fmt: skip
def test_what_a_matrix_cannot_be_is_said(matrix: str, message: str) -> None:
    made = production(f"prompt: city\nmatrix: {matrix}\n")
    (problem,) = made.state.rejected["neon/job.yaml"]
    assert problem.message.startswith(message)
    assert problem.line == 3


def test_an_outfit_is_a_name_of_the_bible_or_tags() -> None:
    assert prompts(production("characters: [Akira]\noutfit: beach\n")) == [
        "silver hair, red eyes, yellow dress, expressionless"
    ]
    assert prompts(production("characters: [Akira]\noutfit: red kimono, scarf\n")) == [
        "silver hair, red eyes, red kimono, scarf, expressionless"
    ]


def test_an_outfit_that_looks_like_a_misspelt_one_waits() -> None:
    made = production("characters: [Akira]\noutfit: scool\n")
    assert made.tasks() == []
    assert str(waits_for(made.state, made.job("neon/job"))) == (
        "there is no outfit 'scool' of akira yet (nearest: school)"
    )


def test_each_of_a_cast_wears_and_feels_its_own() -> None:
    made = production(
        "prompt: 2girls\ncast:\n- {who: Akira, at: right, outfit: beach, expression: glad}\n"
        "- {who: Rin}\n",
        rin_dot_yaml="kind: character\nname: Rin\nappearance: pink hair\nexpression: sad\n",
    )
    assert prompts(made) == [
        "2girls, right: silver hair, red eyes, yellow dress, smile, left: pink hair, sad"
    ]


def test_a_cast_has_a_region_each_with_the_words_of_all_and_of_its_own() -> None:
    made = production(
        "prompt: 2girls, forest\nstyle: manga\ncast: [{who: Akira, at: right}, {who: Rin}]\n",
        rin_dot_yaml="kind: character\nname: Rin\nappearance: pink hair\n",
    )
    (task,) = made.tasks()
    left, right = task.resolved.regions
    shared = "2girls, forest, manga, black and white, screentone"
    assert left.prompt == f"{shared}, left: pink hair"
    assert right.prompt == (f"{shared}, right: silver hair, red eyes, black jacket, expressionless")
    assert (left.left, left.right, right.left, right.right) == (0.0, 0.5, 0.5, 1.0)


def test_a_cast_of_three_shares_the_picture_evenly() -> None:
    made = production(
        "cast: [{who: Akira}, {who: Rin}, {who: Mio}]\n",
        rin_dot_yaml="kind: character\nname: Rin\nappearance: pink hair\n",
        mio_dot_yaml="kind: character\nname: Mio\nappearance: blue hair\n",
    )
    (task,) = made.tasks()
    assert [round(region.left, 2) for region in task.resolved.regions] == [0, 0.33, 0.67]
    assert task.resolved.regions[1].prompt == "center: pink hair"


def test_characters_without_a_cast_have_groups_but_no_regions() -> None:
    made = production(
        "characters: [Akira, Rin]\n",
        rin_dot_yaml="kind: character\nname: Rin\nappearance: pink hair\n",
    )
    (task,) = made.tasks()
    assert task.resolved.regions == ()
    assert "left: silver hair" in task.resolved.prompt


@pytest.mark.parametrize(
    ("cast", "message"),
    [
        ("[{who: Akira, at: left}]", "somebody alone in a picture has no place beside others"),
        ("[{who: Akira, at: left}, {who: Rin, at: left}]", "two of the cast stand left"),
    ],
)
def test_what_a_cast_cannot_be_is_said(cast: str, message: str) -> None:
    made = production(f"cast: {cast}\n")
    assert made.state.rejected["neon/job.yaml"][0].message == message


def test_styles_stack_in_order_and_what_stands_before_the_prompt_comes_first() -> None:
    made = production(
        "prompt: 1girl, rain\nnegative: hat\nstyle: [noir, mine, manga]\n",
        styles_dot_csv=NOIR,
        project_dot_yaml="kind: project\nname: Neon\nstyles: {mine: {prompt: rain and smoke}}\n",
    )
    (task,) = made.tasks()
    assert task.resolved.prompt == (
        "film noir, 1girl, rain, grain, rain and smoke, manga, black and white, screentone"
    )
    assert task.resolved.negative == "hat, blur, colorful"


def test_a_file_of_styles_makes_stale_what_it_touches_and_a_job_waits_for_one() -> None:
    made = production("prompt: city\nstyle: noir\n")
    assert str(waits_for(made.state, made.job("neon/job"))).startswith("there is no style 'noir'")
    made.drop("neon/styles/x.json", '[{"name": "Noir", "prompt": "film noir"}]')
    assert prompts(made) == ["city, film noir"]
    made.drop("neon/styles/x.json", '[{"name": "Noir", "prompt": "dark"}]')
    assert prompts(made) == ["city, dark"]
    made.drop("neon/styles/x.json", "[{]")
    assert prompts(made) == ["city, dark"]
    (problem,) = made.state.rejected["neon/styles/x.json"]
    assert (problem.line, problem.column) == (1, 3)
    made.remove("neon/styles/x.json")
    assert made.tasks() == []


def test_styles_hold_for_their_folder_and_below() -> None:
    made = production("prompt: city\nstyle: noir\n", other__styles_dot_csv="name,prompt\nnoir,x\n")
    assert made.tasks() == []
    made.drop("styles.csv", "name,prompt\nnoir,from above\n")
    made.drop("neon/styles.csv", "name,prompt\nnoir,near\n")
    assert prompts(made) == ["city, near"]


def test_a_wildcard_is_chosen_by_the_seed_and_by_nothing_else() -> None:
    lines = {"wildcards__hair_dot_txt": "# colours\nred hair\n\nblue hair\ngreen hair\n"}
    job = "prompt: 1girl, __hair__, __hair__\ncount: 12\nseed: 1\n"
    drawn = prompts(production(job, **lines))
    assert drawn == prompts(production(job, **lines))
    assert len(set(drawn)) > 3
    assert not any("__" in prompt for prompt in drawn)


def test_a_wildcard_without_a_file_waits_with_the_nearest_name() -> None:
    made = production("prompt: __hairs__\n", wildcards__hair_dot_txt="red hair\n")
    assert str(waits_for(made.state, made.job("neon/job"))) == (
        "there is no wildcard 'hairs' yet (nearest: hair)"
    )
    made.drop("neon/wildcards/hairs.txt", "__hair__ and a hat\n")
    assert prompts(made) == ["red hair and a hat"]


def test_an_edited_wildcard_makes_the_pictures_stale_that_it_changes() -> None:
    made = production("prompt: __hair__\n", wildcards__hair_dot_txt="red hair\n")
    made.paint(made.tasks()[0])
    made.drop("neon/wildcards/hair.txt", "red hair\n# nothing new\n")
    assert not stale(made.state, made.job("neon/job"))
    made.drop("neon/wildcards/hair.txt", "blue hair\n")
    assert stale(made.state, made.job("neon/job"))


@pytest.mark.parametrize(
    ("sheet", "labels"),
    [
        ("turnaround", ["front", "three-quarter", "side", "back"]),
        ("expressions", ["glad", "cross"]),
        ("outfits", ["usual", "school", "beach"]),
    ],
)
def test_a_sheet_is_a_picture_of_each(sheet: str, labels: list[str]) -> None:
    made = production(f"characters: [Akira]\nsheet: {sheet}\n")
    (take,) = made.job("neon/job").takes
    assert [cell.label for cell in take.cells] == labels
    assert len({cell.digest for cell in take.cells}) == len(labels)


def test_a_sheet_is_of_one_character() -> None:
    made = production("prompt: 1girl\nsheet: outfits\n")
    assert made.state.rejected["neon/job.yaml"][0].message == (
        "a sheet of outfits shows one character, not none"
    )


def test_an_edit_of_a_matrix_draws_only_what_is_new() -> None:
    made = production("prompt: city\nseed: 1\nmatrix: {place: [forest, rain]}\n")
    for task in made.tasks():
        made.paint(task)
    made.drop(
        "neon/job.yaml", "kind: job\nprompt: city\nseed: 1\nmatrix: {place: [forest, beach, rain]}"
    )
    drawn = [f"{task.digest}:{task.seed}" in made.state.drawn for task in made.tasks()]
    assert drawn == [True, False, True]


def test_styles_and_wildcards_are_in_the_events_whole() -> None:
    made = production(
        "prompt: x", styles_dot_csv="name,prompt\na,b\n", wildcards__w_dot_txt="one\ntwo\n"
    )
    assert [event.lines for event in made.events if isinstance(event, e.WildcardDeclared)] == [
        ("one", "two")
    ]
    assert [
        event.styles[0].prompt for event in made.events if isinstance(event, e.StylesDeclared)
    ] == [("b",)]


def waits(made: Production) -> str:
    return str(waits_for(made.state, made.job("neon/job")))


@pytest.mark.parametrize("line", ["__a__", "__a__ " * 8, "__b__"])
def test_a_wildcard_without_end_waits_and_stalls_nothing(line: str) -> None:
    made = production(
        "prompt: __a__\ncount: 9\n", wildcards__a_dot_txt=f"{line}\n",
        wildcards__b_dot_txt="__a__, __b__\n",
    )  # fmt: skip
    assert made.tasks() == []
    assert waits(made).startswith("the wildcard ")


def test_what_a_wildcard_chooses_is_asked_for_and_not_said_twice() -> None:
    made = production(
        "characters: [Akira]\nprompt: 1girl, __what__\n",
        wildcards__what_dot_txt="rain, black jacket\n",
        project_dot_yaml="kind: project\nname: Neon\ndefaults: {negative: 'rain, blur'}\n",
    )
    (task,) = made.tasks()
    assert task.resolved.prompt == (
        "silver hair, red eyes, expressionless, 1girl, rain, black jacket"
    )
    assert task.resolved.negative == "blur"


@pytest.mark.parametrize("name", ["météo", "colors/red", "x.y"])
def test_a_wildcard_has_any_name_and_none_passes_silently(name: str) -> None:
    made = production(f"prompt: 1girl, __{name}__\n")
    assert waits(made) == f"there is no wildcard '{name}' yet"
    made.drop(f"neon/wildcards/{name}.txt", "snow\n")
    assert prompts(made) == ["1girl, snow"]


def test_more_pictures_than_there_may_be_wait() -> None:
    made = production(
        "prompt: x\nmatrix: {a: [1, 2, 3, 4, 5]}\n",
        project_dot_yaml="kind: project\nname: Neon\ndefaults: {count: 100}\n",
    )
    assert waits(made) == "these would be 500 pictures, and 400 of one job are the most"


def test_a_broken_project_is_not_overlooked() -> None:
    """Neither at the root, nor where its file holds something good as well."""
    made = Production()
    made.drop("project.yaml", "kind: project\nname: Neon\nstyel: manga\n---\n" + AKIRA)
    made.drop("job.yaml", "kind: job\nprompt: x\n")
    assert made.tasks() == []
    assert "project.yaml has errors" in str(waits_for(made.state, made.job("job")))


def test_a_stale_matrix_names_the_outfit_that_changed() -> None:
    made = production("characters: [Akira]\nmatrix: {outfit: [school, beach]}\n")
    for task in made.tasks():
        made.paint(task)
    made.drop("neon/akira.yaml", AKIRA.replace("white school uniform", "blue school uniform"))
    assert outdated(made.state, made.job("neon/job")) == ("akira.outfit",)


def test_names_without_letters_are_told_apart() -> None:
    marks = 'expressions: {"^_^": smile, ">_<": angry}\n'
    made = production('characters: [Rin]\nexpression: "^_^"\n',
                      rin_dot_yaml=f"kind: character\nname: Rin\n{marks}")  # fmt: skip
    assert prompts(made) == ["smile"]


def test_names_that_a_job_could_not_tell_apart_are_refused() -> None:
    made = Production()
    made.drop("a.yaml", "kind: character\nname: A\noutfits: {Beach Day: x, beach-day: y}\n")
    (problem,) = made.state.rejected["a.yaml"]
    assert problem.message == "'beach-day' and 'Beach Day' are the same name to a job"


def test_a_list_of_one_name_is_that_name() -> None:
    assert prompts(production("characters: [Akira]\noutfit: [beach]\n")) == [
        "silver hair, red eyes, yellow dress, expressionless"
    ]


def test_the_order_of_a_matrix_counts() -> None:
    made = production("prompt: x\nmatrix: {a: [1, 2], b: [3]}\n")
    made.drop("neon/job.yaml", "kind: job\nprompt: x\nmatrix: {b: [3], a: [1, 2]}\n")
    assert prompts(made) == ["x, 3, 1", "x, 3, 2"]


def test_a_bad_style_leaves_the_good_ones_of_its_file() -> None:
    made = production("prompt: x\nstyle: noir\n",
                      styles_dot_csv="name,prompt\nnoir,dark\ngrim,a\ngrim,b\n")  # fmt: skip
    assert prompts(made) == ["x, dark"]
    assert "grim" in made.state.rejected["neon/styles.csv"][0].message


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("neon/styles.json", '[{"name": "noir", "prompt": "film \\ud800"}]'),
        ("neon/wildcards/a.txt", "rain\x1b[0m\n"),
    ],
)
def test_what_could_not_be_written_is_refused(file: str, text: str) -> None:
    made = Production()
    made.drop(file, text)
    assert "control character" in made.state.rejected[file][0].message
    for event in made.events:
        e.encode(event)


def test_too_many_styles_are_refused_and_many_tags_are_not() -> None:
    rows = ",".join(f'{{"name": "s{n}", "prompt": "p"}}' for n in range(20_000))
    made = Production()
    made.drop("styles.json", f"[{rows}]")
    assert made.state.rejected["styles.json"][0].message == "more than 5,000 styles"
    many = ", ".join(f"t{n} x" for n in range(1200))
    made.drop("rin.yaml", f"kind: character\nname: Rin\nnegative: {many}\n")
    made.drop("job.yaml", f"kind: job\ncharacters: [Rin]\nprompt: {many}\nmatrix: {{a: [1, 2]}}\n")
    assert len(made.tasks()) == 2
