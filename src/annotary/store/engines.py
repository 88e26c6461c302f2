"""SQLAlchemy's engines over the connections of our drivers."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import QueuePool

from annotary.store.drivers import READ_CACHE, WRITE_CACHE, Driver


def sqlite(driver: Driver) -> Engine:
    """The engine of a file."""
    engine = create_engine(
        "sqlite://", creator=driver.connect, poolclass=QueuePool, pool_size=4, max_overflow=16
    )

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes", True)
        driver: Any = connection.connection.driver_connection
        driver.execute(f"PRAGMA cache_size = {WRITE_CACHE if writes else READ_CACHE}")
        driver.execute("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def postgres(driver: Driver) -> Engine:
    """The engine of a PostgreSQL database."""
    return create_engine(
        "postgresql+psycopg://", creator=driver.connect, paramstyle="format", pool_pre_ping=True
    )
