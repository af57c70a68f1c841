"""Rates, entries and bills for the tests of money."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from app.billing.commands.drafts import DraftFacts, create_draft
from app.billing.models import Invoice
from app.clients.models import Engagement
from app.core import clock
from app.core.ids import new_id
from app.people.models import Person
from app.timekeeping.commands.entries import EntryFacts, record_entry
from app.timekeeping.models import Rate, TimeEntry
from tests.make import Cast, keep


def make_rate(amount: str, **values: object) -> Rate:
    values.setdefault("currency", "GBP")
    values.setdefault("from_on", dt.date(2020, 1, 1))
    return keep(Rate(amount=Decimal(amount), **values))


def make_entry(
    cast: Cast,
    hours: str = "1",
    *,
    person: Person | None = None,
    engagement: Engagement | None = None,
    on: dt.date | None = None,
    narrative: str = "Work",
) -> TimeEntry:
    facts = EntryFacts(
        engagement_id=(engagement or cast.acme_work).id,
        worked_on=on or clock.today() - dt.timedelta(days=3),
        recorded=dt.timedelta(hours=float(hours)),
        narrative=narrative,
    )
    return record_entry(new_id(), facts, by=cast.actor(person or cast.sam))


def make_draft(cast: Cast, *engagements: Engagement) -> Invoice:
    chosen = engagements or (cast.acme_work,)
    facts = DraftFacts(
        client_id=chosen[0].client_id,
        engagement_ids=tuple(e.id for e in chosen),
        until=clock.today(),
    )
    return create_draft(new_id(), facts, by=cast.actor(cast.bea))
