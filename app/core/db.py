"""The database: one declarative base, one session, and the only caller of commit."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from decimal import Decimal
from typing import Annotated, Any, NamedTuple, TypeVar, cast
from uuid import UUID

import sqlalchemy as sa
import structlog
from flask_sqlalchemy import SQLAlchemy
from flask_sqlalchemy.session import Session as FlaskSession
from sqlalchemy import event
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from app.core.clock import now
from app.core.errors import NotFound, Stale
from app.core.ids import new_id

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

Amount = Annotated[Decimal, mapped_column(sa.Numeric(18, 4))]
Rate = Annotated[Decimal, mapped_column(sa.Numeric(18, 6))]
Currency = Annotated[str, mapped_column(sa.CHAR(3))]


class Seconds(sa.types.TypeDecorator[dt.timedelta]):
    """A duration: whole seconds in the database, timedelta in Python."""

    impl = sa.Integer
    cache_ok = True

    def process_bind_param(self, value: dt.timedelta | None, dialect: Any) -> int | None:
        return None if value is None else round(value.total_seconds())

    def process_result_value(self, value: int | None, dialect: Any) -> dt.timedelta | None:
        return None if value is None else dt.timedelta(seconds=value)


class Base(DeclarativeBase):
    """All tables; a status is a StrEnum stored by value and checked by the database."""

    metadata = sa.MetaData(naming_convention=NAMING)
    type_annotation_map = {
        str: sa.Text(),
        dt.datetime: sa.DateTime(timezone=True),
        dt.timedelta: Seconds(),
        Decimal: sa.Numeric(18, 4),
        dict[str, Any]: JSONB(),
        list[str]: JSONB(),
        list[dict[str, Any]]: JSONB(),
        bytes: sa.LargeBinary(),
        enum.Enum: sa.Enum(
            enum.Enum,
            native_enum=False,
            length=40,
            create_constraint=True,
            values_callable=lambda members: [member.value for member in members],
        ),
    }


class HasId:
    """A row with a URL: its id is made in Python, by the form that creates it when there is one."""

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id, sort_order=-10)


class HasVersion:
    """A row that people edit: `version` travels in the form and a stale one is refused."""

    version: Mapped[int] = mapped_column(default=1, server_default="1", sort_order=90)
    created_at: Mapped[dt.datetime] = mapped_column(default=now, server_default=sa.func.now(), sort_order=91)
    updated_at: Mapped[dt.datetime] = mapped_column(
        default=now, onupdate=now, server_default=sa.func.now(), sort_order=92
    )


class MadeOnce(HasId):
    """A row that a form makes, whose id the form carried: `made_from` is a digest of what the form said, so that the
    same id with other facts is a conflict and not a silent answer (`core.once`). Null: not made by a form, or long ago.
    """

    made_from: Mapped[UUID | None] = mapped_column(default=None, deferred=True, sort_order=93)


class Visitor(NamedTuple):
    """Who is at the portal's door, by the digest of their session's token: the database asks it, whatever we say.

    `idle`: how long a session may go unseen.
    """

    token_hash: bytes
    idle: dt.timedelta


Served = Callable[[Any, Any], Any]
log = structlog.get_logger()
_door: ContextVar[str] = ContextVar("door", default="app")
_visitor: ContextVar[Visitor | None] = ContextVar("visitor", default=None)


class HouseSession(FlaskSession):
    """Sends a portal request through the portal's own pool; everything else through the app's."""

    def get_bind(self, mapper: Any = None, clause: Any = None, bind: Any = None, **kwargs: Any) -> Any:
        engines = db.engines
        if _door.get() == "portal" and "portal" in engines:
            return engines["portal"]
        return engines[None]

    def close(self) -> None:
        """Also when the database behind it has died: there is nothing to roll back, and whoever ends goes on ending."""
        try:
            super().close()
        except sa.exc.DBAPIError as error:
            log.warning("session.lost", error=str(error.orig))


db = SQLAlchemy(
    metadata=Base.metadata,
    session_options={"class_": HouseSession, "autoflush": True, "expire_on_commit": False},
)


@contextmanager
def portal_door(visitor: Visitor | None = None) -> Iterator[None]:
    """Inside: connections of the portal's role; each transaction begins with what the visitor may reach."""
    door, visiting = _door.set("portal"), _visitor.set(visitor)
    try:
        yield
    finally:
        _visitor.reset(visiting)
        _door.reset(door)


def each_at_its_own_door(serve: Served) -> Served:
    """A request begins at the firm's door, as nobody, and so is its thread left, whatever happened in between."""

    def served(environ: Any, start_response: Any) -> Any:
        door, visiting = _door.set("app"), _visitor.set(None)
        try:
            return serve(environ, start_response)
        finally:
            _visitor.reset(visiting)
            _door.reset(door)

    return served


def enter_portal_door() -> Callable[[], None]:
    """The same for a request's life, by somebody not yet known; call what it returns at teardown."""
    context = portal_door()
    context.__enter__()

    def leave() -> None:
        context.__exit__(None, None, None)

    return leave


def set_visitor(visitor: Visitor) -> None:
    """Who it is, for the transactions that follow in this request."""
    _visitor.set(visitor)


@event.listens_for(HouseSession, "after_begin")
def _begin_at_portal(session: Session, _transaction: Any, connection: sa.Connection) -> None:
    if _door.get() != "portal":
        return
    role = session_role()
    if role:
        connection.exec_driver_sql(f'SET LOCAL ROLE "{role}"')
    if (visitor := _visitor.get()) is not None:
        at = now()
        connection.exec_driver_sql(
            "SELECT FROM portal_visit(%s, %s, %s)", (visitor.token_hash, at, at - visitor.idle)
        )


def session_role() -> str:
    """The role that stands in when the portal has no login of its own; empty when it has one."""
    from flask import current_app

    return str(current_app.config.get("PORTAL_STAND_IN_ROLE") or "")


# Around each block of `transaction()`: tests follow with it which locks a piece of work takes.
watch_block: Callable[[], AbstractContextManager[object]] = nullcontext
Hook = Callable[[], None]
Writer = Callable[[list[Any]], None]


@contextmanager
def transaction() -> Iterator[Session]:
    """One unit of work: commits at the end of the outermost block, rolls back on any error.

    A nested block is a savepoint, so a refused inner command undoes only its own. Hooks registered with
    `on_commit` run after the outermost commit, in order; those of a rolled-back block are dropped, and so is
    what it handed to `at_commit`.
    """
    with watch_block():
        yield from _block()


def _block() -> Iterator[Session]:
    session = cast(Session, db.session())
    state = session.info
    hooks: list[Hook] = state.setdefault("hooks", [])
    handed: list[tuple[Writer, Any]] = state.setdefault("handed", [])
    mark, first = len(hooks), len(handed)
    if state.get("depth", 0):
        state["depth"] += 1
        try:
            if state.get("in_one_piece"):
                yield session
            else:
                with session.begin_nested():
                    yield session
        except BaseException:
            del hooks[mark:]
            del handed[first:]
            state["broken"] = True
            raise
        finally:
            state["depth"] -= 1
        return
    state["depth"] = 1
    try:
        yield session
        session.flush()
        _write_handed(handed)
        session.commit()
    except BaseException:
        session.rollback()
        hooks.clear()
        handed.clear()
        raise
    finally:
        state["depth"] = 0
    ready, state["hooks"] = hooks, []
    for hook in ready:
        hook()


@contextmanager
def in_one_piece() -> Iterator[Session]:
    """A transaction whose inner blocks are no savepoints: quicker for long work that stops at its first error.

    An error that passed through an inner block undoes everything, even if the caller caught it.
    """
    with transaction() as session:
        session.info.update(in_one_piece=True, broken=False)
        try:
            yield session
            if session.info["broken"]:
                raise RuntimeError("An inner block failed; in one piece nothing of it can stay.")
        finally:
            session.info["in_one_piece"] = False


def _write_handed(handed: list[tuple[Writer, Any]]) -> None:
    rows: dict[Writer, list[Any]] = {}
    for write, row in handed:
        rows.setdefault(write, []).append(row)
    handed.clear()
    for write, its in rows.items():
        write(its)


def at_commit(write: Writer, row: Any) -> None:
    """Hand over a row that `write` gets with all others of this transaction right before it commits, in order."""
    state = db.session().info
    if not state.get("depth"):
        raise RuntimeError("at_commit is called inside a transaction only.")
    state["handed"].append((write, row))


def on_commit(hook: Hook) -> None:
    """Run after the outermost commit. Only legal inside a transaction()."""
    state = db.session().info
    if not state.get("depth"):
        raise RuntimeError("on_commit is called inside a transaction only.")
    state["hooks"].append(hook)


def rows_in_one(statement: sa.Select[*tuple[Any, ...]]) -> sa.ScalarSelect[list[dict[str, Any]]]:
    """The rows of a small select as one JSON value, so that a page asks several questions at once.

    What comes back are plain JSON values: ids and dates as text, amounts as numbers.
    """
    rows = statement.subquery()
    drawn = sa.func.json_agg(sa.func.row_to_json(rows.table_valued()), type_=sa.JSON())
    return sa.select(sa.func.coalesce(drawn, sa.text("'[]'::json"))).select_from(rows).scalar_subquery()


def ids_given(name: str) -> sa.BindParameter[Any]:
    """A parameter that holds any number of ids, for a statement that is made once and kept."""
    return sa.bindparam(name, type_=ARRAY(sa.Uuid()))


def among(column: Any, ids: Any) -> sa.ColumnElement[bool]:
    """Whether a column is one of these ids, or of the ids that a parameter or an array of the database holds."""
    found: sa.ColumnElement[bool] = column == sa.any_(ids) if isinstance(ids, sa.ColumnElement) else column.in_([*ids])
    return found


Row = TypeVar("Row")


def get_or_404(statement: sa.Select[Row], values: dict[str, Any] | None = None) -> Row:
    """The one row of a select, or NotFound: the same answer for what is not there and what may not be seen."""
    row = db.session.execute(statement, values).unique().scalar_one_or_none()
    if row is None:
        raise NotFound()
    return row


def check_version(row: HasVersion, version: int | None) -> None:
    """Refuse an edit of a row that changed since its form was opened, and count the version up."""
    if version is not None and row.version != version:
        raise Stale(
            "Somebody else changed this while you were editing. Your text is still here; look at theirs and save again."
        )
    row.version += 1
