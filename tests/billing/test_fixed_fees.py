"""A fixed fee is drawn on by drafts and bills and never twice; what they give up is free again."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
import sqlalchemy as sa

from app.billing.commands.adding import add_new_items
from app.billing.commands.credit import credit_invoice
from app.billing.commands.drafts import DraftFacts, create_draft, discard_draft
from app.billing.commands.issue import approve_invoice
from app.billing.commands.lines import remove_line
from app.billing.commands.totals import lines_of
from app.billing.models import Invoice, InvoiceItem, LineKind
from app.billing.queries.around_draft import around_draft
from app.billing.queries.billable import list_billable
from app.billing.queries.invoices import get_invoice
from app.clients.models import Arrangement, ArrangementKind, Engagement
from app.core import clock
from app.core.db import db
from app.core.errors import Refused
from app.core.ids import new_id
from app.core.proofs import run_proofs
from app.timekeeping.models import ItemState
from tests.billing.make_billing import make_draft, make_entry, make_rate
from tests.make import Cast, keep, make_engagement

FIXED = ArrangementKind.FIXED


@pytest.fixture
def agreed(cast: Cast) -> Engagement:
    make_rate("100")
    return make_engagement(cast.acme, cast.entity, "Accounts", kind=FIXED, fee=Decimal(1000))


def fee_of(engagement: Engagement) -> Arrangement:
    return db.session.scalars(
        sa.select(Arrangement).where(Arrangement.engagement_id == engagement.id, Arrangement.from_on.is_(None))
    ).one()


def items_on(invoice: Invoice) -> list[Decimal]:
    return sorted(
        db.session.scalars(sa.select(InvoiceItem.billed).where(InvoiceItem.invoice_id == invoice.id)).all()
    )


def nothing_found() -> bool:
    return not [found for _, found in run_proofs("ledger.", "billing.fees", "billing.wip") if found]


def test_a_fee_is_on_one_draft_only(cast: Cast, agreed: Engagement) -> None:
    make_entry(cast, "2", engagement=agreed)
    draft = make_draft(cast, agreed)
    assert (draft.net, items_on(draft), fee_of(agreed).left) == (1000, [1000], 0)
    with pytest.raises(Refused, match="The fee for “Accounts” is on a draft already") as refusal:
        make_draft(cast, agreed)
    assert refusal.value.field == "engagement"


def test_what_is_given_up_is_free_again(cast: Cast, agreed: Engagement) -> None:
    by = cast.actor(cast.bea)
    entry = make_entry(cast, "2", engagement=agreed)
    discard_draft(make_draft(cast, agreed), by=by)
    assert fee_of(agreed).left == 1000
    draft = make_draft(cast, agreed)
    remove_line(draft, lines_of(draft)[0].id, by=by)
    assert (fee_of(agreed).left, entry.state) == (1000, ItemState.OPEN)
    discard_draft(draft, by=by)
    bill = approve_invoice(make_draft(cast, agreed), by=by)
    with pytest.raises(Refused, match="billed in full"):
        make_draft(cast, agreed)
    credit_invoice(bill, new_id(), "Wrong", by=by)
    assert fee_of(agreed).left == 1000
    assert approve_invoice(make_draft(cast, agreed), by=by).net == 1000
    assert nothing_found()


def test_time_beyond_a_fee_that_is_taken_stays_where_it_is(cast: Cast, agreed: Engagement) -> None:
    by = cast.actor(cast.bea)
    make_entry(cast, engagement=agreed)
    approve_invoice(make_draft(cast, agreed), by=by)
    beyond = make_entry(cast, "3", engagement=agreed)
    make_entry(cast)
    draft = make_draft(cast, agreed, cast.acme_work)
    assert (draft.net, items_on(draft), beyond.state) == (100, [100], ItemState.OPEN)
    seen = get_invoice(draft.id, seen_by=by)
    assert around_draft(seen, seen_by=by).new.count == 0
    assert add_new_items(draft, clock.today(), by=by) == 0
    discard_draft(draft, by=by)
    offered = list_billable(clock.today(), seen_by=by)
    assert [(row.amount, row.engagement_ids) for row in offered] == [(100, (cast.acme_work.id,))]


def test_time_beyond_a_fee_stays_where_it_is_though_later_work_is_billed_by_the_hour(
    cast: Cast, agreed: Engagement
) -> None:
    by, today = cast.actor(cast.bea), clock.today()
    make_entry(cast, engagement=agreed, on=today - dt.timedelta(days=20))
    approve_invoice(make_draft(cast, agreed), by=by)
    keep(
        Arrangement(
            engagement_id=agreed.id, currency="GBP", kind=ArrangementKind.HOURLY, from_on=today - dt.timedelta(days=2)
        )
    )
    beyond = make_entry(cast, "3", engagement=agreed, on=today - dt.timedelta(days=10))
    make_entry(cast, "2", engagement=agreed, on=today)
    assert [row.amount for row in list_billable(today, seen_by=by)] == [200]
    draft = make_draft(cast, agreed)
    assert (draft.net, items_on(draft), beyond.state) == (200, [200], ItemState.OPEN)
    seen = get_invoice(draft.id, seen_by=by)
    assert around_draft(seen, seen_by=by).new.count == 0
    assert nothing_found()


def test_time_added_to_a_draft_of_a_fee_is_spread_as_at_drafting(cast: Cast, agreed: Engagement) -> None:
    by = cast.actor(cast.bea)
    make_entry(cast, "2", engagement=agreed)
    draft = make_draft(cast, agreed)
    make_entry(cast, "6", engagement=agreed)
    assert add_new_items(draft, clock.today(), by=by) == 1
    assert (draft.net, items_on(draft)) == (1000, [250, 750])
    approve_invoice(draft, by=by)
    assert nothing_found()


def test_each_fee_takes_the_time_of_its_own_days(cast: Cast, agreed: Engagement) -> None:
    today = clock.today()
    keep(
        Arrangement(
            engagement_id=agreed.id, currency="GBP", kind=FIXED, agreed_amount=Decimal(300), name="Second year",
            from_on=today - dt.timedelta(days=10),
        )
    )
    keep(
        Arrangement(
            engagement_id=agreed.id, currency="GBP", kind=ArrangementKind.HOURLY,
            from_on=today - dt.timedelta(days=2),
        )
    )
    for days, hours in ((20, "1"), (15, "3"), (10, "2"), (1, "5")):
        make_entry(cast, hours, engagement=agreed, on=today - dt.timedelta(days=days))
    draft = make_draft(cast, agreed)
    found = {
        line.description: (line.kind, line.net, items)
        for line in lines_of(draft)
        for items in [
            sorted(db.session.scalars(sa.select(InvoiceItem.billed).where(InvoiceItem.line_id == line.id)).all())
        ]
    }
    hourly = found.pop(next(words for words in found if "professional services" in words))
    assert hourly == (LineKind.FEE, 500, [500])
    assert found == {"Accounts": (LineKind.FIXED, 1000, [250, 750]), "Second year": (LineKind.FIXED, 300, [300])}


def test_a_fee_that_begins_later_is_not_billed_yet(cast: Cast, agreed: Engagement) -> None:
    today = clock.today()
    keep(
        Arrangement(
            engagement_id=agreed.id, currency="GBP", kind=FIXED, agreed_amount=Decimal(300),
            from_on=today + dt.timedelta(days=1),
        )
    )
    assert make_draft(cast, agreed).net == 1000
    facts = DraftFacts(client_id=cast.acme.id, engagement_ids=(agreed.id,), until=today + dt.timedelta(days=1))
    assert create_draft(new_id(), facts, by=cast.actor(cast.bea)).net == 300
