"""Time entries and expenses seen as one: what a bill is made of."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from app.billing.models import Invoice, InvoiceItem
from app.billing.open import TABLES, unbilled
from app.clients.policy import within_sight
from app.core.actors import Actor
from app.core.clock import now
from app.core.db import db
from app.core.errors import Refused
from app.core.locking import takes, to_lock
from app.core.rounding import RoundPer
from app.timekeeping.commands.days import day_of, hold_days, settle_days
from app.timekeeping.commands.locks import guards
from app.timekeeping.commands.wip import Item
from app.timekeeping.models import Expense, ItemState, TimeEntry, WipItem


@dataclass(frozen=True, slots=True)
class Taken:
    """An entry or expense as a draft takes it: no more than its lines are made from."""

    id: UUID
    engagement_id: UUID
    job_id: UUID | None
    worked_on: dt.date
    open_value: Decimal
    narrative: str
    kind: str
    charged: dt.timedelta | None
    rate: Decimal | None
    tax_code: str | None

    @property
    def is_expense(self) -> bool:
        return self.kind == Expense.__tablename__


def take_items(
    engagement_ids: Sequence[UUID],
    until: dt.date,
    *,
    seen_by: Actor,
    leaving: Sequence[UUID] = (),
    fees: Sequence[UUID] = (),
) -> list[Taken]:
    """Lock open WIP in the order of ids and mark it drafted, all in one statement; the second finds nothing to take.

    `fees` are the fixed fees that the draft takes itself; time under any other that is taken whole stays where it is.
    """
    time: dict[Any, tuple[Any, Any, Any]] = {
        TimeEntry: (TimeEntry.charged, TimeEntry.rate, _none_of(Expense.tax_code)),
        Expense: (_none_of(TimeEntry.charged), _none_of(TimeEntry.rate), Expense.tax_code),
    }
    marked = []
    for table in TABLES:
        locked = to_lock(
            sa.select(table.id).where(
                *unbilled(table, engagement_ids, until, fees),
                *([table.id.not_in(leaving)] if leaving else []),
                *within_sight(seen_by, table.client_id, table.engagement_id),
            )
        ).cte(f"locked_{table.__tablename__}")
        marked.append(
            sa.update(table)
            .where(table.id == locked.c.id)
            .values(state=ItemState.DRAFTED, version=table.version + 1, updated_at=now())
            .returning(
                table.id,
                table.engagement_id,
                table.job_id,
                table.worked_on,
                table.open_value,
                table.narrative,
                sa.literal(table.__tablename__).label("kind"),
                *(each.label(name) for name, each in zip(("charged", "rate", "tax_code"), time[table], strict=True)),
            )
            .cte(f"marked_{table.__tablename__}")
        )
    rows = db.session.execute(sa.union_all(*[sa.select(part) for part in marked])).all()
    taken = [Taken(*row) for row in rows]
    for table in TABLES:
        takes(table.__tablename__, [item.id for item in taken if item.kind == table.__tablename__])
    _forget([item.id for item in taken])
    return sorted(taken, key=lambda item: (item.worked_on, item.id))


def _none_of(column: Any) -> Any:
    """An empty value of a column's type, for the table that has none."""
    return sa.cast(sa.null(), column.type)


def lock_items(ids: Iterable[UUID]) -> None:
    """Lock items in the order of their ids, time before expenses, as everybody does; then their bill.

    Of time that is rounded by day and job the whole day is locked, so that it can be settled (`settle_days_of`).
    """
    wanted = sorted(set(ids))
    if not wanted:
        return
    by_day = _rounded_by_day(wanted)
    hold_days([day_of(entry) for entry in by_day], by_day, also=wanted)
    db.session.execute(to_lock(sa.select(Expense.id).where(Expense.id.in_(wanted))))


def settle_days_of(ids: Iterable[UUID], *, by: Actor) -> None:
    """Round the days of these entries anew once they are free again: while they were on a bill, or written off, they
    kept what they were charged whatever happened to the others. They are locked by `lock_items`."""
    db.session.flush()
    settle_days([day_of(entry) for entry in _rounded_by_day(sorted(set(ids)))], by=by)


def _rounded_by_day(ids: Sequence[UUID]) -> Sequence[TimeEntry]:
    rounded = TimeEntry.rounding["per"].as_string() == RoundPer.DAY_AND_JOB
    return db.session.scalars(sa.select(TimeEntry).where(TimeEntry.id.in_(ids), rounded).order_by(TimeEntry.id)).all()


def items_by_id(ids: Iterable[UUID], *, seen_by: Actor, lock: bool = False) -> dict[UUID, Item]:
    """The items with these ids that may be seen, locked in the order of their ids when asked."""
    wanted = sorted(set(ids))
    found: dict[UUID, Item] = {}
    for table in TABLES:
        missing = [item_id for item_id in wanted if item_id not in found]
        if not missing:
            break
        statement: Any = (
            sa.select(table)
            .where(table.id.in_(missing), *within_sight(seen_by, table.client_id, table.engagement_id))
            .order_by(table.id)
        )
        rows: list[Any] = list(db.session.scalars(to_lock(statement) if lock else statement))
        found |= {item.id: item for item in rows}
    return found


def set_items(ids: Iterable[UUID], **values: object) -> None:
    """Set columns on many items in at most one statement per table."""
    wanted = list(ids)
    left = len(wanted)
    for table in TABLES:
        if left <= 0:
            break
        result = db.session.execute(
            sa.update(table)
            .where(table.id.in_(wanted))
            .values(**values, version=table.version + 1)
            .execution_options(synchronize_session=False)
        )
        left -= result.rowcount  # type: ignore[attr-defined]
    _forget(wanted)


@guards
def refuse_on_bill(item: WipItem) -> None:
    """What a standing bill took of an entry was taken as it is and where it is."""
    if not item.billed and not item.written:
        return
    number = db.session.scalar(
        sa.select(Invoice.number)
        .join(InvoiceItem, InvoiceItem.invoice_id == Invoice.id)
        .where(InvoiceItem.item_id == item.id, InvoiceItem.issued, InvoiceItem.live)
        .order_by(Invoice.number)
        .limit(1)
    )
    if number is not None:
        raise Refused(f"Part of it is on {number} and stays as it is there; what is left of it can be billed.")


def _forget(ids: Iterable[UUID]) -> None:
    """What was changed behind the session's back is read again when it is next looked at."""
    session = db.session()
    for item_id in ids:
        for table in TABLES:
            row = session.identity_map.get(sa.orm.util.identity_key(table, item_id))
            if row is not None:
                session.expire(row)
