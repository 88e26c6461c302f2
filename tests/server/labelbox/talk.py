"""Talking GraphQL to the application itself, with a worker that works when it is told to."""

from __future__ import annotations

import json
from typing import Any

from starlette.testclient import TestClient

from annotary.engine.core import Engine
from annotary.engine.runner import Runner
from annotary.engine.users import DEFAULT
from annotary.model.project import Role
from annotary.operations.users import CreateKey, CreateOrganization
from annotary.server.app import application, service_on
from annotary.server.settings import Settings
from annotary.store import Store

BASE = "http://testserver"
Json = dict[str, Any]


class Talk:
    """A program with a key, and the server it talks to."""

    def __init__(self, store: Store, **settings: Any) -> None:
        self.store = store
        self.service = service_on(store, Settings(base_url=BASE, **settings))
        self.http = TestClient(application(self.service), base_url=BASE, raise_server_exceptions=False)
        self.key = self.key_of("admin")
        self.agent = "python-sdk 7.17.0"

    def key_of(self, role: Role, org: str = DEFAULT.id) -> str:
        """A new key."""
        if org != DEFAULT.id:
            Engine(self.store).call(CreateOrganization(name=org))
        engine = Engine(self.store.seen_as(org))
        return engine.call(CreateKey(name=f"{org} {role}", role=role)).key

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}", "X-User-Agent": self.agent}

    def answer(self, query: str, variables: Any = None, *, path: str = "/graphql") -> Json:
        """The whole answer to a request."""
        response = self.http.post(path, json={"query": query, "variables": variables}, headers=self.headers)
        assert response.status_code == 200, response.text
        found: Json = response.json()
        return found

    def ask(self, query: str, **variables: Any) -> Any:
        """The data of an answer without errors: of its only field."""
        found = self.answer(query, variables)
        assert "errors" not in found, found["errors"]
        (data,) = found["data"].values()
        return data

    def error(self, query: str, **variables: Any) -> Json:
        """The first error of an answer."""
        found = self.answer(query, variables)
        assert found.get("errors"), found
        error: Json = found["errors"][0]
        return error

    def code(self, query: str, **variables: Any) -> str:
        """The code of the first error."""
        code: str = self.error(query, **variables)["extensions"]["code"]
        return code

    def send(
        self, query: str, variables: Json, data: bytes, *, part: str = "1", name: str = "file", kind: str = ""
    ) -> Any:
        """The data of an answer to a multipart request with one file; `file` is its variable."""
        response = self.http.post(
            "/graphql",
            data={
                "operations": json.dumps({"query": query, "variables": {**variables, "file": None}}),
                "map": json.dumps({part: ["variables.file"]}),
            },
            files={part: (name, data, kind or "application/octet-stream")},
            headers=self.headers,
        )
        assert response.status_code == 200, response.text
        found = response.json()
        assert "errors" not in found, found["errors"]
        (value,) = found["data"].values()
        return value

    def upload(self, data: bytes, name: str = "file", kind: str = "application/octet-stream") -> str:
        """The address of an uploaded file."""
        text = (
            "mutation UploadFile($file: Upload!, $contentLength: Int!, $sign: Boolean)"
            "{uploadFile(file: $file, contentLength: $contentLength, sign: $sign){url filename}}"
        )
        url: str = self.send(text, {"contentLength": 1, "sign": True}, data, name=name, kind=kind)["url"]
        return url

    def fetch(self, url: str) -> bytes:
        """What is behind an address, without a key."""
        response = self.http.get(url)
        assert response.status_code == 200, response.text
        return response.content

    def lines(self, url: str) -> list[Json]:
        """The JSON lines behind an address."""
        return [json.loads(line) for line in self.fetch(url).splitlines()]

    def work(self) -> None:
        """Do all that is queued."""
        runner = Runner(self.store, tasks=1)
        while (
            taken := self.store.tasks.claim(runner._name, None, "2026-01-01T00:00:00.000+00:00")
        ) is not None:
            runner._carry_out(taken)
