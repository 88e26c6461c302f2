"""Bad input: one clear line with the value, the place and the reason, and nothing stored."""

from __future__ import annotations

import copy
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import annotary


def box(**changes: Any) -> dict[str, Any]:
    return {
        "feature_id": "feature-1",
        "name": "car",
        "annotation_kind": "ImageBoundingBox",
        "classifications": [],
        "bounding_box": {"top": 1, "left": 2, "height": 3, "width": 4},
        **changes,
    }


def row(*objects: dict[str, Any], **changes: Any) -> dict[str, Any]:
    label = {
        "label_kind": "Default",
        "version": "1.0.0",
        "id": "label-1",
        "annotations": {"objects": list(objects), "classifications": [], "relationships": []},
    }
    return {
        "data_row": {"id": "row-1", "row_data": "https://example.org/1.png"},
        "media_attributes": {"height": 100, "width": 200, "mime_type": "image/png"},
        "projects": {"project-1": {"name": "streets", "labels": [label]}},
        **changes,
    }


def arrow(source: str, target: str) -> dict[str, Any]:
    return {
        "feature_id": "arrow-1",
        "name": "follows",
        "annotation_kind": "ImageUnidirectionalRelationship",
        "classifications": [],
        "unidirectional_relationship": {"source": source, "target": target},
    }


def changed(path: str, value: Any) -> dict[str, Any]:
    """A good row with one value replaced; the path is as in `projects.project-1.labels.0.id`."""
    whole = copy.deepcopy(row(box()))
    place: Any = whole
    *steps, last = path.split("/")
    for step in steps:
        place = place[int(step)] if isinstance(place, list) else place[step]
    place[last] = value
    return whole


DEEP = 3000
LABEL = "projects/project-1/labels/0"
OBJECT = f"{LABEL}/annotations/objects/0"
CASES: dict[str, tuple[str, str]] = {
    "cut off line": (json.dumps(row(box()))[:-20], "cut off"),
    "cut off array": ("[" + json.dumps(row(box())) + ",", "cut off"),
    "cut off pretty": (json.dumps(row(box()), indent=1)[:-30], "cut off"),
    "text after array": ("[" + json.dumps(row(box())) + "] x", "follows the end"),
    "no comma": ("[" + json.dumps(row(box())) + " " + json.dumps(row()) + "]", "no comma"),
    "deep array": ('{"data_row": ' + "[" * DEEP + "]" * DEEP + "}", "nested deeper"),
    "deep object": ('{"data_row": ' + '{"a":' * DEEP + "1" + "}" * DEEP + "}", "nested deeper"),
    "NaN": (json.dumps(changed(f"{OBJECT}/bounding_box/top", float("nan"))), "not JSON"),
    "infinity": (json.dumps(changed(f"{OBJECT}/bounding_box/top", float("inf"))), "not JSON"),
    "too large": (json.dumps(row(box())).replace('"top": 1', '"top": 1e999'), "out of range"),
    "negative": (json.dumps(changed(f"{OBJECT}/bounding_box/height", -3)), ">= 0"),
    "text for number": (
        json.dumps(changed(f"{OBJECT}/bounding_box/left", "2")),
        "Expected `float`, got `str`",
    ),
    "number for text": (json.dumps(changed(f"{OBJECT}/name", 5)), "Expected `str`, got `int`"),
    "object for list": (json.dumps(changed(f"{LABEL}/annotations", [])), "Expected `object`, got `array`"),
    "list for row": ("[[1]]", "no known format"),
    "unknown kind": (json.dumps(changed(f"{OBJECT}/annotation_kind", "ImageBlob")), "Invalid value"),
    "no geometry": (json.dumps(row({k: v for k, v in box().items() if k != "bounding_box"})), "bounding_box"),
    "no row data": (json.dumps(row(data_row={"id": "row-1"})), "row_data"),
    "bad date": (
        json.dumps(changed(f"{LABEL}/label_details", {"created_at": "last Monday"})),
        "not a date",
    ),
    "bad status": (
        json.dumps(changed("projects/project-1/project_details", {"workflow_status": "LATER"})),
        "Invalid enum value",
    ),
    "same feature twice": (json.dumps(row(box(), box())), "twice in one label"),
    "same row twice": (json.dumps(row(box())) + "\n" + json.dumps(row(box())), "stands twice"),
    "same label twice": (
        json.dumps(changed("projects/project-1/labels", 2 * row(box())["projects"]["project-1"]["labels"])),
        "stands twice",
    ),
    "end missing": (json.dumps(row(box(), arrow("feature-1", "nobody"))), "not there: nobody"),
    "two answers": (
        json.dumps(
            changed(
                f"{OBJECT}/classifications",
                [{"name": "q", "text_answer": {"content": "x"}, "radio_answer": {"name": "a"}}],
            )
        ),
        "exactly one answer",
    ),
    "no name": (json.dumps(row({k: v for k, v in box().items() if k != "name"})), "needs a name"),
    "confidence": (json.dumps(changed(f"{OBJECT}/confidence", 1.5)), "<= 1"),
    "control character in URL": (
        json.dumps(row({**box(annotation_kind="ImageSegmentationMask"), "mask": {"url": "\u001a/x"}})),
        "unknown field",
    ),
    "empty": ("", "no JSON document"),
    "white space": (" \n\n", "no JSON document"),
    "text": ("hello", "not JSON"),
    "not UTF-8": (json.dumps(row(box(name="Ä")), ensure_ascii=False), ""),
    "long key": (json.dumps(row(data_row={"row_data": "x", "global_key": "k" * 201})), "longer than 200"),
    "video": (json.dumps(changed(f"{LABEL}/label_kind", "Video")), "not an image"),
    "pdf": (json.dumps(changed("media_attributes/mime_type", "application/pdf")), "not an image"),
}


@pytest.mark.parametrize("name", CASES)
def test_import_is_refused_with_one_clear_line(tmp_path: Path, name: str) -> None:
    text, reason = CASES[name]
    path = tmp_path / "rows.json"
    path.write_bytes(text.encode("latin-1" if name == "not UTF-8" else "utf-8"))
    if name == "control character in URL":
        drawn = box(annotation_kind="ImageSegmentationMask")
        del drawn["bounding_box"]
        path.write_text(json.dumps(row({**drawn, "mask": {"url": "\u001a/x"}})))
        reason = "control characters"
    if name == "not UTF-8":
        reason = "not UTF-8"
    with annotary.Client(tmp_path / "store") as client:
        with pytest.raises(annotary.Invalid) as caught:
            client.load(path)
        message = str(caught.value)
        assert reason in message
        assert "\n" not in message
        assert len(message) < 1000
        assert str(path) in message
        assert client.get_projects() == []
        assert client.get_datasets() == []


def test_problems_name_place_value_and_reason(tmp_path: Path) -> None:
    path = tmp_path / "rows.ndjson"
    good, bad = row(box()), changed(f"{OBJECT}/bounding_box/height", -3)
    bad["data_row"]["id"] = "row-2"
    path.write_text(json.dumps(good) + "\n" + json.dumps(bad) + "\n")
    with annotary.Client(tmp_path / "store") as client:
        with pytest.raises(annotary.Refused) as caught:
            client.load(path)
        (problem,) = caught.value.problems
        assert problem.place.startswith(f"{path}, line 2 projects")
        assert problem.place.endswith("annotations.objects[0].bounding_box.height")
        assert problem.value == "-3"
        report = client.load(path, on_problem="skip")
        assert (report.rows, report.problem_count) == (1, 1)
        assert len(client.get_project("project-1").export_v2().result) == 1


def test_unknown_feature_of_a_given_ontology(tmp_path: Path) -> None:
    with annotary.Client(tmp_path / "store") as client:
        tools = [{"tool": "rectangle", "name": "bus"}]
        ontology = client.create_ontology("given", {"tools": tools, "classifications": []})
        client.create_project("streets", ontology_id=ontology.id, id="project-1")
        path = tmp_path / "rows.json"
        path.write_text(json.dumps(row(box())))
        with pytest.raises(annotary.Refused, match=r"unknown rectangle .* known: bus: 'car'"):
            client.load(path)


def test_mask_of_another_size(tmp_path: Path) -> None:
    import base64

    import numpy

    from annotary.formats._png import encode_mask

    png = base64.b64encode(encode_mask(numpy.ones((50, 50), bool))).decode()
    line = {"dataRow": {"id": "row-1"}, "name": "road", "uuid": "mask-1", "mask": {"png": png}}
    with annotary.Client(tmp_path / "store") as client:
        client.port.load([row()], format="labelbox-v2")
        with pytest.raises(annotary.Refused, match="not of its image's size, 200 x 100 px: 50 x 50 px"):
            client.get_project("project-1").import_labels([line])


def test_line_of_two_gigabytes(tmp_path: Path) -> None:
    path = tmp_path / "rows.ndjson"
    with path.open("wb") as file:
        file.write(b'{"data_row": {"row_data": "')
        file.truncate(2 << 30)
    code = (
        "import annotary, re, sys\n"
        "try: annotary.Client(sys.argv[1]).load(sys.argv[2])\n"
        "except annotary.Invalid as error: print(error)\n"
        # Its own peak: what getrusage tells may be that of the process that started it.
        "print(int(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1]) // 1024)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "store"), str(path)],
        capture_output=True,
        text=True,
        check=True,
    )
    message, peak = done.stdout.splitlines()
    assert "too long" in message
    assert int(peak) < 600


def test_locked_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sqlite3

    monkeypatch.setattr("annotary.store.drivers.BUSY_SECONDS", 0.2)
    annotary.Client(tmp_path).close()
    holder = sqlite3.connect(tmp_path / "annotary.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with annotary.Client(tmp_path) as client, pytest.raises(annotary.Unavailable, match="is locked by"):
        client.port.load([row()], format="labelbox-v2")
    holder.execute("ROLLBACK")
    holder.close()


def test_newer_store(tmp_path: Path) -> None:
    import sqlite3

    annotary.Client(tmp_path).close()
    with sqlite3.connect(tmp_path / "annotary.db") as database:
        database.execute("UPDATE alembic_version SET version_num = '9999', oldest = '9999'")
    database.close()
    with pytest.raises(annotary.Outdated, match="newer annotary"):
        annotary.Client(tmp_path)


def test_file_in_place_of_a_store(tmp_path: Path) -> None:
    place = tmp_path / "store"
    place.write_text("not a folder")
    with pytest.raises(annotary.Unavailable, match="cannot be made"):
        annotary.Client(place)
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "annotary.db").write_text("this is no database at all, " * 100)
    with pytest.raises(annotary.Unavailable, match="not an annotary store"):
        annotary.Client(folder)


def without_privileges(code: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run Python bound by file permissions, which root otherwise is not."""
    command = [sys.executable, "-c", code, *words]
    if os.getuid() == 0:
        lost = "-dac_override,-dac_read_search"
        command = ["setpriv", f"--bounding-set={lost}", f"--inh-caps={lost}", *command]
    return subprocess.run(command, capture_output=True, text=True, check=False)


READ_ONLY = """
import annotary, sys
client = annotary.Client(sys.argv[1])
print(len(client.get_project("project-1").export_v2().result))
try: client.create_project("other")
except annotary.Unavailable as error: print(error)
"""


def test_read_only_store(tmp_path: Path) -> None:
    """One may read what one may not write."""
    if os.getuid() == 0 and shutil.which("setpriv") is None:
        pytest.skip("root is not bound by file permissions, and setpriv is not installed")
    store = tmp_path / "store"
    with annotary.Client(store) as client:
        client.port.load([row()], format="labelbox-v2")
    for path in (store, *store.iterdir()):
        path.chmod(0o555 if path.is_dir() else 0o444)
    done = without_privileges(READ_ONLY, str(store))
    assert done.returncode == 0, done.stderr
    count, message = done.stdout.splitlines()
    assert count == "1"
    assert "is read-only" in message
    store.chmod(0o755)


FULL = """
import annotary, resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
client = annotary.Client(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
row = {"data_row": {"row_data": "x" * 4000}, "projects": {"p": {"name": "p"}}}
rows = [{**row, "data_row": {"id": str(n), "row_data": "x" * 4000}} for n in range(1000)]
try: client.port.load(rows, format="labelbox-v2")
except annotary.Unavailable as error: print(error)
print(len(client.get_projects()))
"""


def test_no_space_for_the_store(tmp_path: Path) -> None:
    """A limit on file sizes stands for a full disk: SQLite meets it at the same place."""
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path / "store")], capture_output=True, text=True, check=True
    )
    message, count = done.stdout.splitlines()
    assert "the store" in message
    assert count == "0"


def test_no_space_for_an_export(tmp_path: Path) -> None:
    from annotary.engine.sinks import to_file

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(annotary.Unavailable, match="cannot be written"):
            to_file((b"x" * 700 for _ in range(3)), tmp_path / "out.ndjson")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert list(tmp_path.iterdir()) == []
