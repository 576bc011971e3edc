"""The hostile requests, as a table: what each says, how it is refused, and its legitimate twin.

Bytes are written as they go over the wire, since a client library would tidy them up.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
HOST = "Host: 127.0.0.1:{port}"
OWN = "Origin: http://127.0.0.1:{port}"
JSON = "Content-Type: application/json"
PROJECTS = "/api/anime/projects"
BODY = '{"name":"Twin"}'


class Request(NamedTuple):
    """A request line, header lines with `{port}`, `{job}`, `{picture}` in them, and a body."""

    line: str
    headers: tuple[str, ...] = (HOST,)
    body: bytes = b""
    sized: bool = True

    def raw(self, **names: object) -> bytes:
        head = [self.line, *self.headers]
        if self.body and self.sized:
            head.append(f"Content-Length: {len(self.body)}")
        if not any(line.startswith("Upgrade:") for line in self.headers):
            head.append("Connection: close")
        text = "".join(f"{line}\r\n" for line in head)
        return (_named(text, names) + "\r\n").encode("latin-1") + self.body


class Case(NamedTuple):
    """A hostile request, the statuses it may be refused with, its twin, and the twin's status."""

    name: str
    hostile: Request
    refused: tuple[int, ...]
    twin: Request
    accepted: int = 200


def _named(text: str, names: dict[str, object]) -> str:
    for name, value in names.items():
        text = text.replace(f"{{{name}}}", str(value))
    return text


def get(path: str, *headers: str) -> Request:
    return Request(f"GET {path} HTTP/1.1", (HOST, *headers))


def post(*headers: str, body: bytes = BODY.encode(), path: str = PROJECTS) -> Request:
    return Request(f"POST {path} HTTP/1.1", (HOST, *headers), body)


def put(*headers: str, body: bytes) -> Request:
    return Request(f"PUT {PROJECTS}/{{project}} HTTP/1.1", (HOST, *headers), body)


def ws(*headers: str, path: str = "/ws/{job}", host: tuple[str, ...] = (HOST,)) -> Request:
    shake = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
             f"Sec-WebSocket-Key: {KEY}")  # fmt: skip
    return Request(f"GET {path} HTTP/1.1", (*host, *shake, *headers))


WRITE = post(JSON, OWN, "Sec-Fetch-Site: same-origin")
PROGRAM = post(JSON)
STATE = get("/api/state")

HOSTS = (
    "evil.example:{port}", "evil.example", "localhost.evil.example:{port}", "127.0.0.1",
    "127.0.0.1:1", "127.0.0.1:{port}@evil.example", "evil.example@127.0.0.1:{port}",
    "127.0.0.1:{port},evil.example", "127.0.0.1:{port} evil.example", "127.1:{port}",
    "2130706433:{port}", "0x7f000001:{port}", "0.0.0.0:{port}", "localhost.:{port}",
    "[::ffff:127.0.0.1]:{port}", "127.0.0.1:0{port}", "127.0.0.1:{port}0", "[::1", "", "*",
    "127.0.0.1:{port}/", "127.0.0.1:{port}#", "192.0.2.7:{port}", "loc\xe0lhost:{port}",
)  # fmt: skip
ORIGINS = (
    "http://evil.example", "null", "https://127.0.0.1:{port}", "http://127.0.0.1",
    "http://127.0.0.1:1", "http://localhost:{port}", "http://127.0.0.1:{port}.evil.example",
    "http://127.0.0.1:{port}/", "http://127.0.0.1:{port}@evil.example", "file://", "",
    "http://127.0.0.1:{port}, http://evil.example", "chrome-extension://abcdef", "*",
)  # fmt: skip
SITES = ("cross-site", "same-site", "none", "Same-Origin", "", "same-origin, cross-site", "x")
KINDS = (
    "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
    "text/json", "application/json; charset=utf-16", "application/jsonp", "application/json,text",
    "text/plain; application/json", "", "application/json; boundary=x", "application/xml",
)  # fmt: skip
PATHS = (
    "/static/../app.py", "/static/..%2fapp.py", "/static/%2e%2e/app.py", "/static/..%5capp.py",
    "/static//etc/passwd", "/static/%00", "/static/app.js%00.css", "/pictures/../../etc/passwd",
    "/pictures/..%2f..%2fanime.toml", "/pictures/a.01.png", "/pictures/%2fetc%2fpasswd",
    "/pictures/{picture}.svg", "/pictures/{picture}/..", "/pictures/{picture}%20",
    "/pictures/file:%2f%2f%2fetc", "//evil.example/api/state", "/api/state/", "/API/STATE",
    "/api/anime/projects/", "/api/anime/projects/..%2f..%2fstate", "/jobs/../health",
    "/api/anime/characters/%2e%2e", "/jobs/{job}%0d%0aX:%20y", "/.pipeline/events.jsonl",
    "/inbox/a.yaml", "/a.01.png",
)  # fmt: skip
RANGES = (
    "bytes=0-1,2-3", "bytes=0-0,0-0,0-0,0-0", "bytes=-", "bytes=a-b", "lines=0-1", "bytes=1",
    "bytes=99999999999999999999-", "bytes=0-1, 0-", "",
)  # fmt: skip
METHODS = ("DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "X", "get", "PRI")
BODIES = (
    (b"{", 400), (b'{"name":', 400), (b"\xff\xfe", 400), (b'{"name":"\\ud800"}', 400),
    (b'{"name":NaN}', 400), (b"[]", 422), (b"null", 422), (b'{"name":1}', 422),
    (b'{"name":{"$ne":1}}', 422), (b'{"name":""}', 422), (b'{"name":"a\\u0000"}', 422),
    (b'{"name":"' + b"x" * 101 + b'"}', 422), (b'{"name":"../../etc"' + b',"id":"x"}', 422),
    (b'{"name":"x","__proto__":{}}', 422), (b'{"name":"x","metadata":' + b"[" * 5000, 422),
    (b'{"name":"x","metadata":{"a":' + b"[" * 60 + b"]" * 60 + b"}}", 422),
    (b'{"name":"\\u001b[2J"}', 422), (b'{"name":"..."}', 422), (b'{"name":"///"}', 422),
)  # fmt: skip
NUMBERS = (
    b"0", b"-8", b"7", b"4104", b"1e3", b"8.5", b'"512"', b"true", b"99999999999999999999999",
    b"1e999", b"[512]", b"{}",
)  # fmt: skip
UNSAFE = (
    b"!!python/object/apply:os.system [id]", b"*x", b"<<: *a", b"a\n---\nkind: job\nprompt: x",
    b"<script>alert(1)</script>", b"__no_such_wildcard__",
)  # fmt: skip


def _hosts() -> Iterator[Case]:
    for host in HOSTS:
        refused = (421, 400)
        line = "GET /api/state HTTP/1.1"
        yield Case(f"host {host!r}", Request(line, (f"Host: {host}",)), refused, STATE)
    right = Request("GET /api/state HTTP/1.1", (HOST,))
    for name, headers in {
        "none": (), "two": (HOST, "Host: evil.example"), "twice": (HOST, HOST),
        "forwarded": ("Host: evil.example", "X-Forwarded-Host: 127.0.0.1:{port}"),
        "folded": ("Host: evil.example\r\n 127.0.0.1:{port}",),
    }.items():  # fmt: skip
        line = "GET /api/state HTTP/1.1"
        yield Case(f"host {name}", Request(line, headers), (400, 421), right)
    line = "GET http://127.0.0.1:{port}/api/state HTTP/1.1"
    yield Case("host absolute", Request(line, ("Host: evil.example",)), (421,), right)
    yield Case("host of 1.0", Request("GET /api/state HTTP/1.0", ()), (421,), right)
    yield Case("host of a write", post(JSON)._replace(headers=("Host: a.b", JSON)), (421,), WRITE)
    upgrade = ws(OWN, host=("Host: evil.example:{port}",))
    yield Case("host of a socket", upgrade, (421,), ws(OWN), 101)


def _sites() -> Iterator[Case]:
    for origin in ORIGINS:
        said = f"Origin: {origin}"
        yield Case(f"write from {origin!r}", post(JSON, said), (403,), PROGRAM)
        yield Case(f"read from {origin!r}", get("/api/state", said), (403,), get("/api/state", OWN))
        yield Case(f"socket from {origin!r}", ws(said), (403,), ws(OWN), 101)
    yield Case("two origins", post(JSON, OWN, OWN), (403,), WRITE)
    two = ws(OWN, "Origin: http://e.x")
    yield Case("socket with two origins", two, (400, 403), ws(OWN), 101)
    for site in SITES:
        said = f"Sec-Fetch-Site: {site}"
        yield Case(f"write, site {site!r}", post(JSON, said), (403,), WRITE)
        yield Case(f"socket, site {site!r}", ws(OWN, said), (403,), ws(), 101)
        if site != "none":
            fine = get("/api/state", "Sec-Fetch-Site: none")
            yield Case(f"read, site {site!r}", get("/api/state", said), (403,), fine)
    visit = ("Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate")
    there = get("/", *visit, "Sec-Fetch-Dest: document")
    for dest in ("iframe", "frame", "object", "embed", "script", "image"):
        framed = get("/", *visit, f"Sec-Fetch-Dest: {dest}")
        yield Case(f"page in {dest}", framed, (403,), there)
    for path in ("/api/state", "/health", "/events", "/pictures/{picture}", "/openapi.json"):
        followed = get(path, *visit, "Sec-Fetch-Dest: document")
        yield Case(f"link to {path}", followed, (403,), there)
    form = post(JSON, *visit, "Sec-Fetch-Dest: document")
    yield Case("form that navigates", form, (403,), WRITE)


def _bodies() -> Iterator[Case]:
    for kind in KINDS:
        hostile = post(f"Content-Type: {kind}", OWN)
        good = post('content-type: Application/JSON; charset="UTF-8"', OWN)
        yield Case(f"type {kind!r}", hostile, (415,), good)
    yield Case("no type", post(OWN), (415,), WRITE)
    yield Case("two types", post(JSON, "Content-Type: text/plain", OWN), (415,), WRITE)
    for coding in ("gzip", "br", "deflate, identity"):
        said = post(JSON, f"Content-Encoding: {coding}")
        yield Case(f"coding {coding}", said, (415,), post(JSON, "Content-Encoding: identity"))
    for number, (body, status) in enumerate(BODIES):
        yield Case(f"body {number} {body[:20]!r}", post(JSON, body=body), (status,), PROGRAM)
    long = post(JSON, "Content-Length: 99999999999")._replace(sized=False)
    yield Case("length of 100 GB", long, (413,), PROGRAM)
    negative = post(JSON, "Content-Length: -1")._replace(sized=False)
    yield Case("length below nothing", negative, (400, 413), PROGRAM)
    both = post(JSON, "Transfer-Encoding: chunked", "Content-Length: 15")._replace(
        sized=False, body=b"f\r\n" + BODY.encode() + b"\r\n0\r\n\r\n"
    )
    chunked = both._replace(headers=(HOST, JSON, "Transfer-Encoding: chunked"))
    yield Case("two lengths", both._replace(headers=(*both.headers, "Content-Length: 3")), (400,),
               chunked)  # fmt: skip
    much = b"".join(b"10000\r\n" + b" " * 65536 + b"\r\n" for _ in range(17)) + b"0\r\n\r\n"
    yield Case("chunks without end", chunked._replace(body=much), (413,), chunked)
    large = b'{"name":"x","description":"' + b"y" * 2**20 + b'"}'
    yield Case("a body too large", post(JSON, body=large), (413,), PROGRAM)


def _values() -> Iterator[Case]:
    for number in NUMBERS:
        for side in (b"width", b"height"):
            body = b'{"prompt":"x","' + side + b'":' + number + b"}"
            hostile = post(JSON, body=body, path="/generate")
            good = post(JSON, body=b'{"prompt":"x","' + side + b'":64}', path="/generate")
            yield Case(f"{side.decode()} {number!r}", hostile, (400, 422), good)
    for seq in ("-1", "1e9", "0x1", "9" * 19, "%00", "1;2", "\xb2"):
        header = Request("GET /events HTTP/1.1", (HOST, f"Last-Event-ID: {seq}"))
        if seq != "\xb2":
            yield Case(f"after {seq!r}", get(f"/events?after={seq}"), (400,), STATE)
        yield Case(f"last event {seq!r}", header, (400,), STATE)
    for value in ("{}", "../../x", "' OR 1=1 --", "\u202e", "00000000", "x" * 5000):
        body = f'{{"prompt":"x","project_id":"{value}"}}'.encode()
        good = post(JSON, body=b'{"prompt":"x","project_id":"{project}"}', path="/generate")
        yield Case(f"project {value[:12]!r}", post(JSON, body=body, path="/generate"), (422,), good)
    for style in ("..", "mangaa", "__proto__", "{prompt}"):
        body = f'{{"prompt":"x","style_preset":"{style}"}}'.encode()
        good = post(JSON, body=b'{"prompt":"x","style_preset":"manga"}', path="/generate")
        yield Case(f"style {style!r}", post(JSON, body=body, path="/generate"), (422,), good)
    null = put(JSON, body=b'{"name":null}')
    yield Case("a project without a name", null, (422,), put(JSON, body=b'{"description":""}'))
    ours = put(JSON, body=b'{"id":"00000000"}')
    yield Case("a project's id", ours, (422,), put(JSON, body=b'{"description":""}'))


def _addresses() -> Iterator[Case]:
    picture, static = get("/pictures/{picture}"), get("/static/app.js")
    for path in PATHS:
        twin = picture if "pictures" in path else static if "static" in path else STATE
        yield Case(f"path {path}", get(path), (400, 404), twin)
    long = get("/" + "a" * 100_000)
    yield Case("a long path", long, (414,), static)
    many = get("/api/state", *(f"X-{n}: {'y' * 900}" for n in range(100)))
    yield Case("many headers", many, (431,), STATE)
    for said in RANGES:
        yield Case(f"range {said!r}", get("/pictures/{picture}", f"Range: {said}"), (416,),
                   get("/pictures/{picture}", "Range: bytes=0-99"))  # fmt: skip
    two = get("/pictures/{picture}", "Range: bytes=0-1", "Range: bytes=2-3")
    yield Case("two ranges", two, (416,), picture)


def _methods() -> Iterator[Case]:
    for method in METHODS:
        said = Request(f"{method} /api/state HTTP/1.1", (HOST, JSON))
        head = Request("HEAD /api/state HTTP/1.1")
        yield Case(f"method {method}", said, (405, 400), head)
    preflight = (HOST, "Origin: http://evil.example", "Access-Control-Request-Method: POST")
    asked = Request(f"OPTIONS {PROJECTS} HTTP/1.1", preflight)
    yield Case("a preflight", asked, (403, 405), WRITE)
    for path in ("/", "/api/state", "/health", "/events", "/pictures/{picture}", "/jobs/{job}"):
        yield Case(f"write to {path}", post(JSON, path=path), (405,), PROGRAM)
    over = get(PROJECTS, "X-HTTP-Method-Override: DELETE")._replace(
        line=f"DELETE {PROJECTS} HTTP/1.1"
    )
    yield Case("an override", over, (405,), get(PROJECTS))


def _sockets() -> Iterator[Case]:
    for path in ("/ws/00000000", "/ws/..", "/ws/{job}/x", "/ws/", "/events", "/", "/ws/%2e%2e"):
        yield Case(f"socket {path}", ws(path=path), (403, 404), ws(), 101)
    bad = ws()._replace(
        headers=(HOST, "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 8",
                 f"Sec-WebSocket-Key: {KEY}")
    )  # fmt: skip
    yield Case("socket of an old version", bad, (400, 426), ws(), 101)
    nokey = ws()._replace(headers=(HOST, "Upgrade: websocket", "Connection: Upgrade"))
    yield Case("socket without a key", nokey, (400, 426), ws(), 101)
    posted = ws()._replace(line="POST /ws/{job} HTTP/1.1")
    yield Case("socket by POST", posted, (400, 405, 415), ws(), 101)
    plain = get("/ws/{job}")
    yield Case("no socket at all", plain, (404,), ws(), 101)


CASES = (
    *_hosts(), *_sites(), *_bodies(), *_values(), *_addresses(), *_methods(), *_sockets(),
)  # fmt: skip
