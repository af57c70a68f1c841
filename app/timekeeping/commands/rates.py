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
from app.core.locking import take_turn, to_lock
from app.core.once import digest_of, made_before
from app.core.permissions import authorize
from app.timekeeping.commands.waiting import value_waiting
from app.timekeeping.models import Rate
from app.timekeeping.policy import can_edit_rates

KEYS = ("person_id", "grade", "work_role", "activity", "client_id", "engagement_id", "currency")


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
        take_turn("rate " + " ".join(str(getattr(rate, key)) for key in KEYS))
        _join(rate)
        session.add(rate)
        session.flush()
        record("timekeeping.rate.add", rate, by=by, amount=rate.amount, currency=rate.currency, from_on=rate.from_on)
        value_waiting(by=by)
        return rate


def archive_rate(rate: Rate, *, by: Actor) -> None:
    """Take a rate out of use for new entries. The one that it had ended goes on until the next one begins."""
    authorize(by, can_edit_rates, rate)
    with transaction() as session:
        _hold(rate)
        if rate.archived_at is not None:
            return
        rate.archived_at = now()
        session.flush()
        ended = sa.select(Rate).where(_same(rate), Rate.ended_by == rate.id, Rate.to_on == rate.from_on)
        before = db.session.scalar(ended)
        if before is not None:
            before.to_on, before.ended_by = rate.to_on, rate.ended_by
        record(
            "timekeeping.rate.archive", rate, by=by, amount=rate.amount, currency=rate.currency,
            goes_on=str(before.id) if before else None,
        )  # fmt: skip


def restore_rate(rate: Rate, *, by: Actor) -> None:
    """Undo an archiving: the rate is in use again, and ends what holds when it begins. Raises Refused when another one
    begins that very day."""
    authorize(by, can_edit_rates, rate)
    with transaction() as session:
        _hold(rate)
        if rate.archived_at is None:
            return
        rate.to_on = rate.ended_by = None
        _join(rate)
        session.flush()  # what held on those days ends before this one holds again
        rate.archived_at = None
        session.flush()
        record("timekeeping.rate.restore", rate, by=by, amount=rate.amount, currency=rate.currency)
        value_waiting(by=by)


def _hold(rate: Rate) -> None:
    """One at a time changes the cards of the same people and work; all of them are locked, the card is read anew."""
    take_turn("rate " + " ".join(str(getattr(rate, key)) for key in KEYS))
    db.session.execute(to_lock(sa.select(Rate.id).where(sa.or_(Rate.id == rate.id, _same(rate)))))
    db.session.refresh(rate)


def _same(rate: Rate) -> sa.ColumnElement[bool]:
    """The other cards in use for exactly the same people and work."""
    same = (getattr(Rate, key).is_not_distinct_from(getattr(rate, key)) for key in KEYS)
    return sa.and_(*same, Rate.archived_at.is_(None), Rate.id != rate.id)


def _join(rate: Rate) -> None:
    """Fit a card in between those there are: the one that holds when it begins ends then, and it ends when the next
    begins."""
    with db.session.no_autoflush:
        others = db.session.scalars(
            to_lock(sa.select(Rate).where(_same(rate))).execution_options(populate_existing=False)
        ).all()
    for other in sorted(others, key=lambda each: each.from_on):
        if other.from_on == rate.from_on:
            raise Refused("There is a rate from that very day; archive it first.", field="from_on")
        if other.from_on < rate.from_on and (other.to_on is None or other.to_on > rate.from_on):
            other.to_on, other.ended_by = rate.from_on, rate.id
        if other.from_on > rate.from_on and rate.to_on is None:
            rate.to_on, rate.ended_by = other.from_on, other.id
