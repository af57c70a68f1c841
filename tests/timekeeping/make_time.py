"""Time, timers, expenses and rates for tests."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from app.activity.commands import record
from app.clients.models import Engagement
from app.core.actors import SYSTEM
from app.core.clock import today
from app.core.db import db, transaction
from app.core.ids import new_id
from app.ledger.books import books_of
from app.ledger.commands import post
from app.ledger.models import TransactionKind
from app.people.models import Person
from app.timekeeping.commands.entries import EntryFacts, record_entry
from app.timekeeping.commands.wip import place_of, wip_legs
from app.timekeeping.models import Rate, TimeEntry
from tests.make import Cast, keep


def make_rate(amount: str = "100", **values: Any) -> Rate:
    values.setdefault("from_on", dt.date(2020, 1, 1))
    values.setdefault("currency", "GBP")
    return keep(Rate(amount=Decimal(amount), **values))


def make_entry(
    cast: Cast, person: Person | None = None, engagement: Engagement | None = None, **facts: Any
) -> TimeEntry:
    """An hour and a quarter of today's on Acme by Sam, unless said otherwise."""
    facts.setdefault("worked_on", today())
    facts.setdefault("recorded", dt.timedelta(hours=1, minutes=15))
    if not {"task_id", "job_id"} & set(facts):
        facts["engagement_id"] = (engagement or cast.acme_work).id
    return record_entry(new_id(), EntryFacts(**facts), by=cast.actor(person or cast.sam))


def wip_of(engagement: Engagement) -> Decimal:
    """What the kept balance says is unbilled."""
    return Decimal(
        db.session.scalar(
            sa.text("SELECT coalesce(sum(amount), 0) FROM balance WHERE account = 'wip' AND engagement_id = :id"),
            {"id": engagement.id},
        )
        or 0
    )


def exact_wip_of(engagement: Engagement) -> Decimal:
    """The same as the sum of its postings."""
    return Decimal(
        db.session.scalar(
            sa.text("SELECT coalesce(sum(amount), 0) FROM posting WHERE account = 'wip' AND engagement_id = :id"),
            {"id": engagement.id},
        )
        or 0
    )


def leave_a_rest(entry: TimeEntry, base: Decimal) -> None:
    """An amount of its WIP in base alone, as versions before this was held left them."""
    with transaction():
        post(
            TransactionKind.REPRICED, wip_legs(replace(place_of(entry), amount=Decimal(0)), base), by=SYSTEM,
            currency=entry.currency, books=books_of(entry.engagement_id), source=entry, happened_on=entry.worked_on,
        )  # fmt: skip
        record("billing.wip.release", entry, by=SYSTEM, amount=Decimal(0), currency=entry.currency)
