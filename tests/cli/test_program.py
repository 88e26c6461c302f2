"""The program itself: exit statuses, signals, streams, a quick start."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from annotary import __version__, errors
from annotary.sample.workload import workload
from annotary.store.migrations import HEAD
from tests.cli.conftest import PROJECT, SCRIPT, document, done, refused, typed

COMMANDS = (
    *("demo", "import", "export", "show", "projects", "datasets", "models", "tasks"),
    *("snapshot", "snapshots", "formats", "check", "migrate"),
    *(("keys", "create"), ("keys", "list"), ("keys", "revoke"), ("orgs", "create"), ("orgs", "list")),
)


def run(*words: str | Path, **settings: object) -> subprocess.CompletedProcess[str]:
    """The installed script."""
    return subprocess.run(
        [SCRIPT, *words],
        capture_output=True,
        text=True,
        timeout=60,
        **settings,  # type: ignore[call-overload]
    )


@pytest.mark.parametrize("command", COMMANDS, ids=str)
def test_every_command_has_help_with_the_global_options(command: str | tuple[str, ...]) -> None:
    said = done(*((command,) if isinstance(command, str) else command), "--help")
    assert all(option in said for option in ("--at", "--json", "--quiet", "--org"))


def test_the_script_tells_its_version() -> None:
    assert run("--version").stdout == f"annotary {__version__}\n"


@pytest.mark.parametrize("words", [["--version"], ["--help"], ["projects", "--help"]])
def test_it_starts_without_what_is_heavy(words: list[str]) -> None:
    code = (
        "import sys\n"
        "from annotary.cli import app\n"
        f"app({words!r}, prog_name='annotary', standalone_mode=False)\n"
        "heavy = {'sqlalchemy', 'numpy', 'alembic', 'PIL', 'annotary.engine'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)\n"
    )
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert made.returncode == 0, made.stderr


def test_without_a_command_it_shows_its_help() -> None:
    result = typed()
    assert result.exit_code == 2
    assert "export" in result.output


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("exprt",), "no such command 'exprt'. Did you mean 'export'?"),
        (("--verbose", "projects"), "no such option: --verbose"),
        (("projects", "--at"), "--at"),
        (("show",), "missing argument 'PROJECT'"),
        (("snapshot", "one"), "missing argument 'NAME'"),
        (("projects", "extra"), "extra"),
    ],
)
def test_wrong_usage(words: tuple[str, ...], reason: str) -> None:
    assert reason in refused(*words, status=2)


def test_global_options_stand_before_or_after(demo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = document("--at", demo, "projects")
    assert json.loads(done("--json", "projects", "--at", demo)) == expected
    assert json.loads(done("--json", "--at", demo, "projects", "--org", "default", "--quiet")) == expected
    monkeypatch.setenv("ANNOTARY_AT", str(demo))
    assert document("projects") == expected
    assert document("projects", "--at", "elsewhere") == []
    assert document("--at", "elsewhere", "projects") == []
    # What stands nearer to the command is what was meant.
    assert document("--at", "elsewhere", "projects", "--at", demo) == expected


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("file", "the store file cannot be made"),
        ("file/below", "cannot be made"),
        ("http://127.0.0.1:1", "cannot be reached"),
        ("mysql://host/db", "not a store: 'mysql://host/db'"),
    ],
)
def test_a_target_that_is_no_store(place: str, reason: str) -> None:
    Path("file").write_text("")
    assert reason in refused("--at", place, "projects")


def test_a_damaged_store_file(store: Path) -> None:
    (store / "annotary.db").write_bytes(b"This is not a database, whatever its name says." * 100)
    assert "not an annotary store" in refused("--at", store, "projects")


def test_a_password_is_not_shown() -> None:
    said = refused("--at", "postgresql://someone:secret@127.0.0.1:1/none", "projects")
    assert "secret" not in said and "127.0.0.1" in said


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_store(store: Path) -> None:
    for path in (*store.iterdir(), store):
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        assert "read-only" in refused("--at", store, "keys", "create", "ci")
    finally:
        store.chmod(0o755)


@pytest.mark.postgres
def test_every_command_works_on_postgresql(demo: Path, postgres_url: str) -> None:
    at = ("--at", postgres_url)
    result = typed(*at, "import", demo / "exports" / "project-export-v2.json")
    assert result.exit_code == 0
    done(*at, "export", PROJECT, "--all-details", "-o", "here.json")
    assert Path("here.json").read_bytes() == (demo / "exports" / "project-export-v2.json").read_bytes()
    shown, there = document(*at, "show", PROJECT), document("--at", demo, "show", PROJECT)
    assert [shown[name] for name in ("by_kind", "by_class", "by_status")] == [
        there[name] for name in ("by_kind", "by_class", "by_status")
    ]
    made = document(*at, "check")
    assert made["wrong"] == 0 and "database file" not in {one["name"] for one in made["checks"]}
    assert document(*at, "migrate")["schema"] == HEAD
    assert document(*at, "keys", "create", "ci")["role"] == "member"
    assert document(*at, "snapshot", PROJECT, "spring")["sequence"] == shown["sequence"]
    assert document(*at, "datasets")[0]["data_rows"] == 60
    assert document(*at, "models") == []
    assert [task["type"] for task in document(*at, "tasks")] == ["import"]


# -- how it ends -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (errors.Unavailable("the store x is locked"), 1, "the store x is locked"),
        (errors.Invalid("two\nlines"), 1, r"two\nlines"),
        (MemoryError(), 1, "out of memory; nothing was stored"),
        (RecursionError("maximum"), 1, "the input is nested too deeply; nothing was stored"),
        (OSError(28, "No space left on device", "/x"), 1, "/x: No space left on device"),
        (OSError("odd"), 1, "odd"),
        (KeyboardInterrupt(), 130, "interrupted; nothing was stored"),
        (UnicodeEncodeError("utf-8", "a\udce9", 1, 2, "why"), 1, r"'a\udce9' is not text"),
        (KeyError("oops"), 1, "unexpected KeyError: 'oops'; this is a bug"),
        (ZeroDivisionError(), 1, "unexpected ZeroDivisionError: no message; this is a bug"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_errors_get_a_status_and_one_line(
    error: BaseException, status: int, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*given: object, **more: object) -> None:
        raise error

    monkeypatch.setattr("annotary.client.Client.__init__", fail)
    assert refused("projects", status=status).startswith(line)


def test_a_traceback_is_there_for_the_asking(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*given: object, **more: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("annotary.client.Client.__init__", fail)
    monkeypatch.setenv("ANNOTARY_TRACEBACK", "1")
    result = typed("projects")
    assert result.exit_code == 1 and "Traceback" in result.stderr


@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])
def test_a_reader_that_has_enough(demo: Path, unbuffered: str) -> None:
    writer = subprocess.Popen(
        [SCRIPT, "--at", demo, "export", PROJECT, "--all-details"],  # more than a pipe holds
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert writer.stdout is not None and writer.stderr is not None
    writer.stdout.read(10)
    writer.stdout.close()
    said = writer.stderr.read()
    writer.stderr.close()
    assert (writer.wait(timeout=60), said) == (141, b"")


def test_names_beyond_the_terminals_encoding(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"data_row": {"id": "row-1", "row_data": "https://example.org/1.png"}}')
    done("import", "a.json", "--project", "Straße 🚗")
    made = run("projects", env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert (made.returncode, made.stderr) == (0, "")
    assert r"Stra\xdfe" in made.stdout


# -- interrupted -------------------------------------------------------------------------------------

ROWS = 10_000


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that takes a while to import."""
    file = tmp_path_factory.mktemp("many") / "many.ndjson"
    with file.open("wb") as out:
        out.writelines(workload(ROWS))
    return file


@pytest.fixture(scope="module")
def many_stored(many: Path) -> Path:
    """A store that takes a while to export."""
    done("--at", many.with_name("store"), "import", many)
    return many.with_name("store")


def interrupted(number: int, ready: Callable[[], bool], *words: str | Path) -> tuple[int, str, str]:
    """Status, output and complaints of a command that is sent a signal as soon as it is ready for it."""
    # A signal that a background job ignores stays ignored; here it is as at a prompt.
    with subprocess.Popen(
        [SCRIPT, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        for _ in range(3000):
            if ready() or process.poll() is not None:
                break
            time.sleep(0.01)
        process.send_signal(number)
        output, complaints = process.communicate(timeout=60)
        return process.returncode, output, complaints


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_an_interrupted_import_stores_nothing(number: signal.Signals, many: Path, tmp_path: Path) -> None:
    def ready() -> bool:
        log = tmp_path / "store" / "annotary.db-wal"
        return log.exists() and log.stat().st_size > 1_000_000

    made = interrupted(number, ready, "--at", "store", "import", many)
    assert made == (130, "", "annotary: interrupted; nothing was stored\n")
    assert document("--at", "store", "projects") == []
    assert document("--at", "store", "check")["wrong"] == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_an_interrupted_export_leaves_no_file(
    number: signal.Signals, many_stored: Path, tmp_path: Path
) -> None:
    def ready() -> bool:
        return any(tmp_path.glob(".out.json.gz.*.part"))

    made = interrupted(
        number, ready, "--at", many_stored, "export", "Workload", "--all-details", "-o", "out.json.gz"
    )
    assert made == (130, "", "annotary: interrupted; no file was written\n")
    assert list(tmp_path.iterdir()) == []


def test_an_ignored_signal_stays_ignored(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys\n"
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "from annotary.cli.session import polite_signals\n"
        "with polite_signals():\n"
        "    os.kill(os.getpid(), signal.SIGHUP)\n"
        "    assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL\n"
        "assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
