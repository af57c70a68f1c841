"""Connections to the database that keep what they have prepared."""

from __future__ import annotations

from typing import Any

import psycopg
import sqlalchemy as sa
from psycopg.pq import ExecStatus, TransactionStatus
from sqlalchemy import event


class PreparedConnection(psycopg.Connection[Any]):
    """Rolls back without forgetting its prepared statements.

    The driver forgets them all, since what a rolled-back transaction had created may be gone. Nothing is created on
    these connections, and everything that only reads ends with a rollback: each page was parsed and planned anew.
    """

    def rollback(self) -> None:
        """Where the transaction has failed, or anything else is the matter, as the driver does."""
        if self.info.transaction_status is not TransactionStatus.INTRANS:
            super().rollback()
            return
        result = self.pgconn.exec_(b"ROLLBACK")
        if result.status != ExecStatus.COMMAND_OK:
            raise psycopg.OperationalError(f"The transaction could not be rolled back: {result.get_error_message()}")


def keep_prepared(engine: sa.Engine) -> None:
    """Let an engine open such connections."""

    def connect(_dialect: Any, _record: Any, args: Any, options: Any) -> PreparedConnection:
        return PreparedConnection.connect(*args, **options)

    event.listen(engine, "do_connect", connect)
