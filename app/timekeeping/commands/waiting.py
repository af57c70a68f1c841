"""Valuing what waited for a rate, once it has come."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from app.activity.commands import record
from app.clients.models import Engagement
from app.core.actors import Actor
from app.core.db import db, transaction
from app.core.locking import to_lock
from app.core.permissions import authorize
from app.firm.models import Entity
from app.ledger.books import books_of_each
from app.ledger.models import ExchangeRate, TransactionKind
from app.people.models import Person
from app.timekeeping.commands.days import day_of, hold_days
from app.timekeeping.commands.expenses import value_expense
from app.timekeeping.commands.figures import topics_of
from app.timekeeping.commands.valuing import keep_rate, take_value
from app.timekeeping.commands.wip import hold_wip, move_wip, place_of
from app.timekeeping.models import Expense, Rate, TimeEntry
from app.timekeeping.policy import can_edit_rates
from app.timekeeping.rates import applies, rate_of_entry
from app.timekeeping.waiting import still_waiting

AT_ONCE = 200


def _exchanged(table: Any) -> sa.ColumnElement[bool]:
    """Whether an item's currency can be told in its entity's on its day."""
    return sa.or_(
        table.currency == Entity.currency,
        sa.exists().where(
            ExchangeRate.currency == table.currency,
            ExchangeRate.base == Entity.currency,
            ExchangeRate.from_on <= table.worked_on,
            ExchangeRate.withdrawn_at.is_(None),
        ),
    )


def _ready(table: Any, *conditions: sa.ColumnElement[bool]) -> sa.Select[Any]:
    return (
        sa.select(table)
        .join(Engagement, Engagement.id == table.engagement_id)
        .join(Entity, Entity.id == Engagement.entity_id)
        .join(Person, Person.id == table.person_id)
        .where(*still_waiting(table), _exchanged(table), *conditions)
        .order_by(table.id)
        .limit(AT_ONCE)
    )


_TIME = _ready(
    TimeEntry,
    sa.exists().where(
        applies(
            on=TimeEntry.worked_on, currency=TimeEntry.currency, person_id=TimeEntry.person_id, grade=Person.grade,
            work_role=TimeEntry.work_role, activity=TimeEntry.activity, client_id=TimeEntry.client_id,
            engagement_id=TimeEntry.engagement_id,
        )
    ).select_from(Rate),
)  # fmt: skip
_EXPENSES = _ready(Expense)


def value_waiting(*, by: Actor) -> bool:
    """Value what waits and need not any more: at most `AT_ONCE` entries and as many expenses, the oldest first.

    Each is posted as recorded on its day, or on the first that is open, and told of in the log. Answers whether there
    may be more.
    """
    authorize(by, can_edit_rates)
    valued = 0
    with transaction() as session:
        entries = session.scalars(_TIME).all()
        if entries:
            hold_days([day_of(entry) for entry in entries], entries)
        books = books_of_each(entry.engagement_id for entry in entries)
        expenses = session.scalars(to_lock(_EXPENSES, of=Expense)).all()
        for entry in entries:
            if entry.waiting and entry.deleted_at is None:
                keep_rate(entry, rate_of_entry(entry), books[entry.engagement_id])
                take_value(entry)
        for expense in expenses:
            value_expense(expense)
        hold_wip([*entries, *expenses])
        for item in (*entries, *expenses):
            valued += _tell(item, by=by)
        return valued > 0 and AT_ONCE in (len(entries), len(expenses))


def _tell(item: TimeEntry | Expense, *, by: Actor) -> bool:
    """Post and record what an item is worth now; False when it waits still."""
    if item.waiting:
        return False
    item.version += 1
    books = books_of_each([item.engagement_id])[item.engagement_id]
    move_wip(TransactionKind.RECORDED, item, None, place_of(item), by=by, books=books, reason="its rate came")
    kind = "entry" if isinstance(item, TimeEntry) else "expense"
    record(
        f"timekeeping.{kind}.value", item, by=by, value=item.value, currency=item.currency, on=item.worked_on,
        topics=topics_of(item),
    )  # fmt: skip
    db.session.flush()
    return True
