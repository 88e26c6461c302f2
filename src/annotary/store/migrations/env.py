"""Alembic's entry: migrations run on the connection that `annotary migrate` has opened."""

from __future__ import annotations

from alembic import context

from annotary.store.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
