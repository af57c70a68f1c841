"""Rate cards: a rate is never rewritten; a new one begins and the old one ends."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

import sqlalchemy as sa

from app.activity.commands import record
from app.catalogue.models import WorkRole
from app.core.actors import Actor
from app.core.clock import now
from app.core.db import db, transaction
from app.core.errors import Refused
from app.core.once import digest_of, made_before
from app.core.permissions import authorize
from app.timekeeping.commands.waiting import value_waiting
from app.timekeeping.models import Rate
from app.timekeeping.policy import can_edit_rates


@dataclass(frozen=True, kw_only=True)
class RateFacts:
    """An hourly rate from a day on; what is left empty applies to everything."""

    from_on: dt.date
    amount: Decimal
    currency: str
    person_id: UUID | None = None
    grade: str | None = None
    work_role: WorkRole | None = None
    activity: str | None = None
    client_id: UUID | None = None
    engagement_id: UUID | None = None


def add_rate(rate_id: UUID, facts: RateFacts, *, by: Actor) -> Rate:
    """Begin a rate; one for exactly the same people and work ends the day before. Recorded entries keep theirs; those
    that waited for it are valued, the first 200 at once and the rest soon after."""
    authorize(by, can_edit_rates)
    if facts.amount < 0:
        raise Refused("A rate is not below zero.", field="amount")
    with transaction() as session:
        said = digest_of(facts)
        existing = made_before(Rate, rate_id, said)
        if existing is not None:
            return existing
        rate = Rate(id=rate_id, made_from=said, **vars(facts))
        keys = ("person_id", "grade", "work_role", "activity", "client_id", "engagement_id", "currency")
        same = sa.and_(*(getattr(Rate, key).is_not_distinct_from(getattr(facts, key)) for key in keys))
        siblings = db.session.scalars(
            sa.select(Rate).where(same, Rate.archived_at.is_(None)).order_by(Rate.from_on).with_for_update()
        ).all()
        for other in siblings:
            if other.from_on == facts.from_on:
                raise Refused("There is a rate from that very day; archive it first.", field="from_on")
            if other.from_on < facts.from_on and (other.to_on is None or other.to_on > facts.from_on):
                other.to_on = facts.from_on
            if other.from_on > facts.from_on and rate.to_on is None:
                rate.to_on = other.from_on
        session.add(rate)
        session.flush()
        record("timekeeping.rate.add", rate, by=by, amount=rate.amount, currency=rate.currency, from_on=rate.from_on)
        value_waiting(by=by)
        return rate


def archive_rate(rate: Rate, *, by: Actor) -> None:
    """Take a rate out of use for new entries."""
    authorize(by, can_edit_rates)
    with transaction():
        rate.archived_at = rate.archived_at or now()
        record("timekeeping.rate.archive", rate, by=by, amount=rate.amount, currency=rate.currency)
