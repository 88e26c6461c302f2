"""The commands that look after a store: keys, orgs, migrate, check."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from annotary.store.migrations import HEAD, OLDEST
from tests.cli.conftest import PROJECT, document, done, refused, typed


def test_a_key_is_shown_once() -> None:
    result = typed("keys", "create", "ci", "--role", "reader")
    assert result.exit_code == 0
    secret = result.stdout.strip()
    assert "not shown again" in result.stderr and secret not in result.stderr
    listed = done("keys", "list")
    assert "ci" in listed and "reader" in listed and secret not in listed
    stored = b"".join(path.read_bytes() for path in Path("annotary-data").glob("annotary.db*"))
    assert secret.encode() not in stored


def test_a_key_for_programs() -> None:
    made = document("keys", "create", "ci")
    assert made.keys() == {"name", "key", "role", "org"}
    assert (made["name"], made["role"], made["org"]) == ("ci", "member", "default")
    (listed,) = document("keys", "list")
    assert (listed["name"], listed["revoked"]) == ("ci", False)
    assert "hash" not in listed and "key" not in listed


def test_a_key_is_revoked() -> None:
    done("keys", "create", "ci")
    assert "'ci'" in refused("keys", "create", "ci")
    assert done("keys", "revoke", "ci") == "key 'ci' is revoked\n"
    assert "revoked" in done("keys", "list")
    assert "'ci'" in refused("keys", "revoke", "ci")
    assert document("keys", "create", "ci")["name"] == "ci"
    assert document("keys", "revoke", "ci") == {"name": "ci", "revoked": True}


def test_no_keys_yet() -> None:
    assert done("keys", "list") == "no keys in annotary-data\n"
    assert "admin" in refused("keys", "create", "ci", "--role", "king", status=2)


def test_organisations_are_apart(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"data_row": {"id": "row-1", "row_data": "https://example.org/1.png"}}')
    assert done("orgs", "create", "acme").startswith("organisation 'acme'")
    assert document("orgs", "create", "umbrella")["name"] == "umbrella"
    assert [one["name"] for one in document("orgs", "list")] == ["default", "acme", "umbrella"]
    assert "acme" in done("orgs", "list")
    done("--org", "acme", "import", "a.json", "--project", "rockets")
    assert [one["name"] for one in document("projects", "--org", "acme")] == ["rockets"]
    assert document("projects") == document("--org", "umbrella", "projects") == []
    assert "no project 'rockets'" in refused("show", "rockets")
    assert document("keys", "create", "ci", "--org", "acme")["org"] == "acme"
    assert document("keys", "list") == []
    assert "no organisation 'nobody'" in refused("--org", "nobody", "projects")
    assert "'acme'" in refused("orgs", "create", "acme")


def test_a_hint_keeps_to_the_organisation(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"data_row": {"id": "row-1", "row_data": "https://example.org/1.png"}}')
    done("orgs", "create", "acme")
    result = typed("--org", "acme", "import", "a.json", "--project", "my rockets")
    assert result.stderr.splitlines()[-1] == "next: annotary --org acme show 'my rockets'"


def test_migrate_says_the_schema(store: Path) -> None:
    others = f"; programs of schema {OLDEST} and newer may use it" if OLDEST < HEAD else ""
    assert done("--at", store, "migrate") == f"{store} has schema {HEAD}{others}\n"
    stands = {"schema": HEAD, "oldest": OLDEST, "program": HEAD, "beside": True}
    assert document("--at", store, "migrate", "--look") == stands
    assert document("--at", store, "migrate") == {**stands, "blobs": 0, "files": 0, "left": None}
    assert "leave --blobs out" in refused("--at", store, "migrate", "--look", "--blobs", "s3://b", status=2)
    assert done("--at", store, "migrate", "--look") == f"{store} has schema {HEAD}{others}\n"
    assert refused("migrate").startswith("no store at annotary-data")
    assert not Path("annotary-data").exists()


def test_migrate_moves_blobs_and_files(postgres_url: str, tmp_path: Path) -> None:
    one, two = (tmp_path / "one").as_uri(), (tmp_path / "two").as_uri()
    at = ("--at", postgres_url, "migrate", "--blobs")
    assert f"it keeps large blobs and files in {one}\n" in done(
        "--at", postgres_url, "migrate", "--blobs", one
    )
    made = document(*at, one)
    assert (made["schema"], made["blobs"], made["files"], made["left"]) == (HEAD, 0, 0, None)
    said = typed(*at, two)
    assert said.exit_code == 0 and f"what was in {one} is there still" in said.stderr
    assert "give s3://BUCKET/PREFIX" in refused(*at, "elsewhere")
    assert "not a bucket" in refused(*at, "s3://key:secret@bucket")


def test_blobs_of_a_folder_stay_there(store: Path, tmp_path: Path) -> None:
    assert "stores on PostgreSQL" in refused("--at", store, "migrate", "--blobs", tmp_path.as_uri())


def test_a_store_of_a_newer_version(store: Path) -> None:
    with sqlite3.connect(store / "annotary.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999', oldest = '9999'")
    connection.close()
    for words in (("projects",), ("migrate",), ("check",), ("show", PROJECT), ("import", store)):
        said = refused("--at", store, *words)
        assert "newer annotary" in said and "9999" in said


def test_check_of_a_sound_store(demo: Path) -> None:
    said = done("--at", demo, "check")
    made = document("--at", demo, "check")
    assert (made["wrong"], made["findings"], made["rebuilt"]) == (0, [], 0)
    numbers = {one["name"]: one["number"] for one in made["checks"]}
    assert numbers["labels"] == 186 and numbers["masks"] > 100 and numbers["sections"] > 1000
    assert all(name in said for name in numbers)


def test_check_of_a_damaged_store(store: Path) -> None:
    with sqlite3.connect(store / "annotary.db") as connection:
        connection.execute("UPDATE labels SET annotations = replace(annotations, ',', ' ,') WHERE n = 1")
        connection.execute("UPDATE rows SET until = since WHERE n = 2")
    connection.close()
    result = typed("--at", store, "check")
    assert result.exit_code == 1
    assert "rows 2" in result.stderr and "labels 1 annotations" in result.stderr
    assert result.stderr.splitlines()[-1].startswith(f"annotary: {store} has ")
    made = json.loads(typed("--at", store, "check", "--json").stdout)
    assert made["wrong"] == len(made["findings"]) > 1
    rebuilt = typed("--at", store, "check", "--rebuild")
    # The section, and which label the damaged row leads to.
    assert "2 sections written anew" in rebuilt.stdout
    assert "labels 1 annotations" not in rebuilt.stderr


def test_check_makes_no_store() -> None:
    assert refused("check") == "no store at annotary-data; give another place with --at"
    assert not Path("annotary-data").exists()


@pytest.mark.parametrize("group", ["keys", "orgs"])
def test_a_group_alone_shows_its_help(group: str) -> None:
    result = typed(group)
    assert result.exit_code == 2
    assert "create" in result.output and "list" in result.output
