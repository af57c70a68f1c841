"""Which arrangement holds on a day, asked of the database."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import aliased

from app.clients.models import Arrangement, ArrangementKind
from app.core.db import among


def kind_on(engagement_id: Any, day: Any) -> sa.ScalarSelect[ArrangementKind]:
    """How work of a day is billed, as part of a select: the same rule as `in_force`."""
    return (
        sa.select(Arrangement.kind)
        .where(
            Arrangement.engagement_id == engagement_id,
            Arrangement.archived_at.is_(None),
            sa.or_(Arrangement.from_on.is_(None), Arrangement.from_on <= day),
        )
        .order_by(Arrangement.from_on.desc().nulls_last())
        .limit(1)
        .correlate_except(Arrangement)
        .scalar_subquery()
    )


def fee_all_taken(engagement_id: Any, day: Any, keeping: Any = ()) -> sa.ColumnElement[bool]:
    """Whether work of that day stands under a fixed fee of which nothing is left, but for the fees in `keeping`."""
    fee, later = aliased(Arrangement), aliased(Arrangement)
    # A select within a select reaches no further than the one around it by itself; `day` belongs to the outermost.
    ended = sa.exists().where(
        later.engagement_id == fee.engagement_id,
        later.archived_at.is_(None),
        later.from_on <= day,
        sa.or_(fee.from_on.is_(None), later.from_on > fee.from_on),
    ).correlate_except(later)
    return sa.exists().where(
        fee.engagement_id == engagement_id,
        fee.archived_at.is_(None),
        fee.kind == ArrangementKind.FIXED,
        fee.drawn >= fee.agreed_amount,
        sa.or_(fee.from_on.is_(None), fee.from_on <= day),
        *([sa.not_(among(fee.id, keeping))] if isinstance(keeping, sa.ColumnElement) or keeping else []),
        ~ended,
    )
