"""Time entries and expenses seen as one: what a bill is made of."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from uuid import UUID

import sqlalchemy as sa

from app.clients.policy import within_sight
from app.core.actors import Actor
from app.core.db import db
from app.timekeeping.commands.wip import Item
from app.timekeeping.models import Expense, ItemState, TimeEntry

TABLES: tuple[type[TimeEntry] | type[Expense], ...] = (TimeEntry, Expense)


def kind_of(item: Item) -> str:
    return item.__tablename__


def open_items(
    engagement_ids: Iterable[UUID],
    until: dt.date,
    *,
    seen_by: Actor,
    states: Sequence[ItemState] = (ItemState.OPEN,),
    lock: bool = False,
) -> list[Item]:
    """Billable, unbilled entries and expenses worked up to and including a day, oldest first."""
    found: list[Item] = []
    ids = list(engagement_ids)
    for table in TABLES:
        statement = (
            sa.select(table)
            .where(
                table.engagement_id.in_(ids),
                table.worked_on <= until,
                table.state.in_(states),
                table.billable,
                table.deleted_at.is_(None),
                *within_sight(seen_by, table.client_id, table.engagement_id),
            )
            .order_by(table.worked_on, table.id)
        )
        if lock:
            statement = statement.with_for_update().execution_options(populate_existing=True)
        found += db.session.scalars(statement).all()
    return found


def items_by_id(ids: Iterable[UUID], *, seen_by: Actor, lock: bool = False) -> dict[UUID, Item]:
    """The items with these ids that may be seen, locked in the order of their ids when asked."""
    wanted = sorted(set(ids))
    found: dict[UUID, Item] = {}
    if not wanted:
        return found
    for table in TABLES:
        statement = (
            sa.select(table)
            .where(table.id.in_(wanted), *within_sight(seen_by, table.client_id, table.engagement_id))
            .order_by(table.id)
        )
        if lock:
            statement = statement.with_for_update().execution_options(populate_existing=True)
        found |= {item.id: item for item in db.session.scalars(statement)}
    return found


def set_items(ids: Iterable[UUID], **values: object) -> None:
    """Set columns on many items in one statement per table."""
    wanted = list(ids)
    if not wanted:
        return
    for table in TABLES:
        db.session.execute(
            sa.update(table)
            .where(table.id.in_(wanted))
            .values(**values, version=table.version + 1)
            .execution_options(synchronize_session="fetch")
        )
