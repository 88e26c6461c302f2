"""The quick router finds what Starlette's own finds: the same route, the same parts, the same refusal."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, Router
from starlette.testclient import TestClient

from annotary.server.app import routes, service_on
from annotary.server.routing import SHAPES, QuickRouter
from annotary.server.settings import Settings
from annotary.store import Store


async def said(request: Request) -> Response:
    return JSONResponse([request.scope["route"].path, request.path_params])


def client(router: Router) -> TestClient:
    app = Starlette()
    app.router = router
    return TestClient(app)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[TestClient, TestClient, list[str]]]:
    store = Store.open(tmp_path_factory.mktemp("routing") / "store")
    every = [
        Route(route.path, said, methods=sorted(route.methods or {"GET"}))
        for route in routes(service_on(store, Settings()))
        if isinstance(route, Route)
    ]
    store.close()
    words = sorted({word for route in every for word in route.path.split("/")})
    yield client(Router(every, redirect_slashes=False)), client(QuickRouter(every)), words


@settings(max_examples=300, deadline=None)
@given(data=st.data(), method=st.sampled_from(["GET", "POST", "PATCH", "DELETE", "PUT"]))
def test_both_find_the_same(
    both: tuple[TestClient, TestClient, list[str]], data: st.DataObject, method: str
) -> None:
    plain, quick, words = both
    word = st.one_of(st.sampled_from(words), st.sampled_from(["", "x", "mask", "a.b"]))
    path = "/" + "/".join(data.draw(st.lists(word, max_size=9)))
    path = path.replace("{", "").replace("}", "")
    first, second = plain.request(method, "http://t" + path), quick.request(method, "http://t" + path)
    assert (first.status_code, first.content) == (second.status_code, second.content)
    assert first.headers.get("allow") == second.headers.get("allow")


def test_what_it_remembers_of_paths_is_bounded() -> None:
    router = QuickRouter([Route(f"/{n}/{m}", said) for n in range(40) for m in range(40)])
    http = client(router)
    for number in range(1600):
        assert http.get(f"/{number // 40}/{number % 40}").status_code == 200
    assert len(router._found) <= SHAPES
