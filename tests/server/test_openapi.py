"""The description says all that may be asked for and nothing else, and answers are as it says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from jsonschema import Draft202012Validator
from starlette.routing import Route, WebSocketRoute
from websockets.sync.client import connect

from pipeline.server.app import routes
from pipeline.server.openapi import SHAPES
from tests.server.asking import ask
from tests.server.playing import Playing

MISSING = "00000000"


class Described(NamedTuple):
    run: Playing
    api: Any
    project: str
    character: str
    job: str
    picture: str

    def check(self, method: str, path: str, status: int, value: Any) -> None:
        """The value has to be as the description says of this answer."""
        operation = self.api["paths"][path][method.lower()]
        schema = operation["responses"][str(status)]["content"]["application/json"]["schema"]
        whole = {**schema, "components": self.api["components"]}
        Draft202012Validator(whole).validate(value)


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Described]:
    with Playing(tmp_path_factory.mktemp("openapi") / "inbox") as run:
        project = run.send("POST", "/api/anime/projects", {"name": "A", "style": "manga"}).json
        asked = {"project_id": project["id"], "name": "B", "appearance": "c"}
        character = run.send("POST", "/api/anime/characters", asked).json
        made = run.send("POST", "/generate", {"prompt": "x", "character_id": character["id"]}).json
        done = run.until_said(f"/jobs/{made['job_id']}", "status", "completed")
        yield Described(
            run, ask(run.url, "/openapi.json").json, project["id"], character["id"],
            made["job_id"], done["images"][0]["url"].rpartition("/")[2],
        )  # fmt: skip


def operations(api: Any) -> set[tuple[str, str]]:
    return {(method.upper(), path) for path, each in api["paths"].items() for method in each}


def test_it_has_every_route_and_method_and_no_other(described: Described) -> None:
    found = {("GET", "/openapi.json")}
    for route in routes(described.run.server.endpoints):
        assert isinstance(route, Route | WebSocketRoute)
        methods = (route.methods or set()) - {"HEAD"} if isinstance(route, Route) else {"GET"}
        found |= {(method, route.path) for method in methods}
    assert operations(described.api) == found


def test_every_row_of_the_table_is_a_route(described: Described) -> None:
    assert set(SHAPES) == operations(described.api)


def test_it_is_an_openapi_description_whose_references_lead_somewhere(described: Described) -> None:
    api = described.api
    assert re.fullmatch(r"3\.1\.\d+", api["openapi"])
    schemas = api["components"]["schemas"]
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)
    referred = set(re.findall(r'"\$ref": ?"([^"]*)"', json.dumps(api)))
    assert referred
    assert {one.removeprefix("#/components/schemas/") for one in referred} <= set(schemas)
    names = [each["operationId"] for path in api["paths"].values() for each in path.values()]
    assert len(names) == len(set(names))
    for path, each in api["paths"].items():
        for operation in each.values():
            assert operation["summary"]
            inside = [p["name"] for p in operation.get("parameters", ()) if p["in"] == "path"]
            assert inside == re.findall(r"{(\w+)}", path)


def test_every_method_that_it_does_not_have_is_refused(described: Described) -> None:
    for path, each in described.api["paths"].items():
        if path.startswith("/ws/"):
            continue
        for method in {"GET", "POST", "PUT"} - {one.upper() for one in each}:
            real = path.replace("{id}", described.job).replace("{name}", "app.js")
            assert described.run.send(method, real, {}).status == 405, (method, path)


@pytest.mark.parametrize(
    "path",
    ["/api/state", "/health", "/api/anime/projects", "/api/anime/projects/{project}",
     "/api/anime/characters/{character}", "/api/anime/characters/{character}/bible",
     "/jobs/{job}", "/api/jobs"],
)  # fmt: skip
def test_what_is_read_is_as_described(described: Described, path: str) -> None:
    real = path.format(**described._asdict())
    template = re.sub(r"{\w+}", "{id}", path)
    answer = ask(described.run.url, real)
    assert answer.status == 200
    described.check("GET", template, 200, answer.json)
    if "{id}" in template:
        missing = ask(described.run.url, re.sub(r"{\w+}", MISSING, path))
        assert missing.status == 404
        described.check("GET", template, 404, missing.json)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/api/anime/projects", {"name": "A", "style": "manga"}, 200),
        ("POST", "/api/anime/projects", {"name": "A"}, 409),
        ("POST", "/api/anime/projects", {"name": 7}, 422),
        ("POST", "/api/anime/projects", b"{", 400),
        ("POST", "/api/anime/characters", {"name": "x"}, 422),
        ("PUT", "/api/anime/projects/{id}", {"metadata": {"a": 1}}, 200),
        ("PUT", "/api/anime/projects/{id}", {"style": "mangaa"}, 422),
        ("POST", "/generate", {"prompt": "x", "style_preset": "mangaa"}, 422),
        ("POST", "/generate", {"prompt": "x"}, 200),
    ],
)
def test_what_is_written_is_answered_as_described(
    described: Described, method: str, path: str, body: Any, status: int
) -> None:
    answer = described.run.send(method, path.replace("{id}", described.project), body)
    assert answer.status == status
    described.check(method, path, status, answer.json)


def test_what_is_asked_is_as_described_where_it_is_taken(described: Described) -> None:
    api = described.api
    schema = {"$ref": "#/components/schemas/GenerateAsked", "components": api["components"]}
    validator = Draft202012Validator(schema)
    for body, good in (
        ({"prompt": "x", "width": 64, "height": None}, True),
        ({"prompt": "x", "width": 63}, False),
        ({"width": 64}, False),
        ({"prompt": "x", "wdth": 64}, False),
    ):
        assert validator.is_valid(body) is good
        assert (described.run.send("POST", "/generate", body).status == 200) is good


def test_a_message_of_a_socket_is_as_described(described: Described) -> None:
    address = f"{described.run.url.replace('http', 'ws')}/ws/{described.job}"
    with connect(address) as socket:
        (message,) = list(socket)
    operation = described.api["paths"]["/ws/{id}"]["get"]
    schema = operation["responses"]["101"]["content"]["application/json"]["schema"]
    Draft202012Validator({**schema, "components": described.api["components"]}).validate(
        json.loads(message)
    )
