"""A PostgreSQL server of one's own: in a temporary folder, on loopback, gone with the process that asked.

Tests reach it through the fixtures of `conftest.py`, benchmarks through `temporary_postgres()`. In a shell,
`python tests/_postgres.py --find` tells by its exit status whether this machine can start one.

The server is watched by a *keeper*, which is this file run as a program: it starts the server, prints its
URL, and stops and deletes it when it is told to or when its owner is no more. So a killed run leaves nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import glob
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

HOST = "127.0.0.1"
ROLE = "annotary"
START_SECONDS = 60.0
STOP_SECONDS = 10.0
USUAL_PLACES = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/local/pgsql/bin",
    "/usr/local/opt/postgresql*/bin",
    "/opt/homebrew/opt/postgresql*/bin",
)
NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}

_shared_keepers: list[subprocess.Popen[str]] = []  # held, since a Popen let go while it runs warns


class Unavailable(Exception):
    """This machine cannot run a PostgreSQL server; the message says why."""


# -- for those who want a server -------------------------------------------------------------------


@dataclass(frozen=True)
class Own:
    """A server that may be stopped and started again: the URL of its maintenance database, and its keeper."""

    url: str
    keeper: subprocess.Popen[str]

    def stop(self) -> None:
        """Stop it at once, as a crash would; what it holds stays."""
        self.keeper.send_signal(signal.SIGUSR1)
        self._wait(answers=False)

    def start(self) -> None:
        """Start it again at the same address; it answers when this returns."""
        self.keeper.send_signal(signal.SIGUSR2)
        self._wait(answers=True)

    def _wait(self, *, answers: bool) -> None:
        import psycopg

        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            there = False
            with contextlib.suppress(psycopg.OperationalError):
                psycopg.connect(self.url, connect_timeout=5).close()
                there = True
            if there == answers:
                return
            time.sleep(0.05)
        raise RuntimeError(f"PostgreSQL at {self.url} was to {'start' if answers else 'stop'}, and did not")


@contextlib.contextmanager
def own_postgres(
    *, fsync: bool = False, locale: str = "", settings: Mapping[str, str] | None = None, host: str = HOST
) -> Iterator[Own]:
    """Run a server for the time of a `with` block; anybody who reaches `host` is let in.

    Text sorts by code point, or as in a dictionary if `locale` names an ICU locale such as `en` and the
    server knows ICU. `settings` are given to the server as they are.
    """
    settings = ({} if fsync else NOT_DURABLE) | dict(settings or {})
    keeper, url = _start_keeper(owner=os.getpid(), locale=locale, settings=settings, host=host)
    try:
        yield Own(url, keeper)
    finally:
        keeper.terminate()
        keeper.wait(2 * STOP_SECONDS)


@contextlib.contextmanager
def temporary_postgres(
    *, fsync: bool = False, locale: str = "", settings: Mapping[str, str] | None = None
) -> Iterator[str]:
    """The same, where its URL is all that is wanted."""
    with own_postgres(fsync=fsync, locale=locale, settings=settings) as own:
        yield own.url


def shared_postgres(folder: Path, *, owner: int) -> str:
    """The URL of the one server of all processes that name the same `folder`; the first to ask starts it.

    It stops by itself soon after process `owner` has ended. Text sorts as in a dictionary if possible, since
    many a real server is set up so: what relies on the order of code points has to ask for it.
    """
    import fcntl

    noted = folder / "postgres.url"
    with (folder / "postgres.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not noted.exists():
            keeper, url = _start_keeper(owner=owner, locale="en", settings=NOT_DURABLE)
            _shared_keepers.append(keeper)
            noted.write_text(url)
    return noted.read_text()


@contextlib.contextmanager
def temporary_database(server_url: str) -> Iterator[str]:
    """Create an empty database for the time of a `with` block; its value is the database's URL."""
    import psycopg
    from psycopg.sql import SQL, Identifier

    name = f"annotary_{uuid4().hex[:16]}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(SQL("CREATE DATABASE {} TEMPLATE template0").format(Identifier(name)))
        try:
            yield urlsplit(server_url)._replace(path=f"/{name}").geturl()
        finally:
            connection.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))


# -- what is on this machine -----------------------------------------------------------------------


@dataclass(frozen=True)
class Account:
    """Whom the server runs as."""

    uid: int
    gid: int

    @property
    def is_ours(self) -> bool:
        return self.uid == os.geteuid()

    @property
    def popen_options(self) -> dict[str, Any]:
        return {} if self.is_ours else {"user": self.uid, "group": self.gid, "extra_groups": []}


def find_programs() -> Path:
    """The folder of `initdb` and `postgres`: the one on PATH, else the newest in the usual places."""
    if os.name != "posix":
        raise Unavailable("a temporary PostgreSQL server is only started on Linux, BSD and macOS")
    on_path = shutil.which("initdb")
    folders = [Path(on_path).resolve().parent] if on_path else []
    installed = [Path(name) for pattern in USUAL_PLACES for name in glob.glob(pattern)]
    folders += sorted(installed, key=_version_in, reverse=True)
    for folder in folders:
        if all(os.access(folder / program, os.X_OK) for program in ("initdb", "postgres")):
            return folder
    raise Unavailable("PostgreSQL is not installed: no initdb on PATH nor in the usual places")


def find_account() -> Account:
    """Ourselves; if we are root, as whom PostgreSQL refuses to run, an account without rights."""
    import pwd

    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid())
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Account(entry.pw_uid, entry.pw_gid)
    raise Unavailable("PostgreSQL refuses to run as root, and there is no account 'postgres' or 'nobody'")


def _version_in(folder: Path) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", str(folder))]


# -- one server ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cluster:
    """The folder of a server, and what is done with it."""

    programs: Path
    account: Account
    folder: Path
    host: str = HOST

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def log(self) -> Path:
        return self.folder / "log.txt"

    def create(self, locale: str) -> None:
        """Make the data folder, with the ICU locale if there is one by that name."""
        plain = ["--pgdata", str(self.data), "--username", ROLE, "--auth", "trust", "--encoding", "UTF8"]
        plain += ["--locale", "C", "--no-sync"]
        attempts = [plain]
        if locale:
            attempts.insert(0, [*plain, "--locale-provider", "icu", "--icu-locale", locale])
        for arguments in attempts:
            initdb = self._start("initdb", arguments)
            if initdb.wait() == 0:
                (self.data / "pg_hba.conf").write_text("local all all trust\nhost all all samenet trust\n")
                return
        raise RuntimeError(f"initdb failed:\n{self.log.read_text()}")

    @contextlib.contextmanager
    def running(
        self, settings: Mapping[str, str], port: int | None = None
    ) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
        """The server as a process, accepting connections at a URL: on a port, or on any that is free."""
        for _ in range(5):
            port = port or _free_port(self.host)
            server = self._start("postgres", self._server_arguments(port, settings))
            try:
                if self._is_ready(server):
                    yield server, f"postgresql://{ROLE}@{self.host}:{port}/postgres"
                    return
            finally:
                _stop(server)
            port = None
            if "could not bind" not in self.log.read_text():
                break
        raise RuntimeError(f"PostgreSQL did not start:\n{self.log.read_text()}")

    def _server_arguments(self, port: int, settings: Mapping[str, str]) -> list[str]:
        own = {"listen_addresses": self.host, "port": str(port), "unix_socket_directories": str(self.folder)}
        options = [f"--{name}={value}" for name, value in (own | dict(settings)).items()]
        return ["-D", str(self.data), *options]

    def _start(self, program: str, arguments: list[str]) -> subprocess.Popen[bytes]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        environment |= {"LC_ALL": "C", "HOME": str(self.folder)}
        command = [str(self.programs / program), *arguments]
        with self.log.open("ab") as log:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env=environment,
                **self.account.popen_options,
            )

    def _is_ready(self, server: subprocess.Popen[bytes]) -> bool:
        """Wait for the word in the server's own status file."""
        status = self.data / "postmaster.pid"
        deadline = time.monotonic() + START_SECONDS
        while server.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(FileNotFoundError):
                if status.read_text().split()[-1:] == ["ready"]:
                    return True
            time.sleep(0.02)
        return False


def _free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def _stop(server: subprocess.Popen[bytes]) -> None:
    server.send_signal(signal.SIGQUIT)  # at once and without a checkpoint: the data is deleted anyway
    try:
        server.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


@contextlib.contextmanager
def _folder_for(account: Account) -> Iterator[Path]:
    """A temporary folder of the account's own, in a place that it can reach."""
    for place in (tempfile.gettempdir(), "/tmp", "/var/tmp"):
        path = Path(place).resolve()
        if account.is_ours or all(step.stat().st_mode & 0o001 for step in (path, *path.parents)):
            break
    else:
        raise Unavailable("no temporary folder that PostgreSQL's account can reach")
    folder = Path(tempfile.mkdtemp(prefix="annotary-postgres-", dir=path))
    try:
        if not account.is_ours:
            os.chown(folder, account.uid, account.gid)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


# -- the keeper ------------------------------------------------------------------------------------


def _start_keeper(
    *, owner: int, locale: str, settings: Mapping[str, str], host: str = HOST
) -> tuple[subprocess.Popen[str], str]:
    find_programs()  # what is missing is told here, not in another process
    find_account()
    command = [sys.executable, str(Path(__file__).resolve()), "--owner", str(owner)]
    command += [f"--locale={locale}", f"--host={host}"]
    command += [f"--set={name}={value}" for name, value in settings.items()]
    keeper = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # an interrupt at the terminal is for the owner
    )
    assert keeper.stdout is not None
    with keeper.stdout as output:
        said = output.readline()
        if said.startswith("postgresql://"):
            return keeper, said.strip()
        said += output.read()
    keeper.wait()
    kind, _, reason = said.partition(": ")
    raise Unavailable(reason.strip()) if kind == "unavailable" else RuntimeError(said)


def _keep(owner: int, locale: str, host: str, settings: Mapping[str, str]) -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    wanted = [True]
    for number, value in ((signal.SIGUSR1, False), (signal.SIGUSR2, True)):
        signal.signal(number, lambda *_, value=value: wanted.__setitem__(0, value))
    account = find_account()
    with _folder_for(account) as folder:
        cluster = Cluster(find_programs(), account, folder, host)
        try:
            cluster.create(locale)
        except PermissionError as error:
            raise Unavailable(f"cannot run initdb as user {account.uid}: {error}") from error
        port = None
        while _is_alive(owner):
            with cluster.running(settings, port) as (server, url):
                if port is None:
                    print(url, flush=True)
                    port = urlsplit(url).port
                while _is_alive(owner) and wanted[0]:
                    if server.poll() is not None:
                        return
                    time.sleep(0.1)
            while _is_alive(owner) and not wanted[0]:
                time.sleep(0.1)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except OSError:
        return False
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description="Keep a temporary PostgreSQL server for another process.")
    parser.add_argument("--find", action="store_true", help="only tell whether a server could be started")
    parser.add_argument("--owner", type=int, metavar="PID", help="the process to keep it for")
    parser.add_argument("--host", default=HOST, help="where it listens")
    parser.add_argument("--locale", default="", help="ICU locale; without it text sorts by code point")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a server setting")
    given = parser.parse_args()
    try:
        if given.find:
            find_account()
            print(find_programs())
        else:
            _keep(given.owner, given.locale, given.host, dict(pair.split("=", 1) for pair in given.set))
    except Unavailable as error:
        sys.exit(f"unavailable: {error}")


if __name__ == "__main__":
    main()
