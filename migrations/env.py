"""How alembic reaches the database: always through a connection that the program hands over."""

from __future__ import annotations

from typing import Any

from alembic import context

from app.activity.baseline import record_if_wanted
from app.core.db import Seconds
from app.models import metadata


def render_item(kind: str, item: Any, autogen_context: Any) -> str | bool:
    """Our own types by what they are in the database: a migration must not follow the code when it moves on."""
    if kind == "type" and isinstance(item, Seconds):
        return "sa.Integer()"
    return False


def run() -> None:
    connection = context.config.attributes["connection"]
    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_item=render_item,
        compare_type=True,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()
    at = context.get_context().get_current_heads()
    if at == (context.get_head_revision(),) and record_if_wanted(connection):
        connection.commit()


run()
