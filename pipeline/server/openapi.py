"""`/openapi.json`: what may be asked for, described by the types that ask and answer it.

Owns the description (OpenAPI 3.1.1, https://spec.openapis.org/oas/v3.1.1) and which type belongs to
which path; what each does is the first line of what answers it. A path that has no row here is
described without its shape. Never describes what the routes do not have.
"""

import inspect
import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec import Struct
from starlette.routing import BaseRoute, Route, WebSocketRoute

from pipeline import __version__
from pipeline.core.commands import Command
from pipeline.server import older
from pipeline.server.bibles import CharacterBible, ProjectBible
from pipeline.server.desk import Answered
from pipeline.server.earlier import shapes
from pipeline.server.health import Health
from pipeline.server.night import Story
from pipeline.server.refusal import Refusal
from pipeline.server.room import Room
from pipeline.server.view import JobsPage, JobView, Snapshot
from pipeline.server.why import Again, Why

_REF = "#/components/schemas/{name}"
_PARAMETER = re.compile(r"{(\w+)(?::\w+)?}")
_JSON, _PNG = "application/json", "image/png"
_MAKES = (400, 408, 409, 413, 422, 503)
_MEANS = {
    200: "What was asked for",
    101: "A WebSocket opens; its messages are of this shape",
    202: "It is there, and the runner has not answered yet",
    304: "It has not changed",
    400: "The body is no JSON, or a value in the address is none",
    404: "There is nothing of this id",
    408: "The body did not come",
    409: "The name is taken, or the manifest is a person's own by now",
    413: "The body is too large",
    422: "A value is out of bounds, or names what is not there; with the nearest names",
    503: "Nothing can be recorded now, or it was not in time",
}


class Shape(Struct, frozen=True, kw_only=True):
    """What an operation is asked and what it answers; `kind` is the answer's media type, `refused`
    the statuses with a Refusal, `bare` those without a body, `query` what may stand behind `?`."""

    asked: Any = None
    told: Any = None
    status: int = 200
    kind: str = _JSON
    refused: tuple[int, ...] = ()
    more: dict[int, Any] = {}
    bare: tuple[int, ...] = ()
    query: dict[str, str] = {}


SHAPES: Mapping[tuple[str, str], Shape] = {
    ("GET", "/"): Shape(kind="text/html", query={"token": "the token, once, for a cookie"}),
    ("GET", "/static/{name}"): Shape(kind="*/*", bare=(404,)),
    ("GET", "/api/state"): Shape(told=Snapshot),
    ("GET", "/events"): Shape(
        kind="text/event-stream", bare=(400,),
        query={"after": "the seq of the last fact that is known"},
    ),
    ("GET", "/pictures/{id}"): Shape(
        kind=_PNG, bare=(304, 404), query={"small": "a small version of it"}
    ),
    ("GET", "/health"): Shape(told=Health, more={503: Health}),
    ("GET", "/api/workers/{worker}/preview"): Shape(
        kind="image/jpeg", bare=(404,), query={"n": "the number that a tick gave it"}
    ),
    ("POST", "/api/commands"): Shape(
        asked=Command, told=Answered, refused=(400, 408, 413),
        more=dict.fromkeys((202, 409, 422, 503), Answered),
    ),
    ("GET", "/api/jobs"): Shape(told=JobsPage, refused=(422,), query=older.QUERY),
    ("GET", "/api/pictures/{id}/why"): Shape(told=Why, refused=(404,)),
    ("GET", "/api/pictures/{id}/again"): Shape(told=Again, refused=(404,)),
    ("GET", "/api/characters/{id}"): Shape(told=CharacterBible, refused=(404,)),
    ("GET", "/api/projects/{id}"): Shape(told=ProjectBible, refused=(404,)),
    ("GET", "/api/night"): Shape(
        told=Story, refused=(422,), query={"hours": "how far back it goes; 12 if it is not said"}
    ),
    ("GET", "/api/room"): Shape(told=Room),
    ("GET", "/api/anime/projects"): Shape(told=shapes.Projects),
    ("POST", "/api/anime/projects"): Shape(
        asked=shapes.ProjectAsked, told=shapes.Project, refused=_MAKES
    ),
    ("GET", "/api/anime/projects/{id}"): Shape(told=shapes.Project, refused=(404,)),
    ("PUT", "/api/anime/projects/{id}"): Shape(
        asked=shapes.ProjectChanged, told=shapes.Project, refused=(*_MAKES, 404)
    ),
    ("POST", "/api/anime/characters"): Shape(
        asked=shapes.CharacterAsked, told=shapes.Character, refused=_MAKES
    ),
    ("GET", "/api/anime/characters/{id}"): Shape(told=shapes.Character, refused=(404,)),
    ("GET", "/api/anime/characters/{id}/bible"): Shape(told=shapes.Bible, refused=(404,)),
    ("POST", "/generate"): Shape(
        asked=shapes.GenerateAsked, told=shapes.Generate, refused=_MAKES
    ),
    ("GET", "/jobs/{id}"): Shape(told=shapes.Job, refused=(404,)),
    ("GET", "/ws/{id}"): Shape(told=shapes.Progress, status=101, refused=(404, 503)),
    ("GET", "/openapi.json"): Shape(),
}  # fmt: skip
_ITSELF = "The description of everything that may be asked for."


def describe(routes: Iterable[BaseRoute]) -> bytes:
    """The description of these routes, and of itself, as JSON."""
    found = [operation for route in routes for operation in _operations(route)]
    found.append(("GET", "/openapi.json", _ITSELF))
    shapes_ = {each[:2]: SHAPES.get(each[:2], Shape()) for each in found}
    schemas, components = _schemas(shapes_.values())
    paths: dict[str, dict[str, Any]] = {}
    for method, path, says in found:
        shape = shapes_[method, path]
        paths.setdefault(path, {})[method.lower()] = _operation(method, path, says, shape, schemas)
    return msgspec.json.encode(
        {
            "openapi": "3.1.1",
            "info": {
                "title": "anime-pipeline",
                "version": __version__,
                "description": "An anime production you drive with files. What is written here "
                "becomes a manifest in the inbox.",
            },
            "paths": paths,
            "components": {
                "schemas": components,
                "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            },
            # Either: a token is asked for only where the server was started with one.
            "security": [{}, {"token": []}],
        }
    )


def _operations(route: BaseRoute) -> list[tuple[str, str, str]]:
    """Method, path and meaning of all that a route answers; HEAD goes with GET."""
    match route:
        case Route():
            methods = sorted((route.methods or set()) - {"HEAD"})
        case WebSocketRoute():
            methods = ["GET"]
        case _:
            return []
    return [(method, route.path, inspect.getdoc(route.endpoint) or "") for method in methods]


def _schemas(shapes_: Iterable[Shape]) -> tuple[dict[Any, Any], dict[str, Any]]:
    types: dict[Any, None] = {Refusal: None, JobView: None}
    for shape in shapes_:
        for each in (shape.asked, shape.told, *shape.more.values()):
            if each is not None:
                types[each] = None
    made, components = msgspec.json.schema_components(types, ref_template=_REF)
    return dict(zip(types, made, strict=True)), components


def _operation(
    method: str, path: str, says: str, shape: Shape, schemas: Mapping[Any, Any]
) -> dict[str, Any]:
    summary, _, rest = " ".join(says.split()).partition(". ")
    found: dict[str, Any] = {
        "operationId": _named(method, path),
        "summary": summary.rstrip("."),
        "responses": _responses(shape, schemas),
    }
    if rest:
        found["description"] = rest
    parameters = [
        _parameter(name, "path", "The id" if name == "id" else "The name")
        for name in _PARAMETER.findall(path)
    ] + [_parameter(name, "query", meaning) for name, meaning in shape.query.items()]
    if parameters:
        found["parameters"] = parameters
    if shape.asked is not None:
        content = {_JSON: {"schema": schemas[shape.asked]}}
        found["requestBody"] = {"required": True, "content": content}
    return found


def _responses(shape: Shape, schemas: Mapping[Any, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {"schema": schemas[shape.told]} if shape.told is not None else {}
    found = {shape.status: _response(shape.status, {shape.kind: told})}
    for status in shape.refused:
        found[status] = _response(status, {_JSON: {"schema": schemas[Refusal]}})
    for status, kind in shape.more.items():
        found[status] = _response(status, {_JSON: {"schema": schemas[kind]}})
    for status in shape.bare:
        found[status] = _response(status, None)
    answers: dict[str, Any] = {str(status): found[status] for status in sorted(found)}
    answers["default"] = {
        "description": "Refused before it was looked at: another site's, no JSON, no token",
        "content": {"text/plain": {"schema": {"type": "string"}}},
    }
    return answers


def _response(status: int, content: dict[str, Any] | None) -> dict[str, Any]:
    found: dict[str, Any] = {"description": _MEANS[status]}
    if content is not None:
        found["content"] = content
    return found


def _parameter(name: str, where: str, meaning: str) -> dict[str, Any]:
    return {
        "name": name, "in": where, "required": where == "path", "description": meaning,
        "schema": {"type": "string"},
    }  # fmt: skip


def _named(method: str, path: str) -> str:
    words = re.findall(r"[a-z]+", path.lower())
    return "_".join([method.lower(), *(words or ["page"])])
