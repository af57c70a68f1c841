"""Connections to the database that keep what they have prepared."""

from __future__ import annotations

from typing import Any

import psycopg
import sqlalchemy as sa
from psycopg import _queries as psycopg_queries
from psycopg.pq import ExecStatus, TransactionStatus
from sqlalchemy import event

# The driver reads the placeholders of a statement anew at each use when its text is longer than 4,096 characters; ours
# are made once and kept, however long. Why: 0.1 ms for each of the longest, which a draft and each posting ask.
psycopg_queries.MAX_CACHED_STATEMENT_LENGTH = 32_768


class NamingCursor(psycopg.Cursor[Any]):
    """Describes its columns by the seven plain values of the DB-API, of which name and type are all that is read.

    Why: the driver's own objects cost a page of 150 columns 0.5 ms of its 12.
    """

    @property
    def description(self) -> Any:
        result = self.pgresult
        if result is None or result.status not in (ExecStatus.TUPLES_OK, ExecStatus.TUPLES_CHUNK):
            return None
        return [(_name_of(result, i), result.ftype(i), *NOTHING_MORE) for i in range(result.nfields)]


NOTHING_MORE = (None,) * 5


def _name_of(result: Any, column: int) -> str:
    return str(result.fname(column), "utf-8")


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
        return PreparedConnection.connect(*args, **{**options, "cursor_factory": NamingCursor})

    event.listen(engine, "do_connect", connect)
