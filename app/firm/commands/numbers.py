"""Numbers: given without a gap, their spelling set, never turned back."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import sqlalchemy as sa

from app.activity.changes import apply_values
from app.activity.commands import record
from app.core.actors import Actor
from app.core.db import db, transaction
from app.core.errors import Refused
from app.core.locking import takes, to_lock
from app.core.permissions import authorize
from app.firm.models import NumberSeries, SeriesKind
from app.firm.policy import can_edit_settings

PREFIXES = {
    SeriesKind.INVOICE: "INV-", SeriesKind.CREDIT_NOTE: "CN-", SeriesKind.JOB: "J-",
    SeriesKind.CLIENT: "C", SeriesKind.ENGAGEMENT: "E-",
}


def next_number(kind: SeriesKind, entity_id: UUID | None = None, *, count: int = 1) -> list[str]:
    """The next numbers of a series, in the caller's transaction: its row stays locked until that ends, so no gap.

    Take it last in a transaction that others wait for.
    """
    taken = _take(kind, entity_id, count)
    if taken is None:
        _begun(kind, entity_id)
        taken = _take(kind, entity_id, count)
    assert taken is not None
    return [f"{taken.prefix}{taken.first + n:0{taken.padding}d}" for n in range(count)]


def _take(kind: SeriesKind, entity_id: UUID | None, count: int) -> sa.Row[Any] | None:
    """Lock, count up and read in one statement; None while the series has not begun."""
    takes("number_series", [(kind.value, entity_id)])
    return db.session.execute(
        sa.text(
            "UPDATE number_series SET next_value = next_value + :count "
            "WHERE kind = :kind AND entity_id IS NOT DISTINCT FROM CAST(:entity AS uuid) "
            "RETURNING prefix, padding, next_value - :count AS first"
        ),
        {"count": count, "kind": kind.value, "entity": entity_id},
    ).one_or_none()


def spelled(series: NumberSeries, value: int) -> str:
    return f"{series.prefix}{value:0{series.padding}d}"


def set_series(
    kind: SeriesKind, entity_id: UUID | None, *, prefix: str, padding: int, next_value: int, by: Actor
) -> NumberSeries:
    """How the next numbers are spelled, and where they go on; the next number may only rise."""
    authorize(by, can_edit_settings)
    prefix = prefix.strip()
    if len(prefix) > 20 or not prefix.isprintable() or not prefix.isascii():
        raise Refused("A prefix has at most 20 plain letters, digits and signs.", field="prefix")
    if not 1 <= padding <= 12:
        raise Refused("Between 1 and 12 digits.", field="padding")
    with transaction():
        series = _begun(kind, entity_id)
        if next_value < series.next_value:
            raise Refused(f"The next number may only rise; it is {series.next_value} now.", field="next_value")
        if next_value > 10 ** 12:
            raise Refused("That is more than twelve digits.", field="next_value")
        changes = apply_values(series, prefix=prefix, padding=padding, next_value=next_value)
        if changes:
            record("firm.number_series.update", series, by=by, name=kind.value.replace("_", " "), changes=changes)
    return series


def _begun(kind: SeriesKind, entity_id: UUID | None) -> NumberSeries:
    series = _locked(kind, entity_id)
    if series is None:
        db.session.execute(
            sa.dialects.postgresql.insert(NumberSeries)
            .values(kind=kind, entity_id=entity_id, prefix=PREFIXES[kind], next_value=1, padding=5)
            .on_conflict_do_nothing()
        )
        series = _locked(kind, entity_id)
    assert series is not None
    return series


def _locked(kind: SeriesKind, entity_id: UUID | None) -> NumberSeries | None:
    return db.session.scalar(
        to_lock(
            sa.select(NumberSeries).where(
                NumberSeries.kind == kind, NumberSeries.entity_id.is_not_distinct_from(entity_id)
            )
        )
    )
