"""The due date of an issued bill can be put right: every age follows from that day on, its paper stays."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app.billing.background import ensure_pdf
from app.billing.commands.credit import credit_invoice
from app.billing.commands.due_dates import change_due_date
from app.billing.commands.issue import approve_invoice
from app.billing.commands.payments import PaymentFacts, record_payment
from app.billing.commands.settling import reverse_payment
from app.billing.models import Invoice, Payment
from app.billing.queries.invoices import standing_of
from app.billing.queries.payments import receivables_by_client
from app.billing.queries.statements import statement_of
from app.billing.queries.wip import WipFilter
from app.core import clock
from app.core.errors import NotAllowed, Refused, Stale
from app.core.ids import new_id
from app.core.proofs import run_proofs
from app.ledger.ageing import OWED_AGES
from app.ledger.models import Account, LedgerTransaction, Posting, TransactionKind
from tests.billing.make_billing import make_draft, make_entry, make_rate
from tests.make import Cast, make_engagement, sign_in

WHY = "Longer terms agreed"


def in_days(count: int) -> dt.date:
    return clock.today() + dt.timedelta(days=count)


@pytest.fixture
def bill(session: Session, cast: Cast) -> Invoice:
    """120.00 dated 40 days ago and due 26 days ago."""
    make_rate("100")
    make_entry(cast, on=in_days(-50))
    return approve_invoice(make_draft(cast), by=cast.actor(cast.bea), issued_on=in_days(-40))


def ages(cast: Cast) -> dict[str, Decimal]:
    """What the list of receivables has of Acme, by column."""
    [row] = receivables_by_client(WipFilter(), seen_by=cast.actor(cast.bea)).rows
    return {age.name: amount for age, amount in zip(OWED_AGES, row.ages, strict=True) if amount}


def pay(cast: Cast, bill: Invoice, amount: str) -> Payment:
    return record_payment(
        new_id(),
        PaymentFacts(client_id=bill.payer_id, entity_id=bill.entity_id, received_on=clock.today(),
                     amount=Decimal(amount), currency=bill.currency),
        by=cast.actor(cast.bea),
    )  # fmt: skip


def all_proven() -> None:
    assert {name: found for name, found in run_proofs("billing.", "ledger.") if found} == {}


def test_what_is_open_ages_from_the_new_day_on_every_page(session: Session, cast: Cast, bill: Invoice) -> None:
    bea = cast.actor(cast.bea)
    assert ages(cast) == {"0-30": 120} and standing_of(bill) == "overdue"
    change_due_date(bill, in_days(10), WHY, by=bea)
    assert ages(cast) == {"Not yet due": 120} and standing_of(bill) != "overdue"
    said = statement_of(cast.acme.id, "GBP", in_days(-60), clock.today(), seen_by=bea)
    assert {age.name: amount for age, amount in said.ages if amount} == {"Not yet due": 120}
    assert [(row.kind, row.due_on, row.amount) for row in said.rows] == [("invoice", in_days(10), 120)]
    all_proven()


def test_as_of_a_day_before_the_change_it_is_as_old_as_it_was(cast: Cast, bill: Invoice) -> None:
    """What was posted stays: a pair takes it off one day and puts it on the other."""
    before = receivables_by_client(WipFilter(on=in_days(-1)), seen_by=cast.actor(cast.bea)).rows
    change_due_date(bill, in_days(10), WHY, by=cast.actor(cast.bea))
    after = receivables_by_client(WipFilter(on=in_days(-1)), seen_by=cast.actor(cast.bea)).rows
    assert [row.ages for row in before] == [row.ages for row in after]


def test_a_part_paid_bill_and_a_payment_that_bounces_later_age_by_the_new_day(cast: Cast, bill: Invoice) -> None:
    bea = cast.actor(cast.bea)
    payment = pay(cast, bill, "50")
    change_due_date(bill, in_days(10), WHY, by=bea)
    assert ages(cast) == {"Not yet due": 70}
    all_proven()
    reverse_payment(payment, "Bounced", by=bea)
    assert ages(cast) == {"Not yet due": 120}
    all_proven()
    pay(cast, bill, "120")
    assert bill.open_amount == 0
    all_proven()


def test_changing_it_back_undoes_it(session: Session, cast: Cast, bill: Invoice) -> None:
    bea, before = cast.actor(cast.bea), bill.due_on
    assert before is not None
    change_due_date(bill, in_days(10), WHY, by=bea)
    change_due_date(bill, in_days(10), "", by=bea)  # the same again changes nothing and asks nothing
    change_due_date(bill, before, "By mistake", by=bea)
    assert ages(cast) == {"0-30": 120}
    made = session.scalars(sa.select(LedgerTransaction).where(LedgerTransaction.kind == TransactionKind.REDATED)).all()
    assert [row.reason for row in made] == [WHY, "By mistake"]
    all_proven()


def test_it_can_be_credited_afterwards(cast: Cast, bill: Invoice) -> None:
    bea = cast.actor(cast.bea)
    pay(cast, bill, "50")
    change_due_date(bill, in_days(10), WHY, by=bea)
    credit_invoice(bill, new_id(), "Wrong matter", by=bea)
    assert bill.open_amount == 0
    all_proven()


def test_several_engagements_move_each_with_its_part(session: Session, cast: Cast) -> None:
    make_rate("100")
    other = make_engagement(cast.acme, cast.entity, "Employment")
    make_entry(cast)
    make_entry(cast, "2", engagement=other)
    bill = approve_invoice(make_draft(cast, cast.acme_work, other), by=cast.actor(cast.bea))
    change_due_date(bill, in_days(30), WHY, by=cast.actor(cast.bea))
    sums = session.execute(
        sa.select(Posting.engagement_id, Posting.aged_on, sa.func.sum(Posting.amount))
        .where(Posting.invoice_id == bill.id, Posting.account == Account.RECEIVABLE)
        .group_by(Posting.engagement_id, Posting.aged_on).having(sa.func.sum(Posting.amount) != 0)
    ).all()
    assert {row[0]: (row[1], row[2]) for row in sums} == {
        cast.acme_work.id: (in_days(30), 120), other.id: (in_days(30), 240),
    }
    all_proven()


def test_its_paper_stays_as_it_was_issued(session: Session, cast: Cast, bill: Invoice) -> None:
    pdf = ensure_pdf(bill)
    facts = dict(bill.facts or {})
    change_due_date(bill, in_days(10), WHY, by=cast.actor(cast.bea))
    assert bill.facts == facts and ensure_pdf(bill) == pdf


@pytest.mark.parametrize(("days", "reason", "field"), [(10, " ", "reason"), (-41, WHY, "due_on"), (800, WHY, "due_on")])
def test_what_no_due_date_can_be_is_refused(cast: Cast, bill: Invoice, days: int, reason: str, field: str) -> None:
    with pytest.raises(Refused) as refused:
        change_due_date(bill, in_days(days), reason, by=cast.actor(cast.bea))
    assert refused.value.field == field


def test_what_owes_nothing_has_no_due_date_to_change(session: Session, cast: Cast, bill: Invoice) -> None:
    bea = cast.actor(cast.bea)
    with pytest.raises(Stale):
        change_due_date(bill, in_days(10), WHY, by=bea, version=bill.version + 7)
    make_entry(cast)
    draft = make_draft(cast)
    with pytest.raises(Refused, match="terms"):
        change_due_date(draft, in_days(10), WHY, by=bea)
    pay(cast, bill, "120")
    with pytest.raises(Refused, match="is paid"):
        change_due_date(bill, in_days(10), WHY, by=bea)
    note = credit_invoice(bill, new_id(), "Wrong", by=bea)
    for each in (bill, note):
        with pytest.raises(Refused, match="void bill"):
            change_due_date(each, in_days(10), WHY, by=bea)


def test_only_whoever_may_approve_changes_it(cast: Cast, bill: Invoice) -> None:
    for person in (cast.sam, cast.wes):
        with pytest.raises(NotAllowed):
            change_due_date(bill, in_days(10), WHY, by=cast.actor(person))


@pytest.mark.real
def test_a_due_date_changed_by_hand_is_named(session: Session, cast: Cast, bill: Invoice) -> None:
    session.commit()
    session.execute(sa.update(Invoice).where(Invoice.id == bill.id).values(due_on=in_days(90)))
    session.commit()
    found = dict(run_proofs("billing."))
    assert found["billing.told"] and found["billing.due_dates"]
    with pytest.raises(DBAPIError, match="due_on"), session.begin_nested():
        session.execute(sa.update(Invoice).where(Invoice.id == bill.id).values(due_on=in_days(-90)))
    with pytest.raises(DBAPIError, match="never changes"), session.begin_nested():
        session.execute(sa.update(Invoice).where(Invoice.id == bill.id).values(note="Another"))


def test_it_is_changed_on_the_page_of_the_bill(cast: Cast, client: FlaskClient, bill: Invoice) -> None:
    sign_in(client, cast.bea)
    at = f"/billing/invoices/{bill.id}"
    assert f"{at}/due-date" in client.get(at).text and "Its PDF says" not in client.get(at).text
    assert client.get(f"{at}/due-date").status_code == 200
    form = {"version": bill.version, "due_on": in_days(10).isoformat()}
    refused = client.post(f"{at}/due-date", data=form)
    assert refused.status_code == 422 and "Say why the due date changes" in refused.text
    assert in_days(10).isoformat() in refused.text
    saved = client.post(f"{at}/due-date", data=form | {"reason": WHY})
    assert (saved.status_code, saved.location) == (303, at)
    assert "Its PDF says" in client.get(at).text
    assert WHY in client.get(f"/timeline/invoice/{bill.id}").text
    sign_in(client, cast.sam)
    assert client.post(f"{at}/due-date", data=form | {"reason": WHY}).status_code in (403, 404)
