"""Giving numbers."""

from __future__ import annotations

from uuid import UUID

import sqlalchemy as sa

from app.core.db import db
from app.firm.models import NumberSeries, SeriesKind

PREFIXES = {
    SeriesKind.INVOICE: "INV-", SeriesKind.CREDIT_NOTE: "CN-", SeriesKind.JOB: "J-",
    SeriesKind.CLIENT: "C", SeriesKind.ENGAGEMENT: "E-",
}


def next_number(kind: SeriesKind, entity_id: UUID | None = None, *, count: int = 1) -> list[str]:
    """The next numbers of a series, in the caller's transaction: its row stays locked until that ends, so no gap.

    Take it last in a transaction that others wait for.
    """
    series = _locked(kind, entity_id)
    if series is None:
        db.session.execute(
            sa.dialects.postgresql.insert(NumberSeries)
            .values(kind=kind, entity_id=entity_id, prefix=PREFIXES[kind], next_value=1, padding=5)
            .on_conflict_do_nothing()
        )
        series = _locked(kind, entity_id)
    assert series is not None
    first = series.next_value
    series.next_value = first + count
    db.session.flush()
    return [f"{series.prefix}{value:0{series.padding}d}" for value in range(first, first + count)]


def _locked(kind: SeriesKind, entity_id: UUID | None) -> NumberSeries | None:
    return db.session.scalar(
        sa.select(NumberSeries)
        .where(NumberSeries.kind == kind, NumberSeries.entity_id.is_not_distinct_from(entity_id))
        .with_for_update().execution_options(populate_existing=True)
    )
