"""What a project or a character refers to is said beside its own manifest, until it is there."""

from collections.abc import Callable

from tests.running import Run


def test_an_unknown_style_is_said_beside_the_project_that_names_it(
    start: Callable[..., Run],
) -> None:
    run = start()
    report = run.root / "show" / "project.error.txt"
    run.drop("show/project.yaml", "kind: project\nname: Show\nstyle: mnaga\n")
    run.until(report.exists)
    text = report.read_text()
    assert "show/project.yaml:3:8: there is no style 'mnaga' yet (nearest: manga)" in text
    assert "hint: did you mean manga?" in text
    run.drop("show/project.yaml", "kind: project\nname: Show\nstyle: manga\n")
    run.until(lambda: not report.exists())


def test_an_unknown_project_is_said_beside_the_character_until_it_arrives(
    start: Callable[..., Run],
) -> None:
    run = start()
    report = run.root / "akira.error.txt"
    run.drop("akira.yaml", "kind: character\nname: Akira\nproject: Neon Tokyo\n")
    run.until(report.exists)
    text = report.read_text()
    assert "akira.yaml:3:10: there is no project 'Neon Tokyo' yet" in text
    assert "hint: make it: anime new project 'Neon Tokyo'" in text
    run.drop("tokyo/project.yaml", "kind: project\nname: Neon Tokyo\n")
    run.until(lambda: not report.exists())


def test_styles_and_wildcards_have_error_files_that_are_neither(start: Callable[..., Run]) -> None:
    run = start()
    run.drop("wildcards/sky.txt", "# nothing\n")
    run.drop("styles.csv", "name,prompt,negative_prompt\nnoir,a,\nnoir,b,\n")
    run.drop("styles.json", "[")
    reports = [
        run.root / name
        for name in ("wildcards/sky.txt.error.txt", "styles.csv.error.txt", "styles.json.error.txt")
    ]
    run.until(lambda: all(report.exists() for report in reports))
    run.drop("rain.yaml")
    run.until(lambda: run.status("rain") == "done")
    assert run.state.wildcards == {}
    assert set(run.state.rejected) == {"wildcards/sky.txt", "styles.csv", "styles.json"}
    run.drop("styles.csv", "name,prompt,negative_prompt\nnoir,film noir,\n")
    run.until(lambda: not reports[1].exists())
    assert reports[2].exists()
