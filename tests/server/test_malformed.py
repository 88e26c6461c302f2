"""Requests that are broken in every way: a clear 4xx, never a failure, and a server that goes on."""

from __future__ import annotations

import base64
import gzip
import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import httpx
import jwt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotary.server.rest import ROOT
from annotary.server.settings import Settings
from annotary.server.signing import Grant
from tests._live import Live, live

BODY_LIMIT = 1 << 20
CONTENT = b"0123456789"
GRAPHQL = {"/graphql", "/_gql"}
UPLOAD = (
    "mutation UploadFile($file: Upload!, $contentLength: Int!, $sign: Boolean)"
    "{uploadFile(file: $file, contentLength: $contentLength, sign: $sign){url filename}}"
)
OPERATIONS = json.dumps({"query": UPLOAD, "variables": {"file": None, "contentLength": 3, "sign": True}})
FORM = "\r\n".join(
    (
        '--x\r\nContent-Disposition: form-data; name="operations"\r\n',
        OPERATIONS,
        '--x\r\nContent-Disposition: form-data; name="map"\r\n',
        '{"1": ["variables.file"]}',
        '--x\r\nContent-Disposition: form-data; name="1"; filename="a.txt"\r\nContent-Type: text/plain\r\n',
        "abc",
        "--x--\r\n",
    )
).encode()
QUERY = json.dumps(
    {"query": "query Q($n: Int){projects(first: $n){id name}}", "variables": {"n": 2}}
).encode()
PROJECT = json.dumps({"name": "p", "description": "d", "settings": {"priority": 3}}).encode()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    limits = Settings(body_limit=BODY_LIMIT, upload_limit=4 * BODY_LIMIT)
    with live(str(tmp_path_factory.mktemp("malformed") / "store"), limits, works=False) as server:
        yield server


@pytest.fixture(scope="module")
def http(server: Live) -> Iterator[httpx.Client]:
    with httpx.Client(
        base_url=server.url, headers={"Authorization": f"Bearer {server.key}"}, timeout=60
    ) as http:
        yield http


def told(answer: httpx.Response, path: str) -> str:
    """The code of an error, which is always there with a message, in the shape of its surface."""
    found = answer.json()
    own = path not in GRAPHQL
    error = found["error"] if own else found["errors"][0]
    assert error["message"] and "Traceback" not in error["message"], found
    code: str = error["code"] if own else error["extensions"]["code"]
    assert code not in ("INTERNAL_SERVER_ERROR", "internal"), found
    return code


def well(answer: httpx.Response, path: str) -> None:
    """Passes for an answer that is one, and for an error that says what is wrong."""
    if answer.status_code >= 300 or (path in GRAPHQL and "errors" in answer.json()):
        assert answer.status_code < 500, answer.text
        told(answer, path)


CUTS = st.tuples(st.integers(0, 2**16), st.integers(0, 60), st.binary(max_size=12))


def damaged(whole: bytes, cuts: list[tuple[int, int, bytes]]) -> bytes:
    """Bytes of which pieces are gone, and others stand in their places."""
    for place, gone, instead in cuts:
        start = place % (len(whole) + 1)
        whole = whole[:start] + instead + whole[start + gone :]
    return whole


@settings(max_examples=150, deadline=None)
@given(cuts=st.lists(CUTS, min_size=1, max_size=4))
def test_a_damaged_form(http: httpx.Client, cuts: list[tuple[int, int, bytes]]) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = http.post("/graphql", content=damaged(FORM, cuts), headers=headers)
    assert answer.status_code in (200, 400), answer.text
    well(answer, "/graphql")


@pytest.mark.parametrize("end", range(0, len(FORM), 37))
def test_a_form_that_ends_early_stores_nothing(server: Live, http: httpx.Client, end: int) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = http.post("/graphql", content=FORM[:end], headers=headers)
    assert answer.status_code == 400, answer.text
    assert told(answer, "/graphql") == "MALFORMED_REQUEST"


PART = '--x\r\nContent-Disposition: form-data; name="{}"\r\n\r\n{}\r\n'
GIVEN = PART.format("operations", OPERATIONS)


@pytest.mark.parametrize(
    "form",
    [
        GIVEN,
        GIVEN + PART.format("map", "{"),
        GIVEN + PART.format("map", "[]"),
        GIVEN + PART.format("map", '{"1": "variables.file"}') + PART.format("1", "abc"),
        GIVEN + PART.format("map", '{"1": ["variables.nothing.there"]}') + PART.format("1", "abc"),
        GIVEN + PART.format("map", '{"1": ["query"]}') + PART.format("1", "abc"),
        GIVEN + PART.format("map", '{"2": ["variables.file"]}') + PART.format("1", "abc"),
        PART.format("map", '{"1": ["variables.file"]}') + PART.format("1", "abc"),
        PART.format("operations", "[" * 50_000) + PART.format("map", "{}"),
        PART.format("operations", '{"query": 1}') + PART.format("map", "{}"),
        '--x\r\nContent-Disposition: form-data; name="operations"; filename="a"\r\n\r\n{}\r\n',
        "--x\r\nContent-Disposition: form-data\r\n\r\n{}\r\n",
        "--x\r\n\r\n{}\r\n",
        "--x\r\n: \r\n\r\n{}\r\n",
        "--x\r\n" + "A: b\r\n" * 5_000 + "\r\n{}\r\n",
        "--x\r\nContent-Disposition: " + "form-data; " * 20_000 + "\r\n\r\n{}\r\n",
        GIVEN * 101,
        PART.format("operations", " " * (5 << 20)),
    ],
    ids=range(18),
)
def test_a_form_that_says_what_cannot_be(http: httpx.Client, form: str) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    with http.stream("POST", "/graphql", content=f"{form}--x--\r\n".encode(), headers=headers) as answer:
        answer.read()
    assert answer.status_code in (400, 413) or told(answer, "/graphql") == "BAD_REQUEST", answer.text
    told(answer, "/graphql")


@pytest.mark.parametrize(
    "kind",
    [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        'multipart/form-data; boundary=""',
        "multipart/form-data; boundary=y",
        "multipart/form-data; boundary=" + "x" * 5_000,
        "multipart/form-data; boundary=\xe4",
        "multipart/mixed; boundary=x",
        "application/x-www-form-urlencoded",
        "application/graphql",
        "text/plain",
        "application/json; charset=utf-16",
        ";;;",
        "\xff\xfe",
    ],
)
def test_a_body_of_another_type(http: httpx.Client, kind: str) -> None:
    said = {"Content-Type": kind.encode("latin-1")}
    for path in ("/graphql", f"{ROOT}/projects"):
        answer = http.post(path, content=FORM, headers=said)
        assert answer.status_code == 400, (path, answer.text)
        told(answer, path)


@settings(max_examples=120, deadline=None)
@given(
    cuts=st.lists(CUTS, min_size=1, max_size=3),
    asked=st.sampled_from([("/graphql", QUERY), (f"{ROOT}/projects", PROJECT), (f"{ROOT}/exports", PROJECT)]),
)
def test_damaged_json(
    http: httpx.Client, cuts: list[tuple[int, int, bytes]], asked: tuple[str, bytes]
) -> None:
    path, whole = asked
    headers = {"Content-Type": "application/json"}
    well(http.post(path, content=damaged(whole, cuts), headers=headers), path)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "x-gzip", "gzip, gzip", "nonsense"])
def test_a_body_that_is_packed_is_not_unpacked(http: httpx.Client, encoding: str) -> None:
    bomb = gzip.compress(QUERY + b" " * (64 << 20))
    for path in ("/graphql", f"{ROOT}/projects", f"{ROOT}/files"):
        headers = {"Content-Type": "application/json", "Content-Encoding": encoding}
        answer = http.post(path, content=bomb[:BODY_LIMIT], headers=headers)
        assert answer.status_code == 400, answer.text
        assert "content-encoding" in answer.text
    plain = {"Content-Type": "application/json", "Content-Encoding": "identity"}
    assert http.post("/graphql", content=QUERY, headers=plain).json()["data"] is not None


def test_what_is_too_large_is_refused_whether_it_says_so_or_not(http: httpx.Client) -> None:
    def pieces() -> Iterator[bytes]:
        for _ in range(5):
            yield b" " * BODY_LIMIT

    for path in ("/graphql", f"{ROOT}/projects", f"{ROOT}/files"):
        for content in (b" " * (5 * BODY_LIMIT), pieces()):
            headers = {"Content-Type": "application/json"}
            try:
                answer = http.post(path, content=content, headers=headers)
            except httpx.TransportError:
                continue  # the server hung up while the rest was on its way
            assert answer.status_code == 413, (path, answer.text)
            assert told(answer, path)


@settings(max_examples=100, deadline=None)
@given(depth=st.integers(1, 3_000), inner=st.sampled_from(["ontology", "dataset", "... on Project", "a: b"]))
def test_queries_of_any_depth(http: httpx.Client, depth: int, inner: str) -> None:
    text = "{ projects " + f"{{ {inner} " * depth + "{ id }" + " }" * depth + " }"
    answer = http.post("/graphql", json={"query": text})
    assert answer.status_code == 200
    if "errors" not in answer.json():
        assert inner.startswith("...") or depth < 15  # an inline fragment leads no deeper
        return
    assert told(answer, "/graphql") in ("GRAPHQL_VALIDATION_FAILED", "GRAPHQL_PARSE_FAILED")


@pytest.mark.parametrize(
    "text",
    [
        "{ projects(where: {AND: " + "[{AND: " * 2_000 + "[]" + "}]" * 2_000 + "}) { id } }",
        "query Q($a: " + "[" * 5_000 + "ID" + "]" * 5_000 + ") { user { id } }",
        "{ user { id " + "@include(if: true) " * 20_000 + "} }",
        "{ user { ...a } } fragment a on User { ...a }",
        "{ " + " ".join(f"a{n}: user {{ id }}" for n in range(20_000)) + " }",
        '{ project(where: {id: "' + "x" * 500_000 + '"}) { id } }',
        "\x00",
        "{ user { id } } " * 3_000,
        "subscription { user { id } }",
        "query A { user { id } } query A { user { id } }",
    ],
    ids=range(10),
)
def test_queries_that_ask_too_much(http: httpx.Client, text: str) -> None:
    begun = time.monotonic()
    answer = http.post("/graphql", json={"query": text})
    assert answer.status_code == 200
    assert told(answer, "/graphql")
    assert time.monotonic() - begun < 20


def expected(said: str, size: int) -> tuple[int, bytes]:
    """What RFC 9110 has a server answer to one range of the form `bytes=FIRST-LAST`."""
    first, last = said.removeprefix("bytes=").split("-")
    if (not first and not last) or (first and last and int(last) < int(first)):
        return 200, CONTENT
    if not first:
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(size, int(last) + 1 if last else size)
    return (206, CONTENT[start:end]) if start < end else (416, b"")


@pytest.fixture(scope="module")
def stored(http: httpx.Client) -> str:
    return str(http.post(f"{ROOT}/files", content=CONTENT).json()["id"])


EDGE = st.one_of(st.just(""), st.integers(0, 25).map(str), st.just("0" * 9 + "3"))


@settings(max_examples=150, deadline=None)
@given(first=EDGE, last=EDGE)
def test_a_range_is_what_the_standard_says(http: httpx.Client, stored: str, first: str, last: str) -> None:
    said = f"bytes={first}-{last}"
    answer = http.get(f"{ROOT}/files/{stored}", headers={"Range": said})
    assert (answer.status_code, answer.content) == expected(said, len(CONTENT)), said


ODD_RANGES = """
bytes|bytes=|bytes=--|bytes=1--2|bytes=1-2-3|bytes=1-2,|bytes=,1-2|BYTES=1-2|bytes =1-2|bytes=1 - 2|bytes=+1-2
bytes=-+2|bytes=0x1-2|bytes=1.5-2|bytes=1e1-|bytes=\xb2-\xb3|items=1-2|"|W/"x"|*|Thu, 01 Jan 1970 00:00:00 GMT
"""
ODD = st.one_of(
    st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=30).map(str.strip),
    st.sampled_from([one for line in ODD_RANGES.split("\n")[1:-1] for one in line.split("|")]),
    st.sampled_from(["bytes=" + "9" * 5_000 + "-", "bytes=" + ",".join(["0-0"] * 2_000)]),
)


@settings(max_examples=150, deadline=None)
@given(said=st.dictionaries(st.sampled_from(["Range", "If-Range", "If-None-Match"]), ODD, min_size=1))
def test_odd_headers_of_a_download(http: httpx.Client, stored: str, said: dict[str, str]) -> None:
    headers = {name: value.encode("latin-1") for name, value in said.items()}
    answer = http.get(f"{ROOT}/files/{stored}", headers=headers)
    if answer.status_code == 304:
        assert "If-None-Match" in said and answer.content == b""
    elif answer.status_code == 416:
        assert answer.headers["content-range"] == f"bytes */{len(CONTENT)}"
    else:
        assert answer.status_code in (200, 206)
        assert answer.content and answer.content in CONTENT
        assert (answer.status_code == 200) == (
            answer.content == CONTENT and "content-range" not in answer.headers
        )


def token_of(server: Live, stored: str, **fields: Any) -> str:
    grant = Grant(**{"org": "default", "kind": "file", "id": stored, **fields})
    return server.service.signer.token(grant, int(time.time()) + 600)


@settings(max_examples=150, deadline=None)
@given(place=st.integers(0, 2**16), letter=st.sampled_from("Aa0_-.=%+/ \u00e4"), cut=st.booleans())
def test_a_token_with_one_letter_changed_opens_nothing(
    server: Live, stored: str, place: int, letter: str, cut: bool
) -> None:
    whole = token_of(server, stored)
    place %= len(whole)
    wrong = whole[:place] + ("" if cut else letter) + whole[place + 1 :]
    answer = httpx.get(f"{server.url}/files/{stored}", params={"token": wrong})
    if wrong != whole:
        assert answer.status_code == 401, (whole, wrong, answer.text)
        assert told(answer, "/files") == "unauthenticated"


def part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def test_tokens_that_somebody_else_made(server: Live, http: httpx.Client, stored: str) -> None:
    whole = token_of(server, stored)
    head, body, signature = whole.split(".")
    claims = jwt.decode(whole, options={"verify_signature": False})
    secret = b"another secret that is long enough for the algorithm"
    for wrong in (
        jwt.encode(claims, secret, "HS256"),
        jwt.encode(claims, None, "none"),  # type: ignore[arg-type]
        f"{part({'alg': 'none'})}.{body}.",
        f"{part({'alg': 'none'})}.{body}.{signature}",
        f"{part({'alg': 'HS512', 'typ': 'JWT'})}.{body}.{signature}",
        f"{part([])}.{body}.{signature}",
        f"{head}.{part({**claims, 'org': 'other'})}.{signature}",
        f"{head}.{part({**claims, 'last': 10**30})}.{signature}",
        f"{head}.{part('x' * 10_000)}.{signature}",
        f"{body}.{head}.{signature}",
        f"{head}.{body}",
        f"{whole}.{signature}",
        f" {whole}",
        f"{whole}\x00",
        whole.upper(),
        "\u2028",
        server.key,
    ):
        answer = httpx.get(f"{server.url}/files/{stored}", params={"token": wrong})
        assert answer.status_code == 401, (wrong, answer.text)
    for odd in ({"id": "other"}, {"kind": "mask"}, {"org": "nowhere"}):
        address = f"{server.url}/files/{stored}"
        assert httpx.get(address, params={"token": token_of(server, stored, **odd)}).status_code == 404
    # A key beside it does not mend a token that is none; nor do two tokens make one.
    assert http.get(f"/files/{stored}", params={"token": "x"}).status_code == 401
    twice = httpx.get(f"{server.url}/files/{stored}?token={whole}&token=x")
    assert twice.status_code == 401


@pytest.mark.parametrize(
    "said",
    [
        [],
        [b""],
        [b"Bearer"],
        [b"KEY"],
        [b"Bearer KEY KEY"],
        [b"Bearer KEY,Bearer KEY"],
        [b"Bearer KEYx"],
        [b"Basic KEY"],
        [b"Token KEY"],
        [b"Bearer \xff\xfe"],
        [b"Bearer " + b"x" * 20_000],
        [b"Bearer x", b"Bearer KEY"],
        [b'Bearer "KEY"'],
        [b"Bearer ann_"],
    ],
    ids=range(14),
)
def test_odd_headers_of_authorization(server: Live, said: list[bytes]) -> None:
    headers = [(b"Authorization", one.replace(b"KEY", server.key.encode())) for one in said]
    for method, path in (("GET", f"{ROOT}/projects"), ("POST", "/graphql"), ("GET", f"{ROOT}/files/x")):
        answer = httpx.request(
            method,
            server.url + path,
            headers=[*headers, (b"Content-Type", b"application/json")],
            content=QUERY if method == "POST" else None,
        )
        if path in GRAPHQL:
            # The SDK reads errors out of an answer that is otherwise well.
            assert told(answer, path) == "AUTHENTICATION_ERROR", answer.text
        else:
            assert answer.status_code == 401, answer.text
            assert told(answer, path) == "unauthenticated"


@settings(max_examples=60, deadline=None)
@given(
    cuts=st.lists(CUTS, max_size=3),
    line=st.sampled_from(
        [
            b"GET /healthz HTTP/1.1",
            b"GET /\x00 HTTP/1.1",
            b"GET  HTTP/9.9",
            b"\xff\xfe /healthz HTTP/1.1",
            b"POST /graphql HTTP/1.1\r\nContent-Length: -1",
            b"POST /graphql HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6",
            b"POST /graphql HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked",
            b"POST /graphql HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nZZ",
            b"GET /" + b"a" * 100_000 + b" HTTP/1.1",
            b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 3_000,
        ]
    ),
)
def test_what_is_hardly_http(server: Live, http: httpx.Client, cuts: Any, line: bytes) -> None:
    url = httpx.URL(server.url)
    with socket.create_connection((url.host, url.port), timeout=10) as peer:
        try:
            peer.sendall(damaged(line + b"\r\nHost: x\r\nConnection: close\r\n\r\n", cuts))
            peer.shutdown(socket.SHUT_WR)
            said = peer.recv(1 << 16)
        except ConnectionError:
            said = b""  # it hung up
    assert not said.startswith(b"HTTP/1.1 5"), said
    assert http.get("/healthz").status_code == 200
