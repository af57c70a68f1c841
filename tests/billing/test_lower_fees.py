"""A fee that becomes less is given up like a write-off: for a reason, within the limit of whoever agrees to it."""

from __future__ import annotations

from decimal import Decimal

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.approvals.commands import LimitFacts, set_limit
from app.approvals.models import Approval, ApprovalKind, ApprovalLimit, Decision
from app.billing.commands.credit import credit_invoice
from app.billing.commands.issue import approve_invoice
from app.billing.commands.lines import LineChange, change_line
from app.billing.commands.totals import lines_of
from app.billing.commands.wip import write_off_items
from app.billing.models import Invoice, Rest
from app.billing.queries.around_draft import around_draft
from app.billing.queries.invoices import get_invoice
from app.clients.commands import ArrangementFacts, add_arrangement, archive_arrangement, change_arrangement
from app.clients.models import Arrangement, ArrangementKind, Engagement
from app.core import clock
from app.core.db import db, transaction
from app.core.errors import NotAllowed, Refused
from app.core.ids import new_id
from app.core.permissions import Role
from app.ledger.models import ExchangeRate
from tests.approvals.make_approvals import WRITE_OFF, found_by, limit
from tests.billing.make_billing import make_draft, make_entry, make_rate
from tests.make import Cast, count, keep, make_engagement, sign_in

HOURLY = ArrangementFacts()


def fee_of(engagement: Engagement) -> Arrangement:
    return db.session.scalars(sa.select(Arrangement).where(Arrangement.engagement_id == engagement.id)).one()


def to(amount: str) -> ArrangementFacts:
    return ArrangementFacts(kind=ArrangementKind.FIXED, agreed_amount=Decimal(amount))


@pytest.fixture
def work(session: Session, cast: Cast) -> Engagement:
    """Accounts for 1,000; managers give up to 500 of a client in a day."""
    with transaction():
        make_rate("100")
        limit(cast, Role.MANAGER, "500", WRITE_OFF)
        return make_engagement(cast.acme, cast.entity, "Accounts", kind=ArrangementKind.FIXED, fee=Decimal(1000))


def test_it_takes_a_reason_and_is_noted_with_the_limit_it_went_by(work: Engagement, cast: Cast) -> None:
    fee, mel = fee_of(work), cast.actor(cast.mel)
    with pytest.raises(Refused, match=r"This gives up 500\.00 GBP of what was agreed. Say why.") as refusal:
        change_arrangement(fee, to("500"), by=mel, reason="  ")
    assert refusal.value.field == "reason" and count(Approval) == 0
    for _twice in range(2):
        change_arrangement(fee, to("500"), by=mel, reason="Fewer branches")
    assert fee.agreed_amount == 500
    [one] = db.session.scalars(sa.select(Approval))
    assert (one.kind, one.decision, one.amount, one.written_off) == (ApprovalKind.FEE, Decision.APPROVED, 500, 500)
    assert (one.written_off_limit, one.limit_amount, one.reason) == (500, None, "Fewer branches")
    assert one.asked_by == one.decided_by == cast.mel.id and one.subject_id == fee.id
    change_arrangement(fee, to("2000"), by=mel)  # more is given up by nobody
    assert count(Approval) == 1 and found_by("approvals") == []


def test_above_the_limit_it_stays_and_somebody_else_lowers_it(work: Engagement, cast: Cast) -> None:
    fee = fee_of(work)
    why = r"It gives up 500\.01 GBP; your limit is 500\.00\. Somebody else, whose limit allows it, has to do this\."
    with pytest.raises(Refused, match=why) as refusal:
        change_arrangement(fee, to("499.99"), by=cast.actor(cast.mel), reason="Fewer branches")
    db.session.refresh(fee)
    assert (refusal.value.field, fee.agreed_amount, count(Approval)) == ("agreed_amount", 1000, 0)
    change_arrangement(fee, to("499.99"), by=cast.actor(cast.pat), reason="Fewer branches")
    assert fee.agreed_amount == Decimal("499.99")


def test_a_fee_that_becomes_something_else_or_ends_gives_up_what_is_left_of_it(work: Engagement, cast: Cast) -> None:
    fee, mel = fee_of(work), cast.actor(cast.mel)
    for other in (HOURLY, ArrangementFacts(kind=ArrangementKind.NON_BILLABLE)):
        with pytest.raises(Refused, match=r"It gives up 1,000\.00"):
            change_arrangement(fee, other, by=mel, reason="By the hour")
    later = ArrangementFacts(kind=ArrangementKind.FIXED, agreed_amount=Decimal(900), from_on=clock.today())
    second = add_arrangement(new_id(), work, later, by=mel)
    draft = make_draft(cast, work)
    [_first, line] = lines_of(draft)
    change_line(draft, line.id, LineChange(net=Decimal(500), rest=Rest.CARRY), by=cast.actor(cast.bea))
    with pytest.raises(Refused, match=r"This gives up 400\.00 GBP"):
        archive_arrangement(second, by=mel)
    for _twice in range(2):
        archive_arrangement(second, by=mel, reason="Ended early")
    assert second.archived_at and second.drawn == 500
    assert [each.amount for each in db.session.scalars(sa.select(Approval))] == [400]


def test_what_one_gives_up_of_a_client_in_a_day_counts_together(work: Engagement, cast: Cast) -> None:
    fee, mel = fee_of(work), cast.actor(cast.mel)
    change_arrangement(fee, to("800"), by=mel, reason="Fewer branches")
    entry = make_entry(cast, "4")
    assert write_off_items([entry.id], "Agreed", by=mel).asked == 400
    with pytest.raises(Refused, match=r"With what you gave up there today it is 500\.01 GBP; your limit is 500"):
        change_arrangement(fee, to("499.99"), by=mel, reason="Fewer branches")
    change_arrangement(fee, to("500"), by=mel, reason="Fewer branches")
    other = make_engagement(cast.rival, cast.entity, "Accounts", kind=ArrangementKind.FIXED, fee=Decimal(500))
    change_arrangement(fee_of(other), to("100"), by=mel, reason="Another client")
    assert found_by("approvals", "billing.approvals") == []


def lowered(cast: Cast, by: str) -> Invoice:
    """A draft of an entry worth 400, of which so much is written off."""
    make_entry(cast, "4")
    draft = make_draft(cast)
    [line] = lines_of(draft)
    change = LineChange(net=line.net - Decimal(by), rest=Rest.WRITE_OFF)
    change_line(draft, line.id, change, by=cast.actor(cast.bea))
    return draft


def test_what_bills_give_up_counts_with_it_until_they_are_credited(work: Engagement, cast: Cast) -> None:
    limit(cast, Role.BILLING, "500", WRITE_OFF)
    bea = cast.actor(cast.bea)
    first = approve_invoice(lowered(cast, "300"), by=bea, reason="Agreed")
    draft = lowered(cast, "201")
    why = "With what you gave up there today it is 501.00 GBP; your limit is 500.00."
    shown = get_invoice(draft.id, seen_by=bea)
    assert [around_draft(shown, seen_by=each).above for each in (bea, cast.actor(cast.pat))] == [why, ""]
    second = approve_invoice(draft, by=bea, reason="Agreed")
    assert first.number and second.number is None
    entry = make_entry(cast, "2.1")
    assert write_off_items([entry.id], "Agreed", by=bea).asked == 210
    credit_invoice(first, new_id(), "Wrong", by=bea)
    assert approve_invoice(second, by=cast.actor(cast.pat), reason="Agreed").number
    assert found_by("approvals", "billing.approvals") == []
    assert approve_invoice(lowered(cast, "300"), by=bea, reason="Agreed").number


def test_it_is_held_against_the_limit_at_the_days_rate(work: Engagement, cast: Cast) -> None:
    with transaction():
        keep(ExchangeRate(currency="EUR", base="GBP", from_on=clock.today(), rate=Decimal("0.5")))
        euro = make_engagement(
            cast.acme, cast.entity, "Paris", currency="EUR", kind=ArrangementKind.FIXED, fee=Decimal(2000)
        )
    with pytest.raises(Refused, match=r"It gives up 500\.01 GBP"):
        change_arrangement(fee_of(euro), to("999.99"), by=cast.actor(cast.mel), reason="Agreed")
    change_arrangement(fee_of(euro), to("1000"), by=cast.actor(cast.mel), reason="Agreed")


def test_who_writes_nothing_off_lowers_no_fee(work: Engagement, cast: Cast) -> None:
    fee, ada = fee_of(work), cast.actor(cast.ada)
    with pytest.raises(Refused, match="which your role does not decide"):
        change_arrangement(fee, to("999"), by=ada, reason="Agreed")
    change_arrangement(fee, to("1001"), by=ada)
    with pytest.raises(NotAllowed):
        change_arrangement(fee, to("999"), by=cast.actor(cast.sam), reason="Agreed")


def test_it_has_no_limit_of_its_own(work: Engagement, cast: Cast) -> None:
    facts = LimitFacts(entity_id=cast.entity.id, kind=ApprovalKind.FEE, amount=Decimal(1), from_on=clock.today(),
                       role=Role.MANAGER)  # fmt: skip
    with pytest.raises(Refused, match="before the limit for write-offs"):
        set_limit(new_id(), facts, by=cast.actor(cast.ada))
    with pytest.raises(IntegrityError, match="ck_approval_limit_kind"), db.session.begin_nested():
        db.session.add(ApprovalLimit(
            id=new_id(), entity_id=cast.entity.id, kind=ApprovalKind.FEE, role=Role.MANAGER, from_on=clock.today(),
            created_at=clock.now(),
        ))  # fmt: skip
        db.session.flush()


def test_the_page_asks_why_and_keeps_what_was_typed(work: Engagement, client: FlaskClient, cast: Cast) -> None:
    fee = fee_of(work)
    sign_in(client, cast.mel)
    assert "Why it is less" in client.get(f"/arrangements/{fee.id}/edit").text
    form = {"kind": "fixed", "agreed_amount": "600.00", "version": str(fee.version), "name": "Year end"}
    answer = client.post(f"/arrangements/{fee.id}", data=form)
    assert answer.status_code == 422 and "This gives up 400.00 GBP" in answer.text
    assert 'value="600.00"' in answer.text and 'value="Year end"' in answer.text
    answer = client.post(f"/arrangements/{fee.id}", data=form | {"agreed_amount": "100", "reason": "Fewer branches"})
    assert answer.status_code == 422 and "It gives up 900.00 GBP" in answer.text and "Fewer branches" in answer.text
    assert client.post(f"/arrangements/{fee.id}", data=form | {"reason": "Fewer branches"}).status_code == 303
    approval = db.session.scalars(sa.select(Approval)).one()
    page = client.get(f"/billing/approvals/{approval.id}").text
    assert "Lower fee of 400.00 GBP" in page and "Fewer branches" in page
