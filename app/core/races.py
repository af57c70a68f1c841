"""Two at the same moment: whoever comes second is asked once more, and then finds what the first one made."""

from __future__ import annotations

import psycopg.errors as pg
import structlog
from flask import Flask, current_app, g, request
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionFree
from sqlalchemy.orm.exc import ObjectDeletedError, StaleDataError

from app.core.again import RACES
from app.core.db import db
from app.core.web import Answer, broken, error_page

log = structlog.get_logger()
# A rule that looks at other rows (an open month) may have been kept when the request began.
_PERHAPS = (*RACES, pg.CheckViolation)
_AWAY = (pg.ConnectionException, pg.AdminShutdown, pg.CrashShutdown, pg.CannotConnectNow, pg.TooManyConnections)


def _again(error: Exception) -> Answer:
    """The same view once more, in a new transaction: it sees what the other one has committed, and says so itself."""
    first = not g.get("ran_again")
    if _is_away(error):
        return _unreachable(error)
    if not _is_one(error, _PERHAPS if first else RACES):
        return broken(error)
    db.session.rollback()
    log.warning("request.collided", endpoint=request.endpoint, again=first, error=type(error).__name__)
    if not first:
        return error_page(
            409, "Somebody changed the same thing at that moment, so nothing was saved. Look again, then try once more."
        )
    g.ran_again = True
    for upload in request.files.values():
        upload.stream.seek(0)
    view = current_app.view_functions[request.endpoint or ""]
    try:
        return current_app.ensure_sync(view)(**(request.view_args or {}))  # type: ignore[no-any-return]
    except Exception as second:
        return current_app.handle_user_exception(second)  # type: ignore[return-value]


def _unreachable(error: Exception) -> Answer:
    """The database is starting, stopping or at its limit: it will be back before long.

    Where it went while it was saving, nobody can tell yet whether that was saved; a form sent again finds out.
    """
    log.error("database.unreachable", endpoint=request.endpoint, error=type(error).__name__)
    said = "The firm's data cannot be reached just now."
    if request.method not in ("GET", "HEAD"):
        said += " It is not certain whether this was saved; sent again, it is not saved twice."
    return error_page(503, f"{said} Try again in a moment.", Retry_After="5")


def _is_away(error: Exception) -> bool:
    """Whether there was no talking to the database at all: it names no state, or one of those."""
    if not isinstance(error, OperationalError):
        return False
    return isinstance(error.orig, _AWAY) or getattr(error.orig, "sqlstate", None) is None


def _is_one(error: Exception, kinds: tuple[type[Exception], ...]) -> bool:
    return not isinstance(error, DBAPIError) or isinstance(error.orig, kinds)


def init_app(app: Flask) -> None:
    for kind in (IntegrityError, OperationalError, StaleDataError, ObjectDeletedError):
        app.register_error_handler(kind, _again)
    app.register_error_handler(NoConnectionFree, _unreachable)
