"""Exchange rates: added, never rewritten; what was posted keeps the rate it was posted with."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

import sqlalchemy as sa

from app.activity.commands import record
from app.core import clock
from app.core.actors import Actor
from app.core.db import db, transaction
from app.core.errors import Refused
from app.core.permissions import authorize
from app.ledger.models import ExchangeRate
from app.ledger.policy import can_edit_exchange_rates


@dataclass(frozen=True, kw_only=True)
class ExchangeRateFacts:
    """Units of `base` for one unit of `currency`, from a day on."""

    currency: str
    base: str
    rate: Decimal
    from_on: dt.date


def add_exchange_rate(rate_id: UUID, facts: ExchangeRateFacts, *, by: Actor) -> ExchangeRate:
    """Add a rate. The same id again gives the one that is there. Raises Refused for a second one of the same day."""
    authorize(by, can_edit_exchange_rates)
    with transaction() as session:
        existing = session.get(ExchangeRate, rate_id)
        if existing is not None:
            return existing
        if facts.currency == facts.base:
            raise Refused("A currency is worth one of itself.", field="currency")
        if facts.from_on > clock.today() + dt.timedelta(days=366):
            raise Refused("That day is too far ahead.", field="from_on")
        same = sa.select(ExchangeRate.id).where(
            ExchangeRate.currency == facts.currency,
            ExchangeRate.base == facts.base,
            ExchangeRate.from_on == facts.from_on,
        )
        if session.scalar(same) is not None:
            raise Refused("There is a rate from that very day already; give another day.", field="from_on")
        rate = ExchangeRate(
            id=rate_id, currency=facts.currency, base=facts.base, rate=facts.rate, from_on=facts.from_on
        )
        session.add(rate)
        session.flush()
        record(
            "ledger.rate.add",
            rate,
            by=by,
            currency=rate.currency,
            base=rate.base,
            rate=rate.rate,
            from_on=rate.from_on,
        )
        return rate


def list_exchange_rates(*, seen_by: Actor, limit: int = 200) -> Sequence[ExchangeRate]:
    if not can_edit_exchange_rates(seen_by):
        return []
    return db.session.scalars(
        sa.select(ExchangeRate)
        .order_by(ExchangeRate.currency, ExchangeRate.base, ExchangeRate.from_on.desc())
        .limit(limit)
    ).all()
