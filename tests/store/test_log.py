"""SQLite's write-ahead log stays small where one program writes and another reads without a pause."""

from __future__ import annotations

import threading
from contextlib import closing
from pathlib import Path

from annotary.store import Store
from annotary.store.database import Database

LINES = 64
LINE = 16_000
MANY = 160
"""So many transactions write 164 MB."""


def test_the_log_of_a_busy_store_is_started_anew(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    Store.open(folder).close()
    path = next(folder.glob("*.db"))
    ended = threading.Event()
    with closing(Database(path)) as writes, closing(Database(path)) as reads:
        with writes.transaction() as connection:
            connection.exec_driver_sql("CREATE TABLE filled (n INTEGER PRIMARY KEY, line TEXT)")

        def read() -> None:
            while not ended.is_set():
                with reads.raw() as cursor:
                    cursor.execute("SELECT line FROM filled ORDER BY n DESC LIMIT 500")
                    cursor.fetchall()

        # Of several there is always one that reads: the log is never without a reader by itself.
        readers = [threading.Thread(target=read) for _ in range(3)]
        for reader in readers:
            reader.start()
        log, largest = path.with_name(f"{path.name}-wal"), 0
        try:
            for _ in range(MANY):
                with writes.transaction() as connection:
                    lines = [("x" * LINE,)] * LINES
                    connection.exec_driver_sql("INSERT INTO filled (line) VALUES (?)", lines)
                largest = max(largest, log.stat().st_size)
        finally:
            ended.set()
            for reader in readers:
                reader.join()
        assert largest < 100_000_000
