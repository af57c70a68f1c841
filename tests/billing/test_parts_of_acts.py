"""What several acts on bills and payments are made of: each part does its own once, and for nobody who may not."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.activity.commands import record
from app.approvals.commands import Outdated
from app.approvals.models import Approval, Decision
from app.billing.commands.approving import approve_bill, ask_for_bill, judge_bill
from app.billing.commands.issue import approve_invoice
from app.billing.commands.items import lock_items, settle_days_of
from app.billing.commands.numbering import give_number
from app.billing.commands.paper import tried_facts
from app.billing.commands.settling import close_in_base, follow_due_date, release_allocations
from app.billing.commands.totals import items_on, lines_of
from app.billing.models import Allocation, Invoice, InvoiceKind, InvoiceState
from app.clients.models import Engagement
from app.core import clock
from app.core.db import db, transaction
from app.core.errors import NotAllowed, Refused
from app.core.ids import new_id
from app.core.permissions import Role
from app.core.rounding import RoundingRule, RoundMode, RoundPer
from app.ledger.books import books_of_entity
from app.ledger.commands import Leg, post
from app.ledger.models import Account, LedgerTransaction, Posting, TransactionKind
from app.timekeeping.models import TimeEntry
from tests.approvals.make_approvals import limit
from tests.billing.make_billing import make_draft, make_entry, make_rate
from tests.billing.test_due_dates import in_days, pay
from tests.make import Cast, count


@pytest.fixture
def draft(session: Session, cast: Cast) -> Invoice:
    """1,000 net, 1,200 with tax."""
    make_rate("100")
    make_entry(cast, "10", on=in_days(-50))
    return make_draft(cast)


@pytest.fixture
def bill(draft: Invoice, cast: Cast) -> Invoice:
    """The same issued 40 days ago."""
    return approve_invoice(draft, by=cast.actor(cast.bea), issued_on=in_days(-40))


def parts(invoice: Invoice) -> tuple[Any, Any]:
    return lines_of(invoice), items_on(invoice)


@contextmanager
def told(bill: Invoice, cast: Cast) -> Iterator[None]:
    """A part of some act that tells of itself, as whatever posts does."""
    with transaction():
        yield
        record("billing.invoice.return", bill, by=cast.actor(cast.bea), reason="As agreed")


def owed(bill: Invoice) -> dict[dt.date | None, Decimal]:
    """What stands of a bill, by the day that it ages from."""
    rows = db.session.execute(
        sa.select(Posting.aged_on, sa.func.sum(Posting.amount))
        .where(Posting.invoice_id == bill.id, Posting.account == Account.RECEIVABLE)
        .group_by(Posting.aged_on).having(sa.func.sum(Posting.amount) != 0)
    ).all()  # fmt: skip
    return {row[0]: row[1] for row in rows}


def test_a_bill_is_judged_by_its_total_and_by_what_it_gives_up(draft: Invoice, cast: Cast) -> None:
    limit(cast, Role.BILLING, "1200")
    bea, pat = cast.actor(cast.bea), cast.actor(cast.pat)
    judged = judge_bill(draft, *parts(draft), clock.today(), by=bea)
    assert (judged.base_amount, judged.limit, judged.written_off, judged.within) == (1200, 1200, 0, True)
    assert judge_bill(draft, *parts(draft), clock.today(), by=pat).limit is None
    limit(cast, Role.BILLING, "1199.99")
    assert not judge_bill(draft, *parts(draft), clock.today(), by=bea).within


def test_a_bill_is_asked_for_once_and_by_one_person(draft: Invoice, cast: Cast) -> None:
    limit(cast, Role.BILLING, "100")
    bea, mel = cast.actor(cast.bea), cast.actor(cast.mel)
    judged = judge_bill(draft, *parts(draft), clock.today(), by=bea)
    with pytest.raises(NotAllowed):
        ask_for_bill(draft, *parts(draft), judged, by=cast.actor(cast.sam))
    one = ask_for_bill(draft, *parts(draft), judged, by=bea)
    assert (draft.state, one.decision, one.asked_by) == (InvoiceState.AWAITING, Decision.PENDING, cast.bea.id)
    assert ask_for_bill(draft, *parts(draft), judged, by=bea) is one
    with pytest.raises(Refused, match="asked for already"):
        ask_for_bill(draft, *parts(draft), judge_bill(draft, *parts(draft), clock.today(), by=mel), by=mel)
    assert count(Approval) == 1


def test_what_is_approved_of_a_bill_is_what_was_asked_for(draft: Invoice, cast: Cast) -> None:
    limit(cast, Role.BILLING, "100")
    bea, pat, day = cast.actor(cast.bea), cast.actor(cast.pat), clock.today()
    one = ask_for_bill(draft, *parts(draft), judge_bill(draft, *parts(draft), day, by=bea), by=bea)

    def approve(who: Any, asked: Any = None, **changed: object) -> Approval:
        facts = tried_facts(draft, lines_of(draft), day) | changed
        judged = judge_bill(draft, *parts(draft), day, by=who)
        return approve_bill(draft, *parts(draft), facts, judged, by=who, asked=asked)

    with pytest.raises(Refused, match="Somebody else has to approve it"):
        approve(bea)
    with pytest.raises(NotAllowed):
        approve(cast.actor(cast.sam))
    with pytest.raises(Refused, match="look at the draft"):
        approve(pat, asked=new_id())
    with pytest.raises(Outdated, match=r"total 1,200\.00 GBP → 900\.00 GBP"):
        approve(pat, asked=one.id, gross="900.00")
    assert approve(pat, asked=one.id) is one
    assert (one.decision, one.decided_by) == (Decision.APPROVED, cast.pat.id)
    with pytest.raises(Refused, match="look at the draft"):
        approve(pat, asked=one.id)


def test_numbers_follow_dates_and_credit_notes_have_their_own(bill: Invoice, cast: Cast) -> None:
    new = {"client_id": bill.client_id, "payer_id": bill.payer_id, "entity_id": bill.entity_id}
    assert give_number(Invoice(**new, kind=InvoiceKind.INVOICE), in_days(-40)) == "INV-00002"
    assert give_number(Invoice(**new, kind=InvoiceKind.CREDIT_NOTE), in_days(-60)) == "CN-00001"
    with pytest.raises(Refused, match="numbers follow dates") as refusal, db.session.begin_nested():
        give_number(Invoice(**new, kind=InvoiceKind.INVOICE), in_days(-41))
    assert refusal.value.field == "issued_on"
    assert give_number(Invoice(**new, kind=InvoiceKind.INVOICE), clock.today()) == "INV-00003"  # it left no gap


def test_money_comes_off_a_bill_once(bill: Invoice, cast: Cast) -> None:
    bea = cast.actor(cast.bea)
    first, _second = pay(cast, bill, "300"), pay(cast, bill, "500")
    assert bill.open_amount == 400
    with pytest.raises(NotAllowed):
        release_allocations(bill, by=cast.contact(cast.otto), reason="Bounced")
    for payment, released, left in ((first, 300, 700), (first, 0, 700), (None, 500, 1200), (None, 0, 1200)):
        with told(bill, cast):
            only = [Allocation.payment_id == payment.id] if payment else []
            assert release_allocations(bill, *only, by=bea, reason="Bounced") == released
        assert bill.open_amount == left


def test_what_is_open_of_a_bill_follows_its_due_date_once(bill: Invoice, cast: Cast) -> None:
    pay(cast, bill, "200")
    assert bill.due_on is not None
    before, bill.due_on = bill.due_on, in_days(5)
    assert owed(bill) == {before: 1000}
    with pytest.raises(NotAllowed):
        follow_due_date(bill, by=cast.contact(cast.otto), reason="Longer terms")
    with told(bill, cast):
        follow_due_date(bill, by=cast.actor(cast.bea), reason="Longer terms")
    assert owed(bill) == {in_days(5): 1000}
    posted = count(LedgerTransaction)
    with told(bill, cast):
        follow_due_date(bill, by=cast.actor(cast.bea), reason="Longer terms")
    assert count(LedgerTransaction) == posted


def test_what_is_closed_in_its_currency_is_closed_in_base_once(bill: Invoice, cast: Cast) -> None:
    """An account that an older release left a penny off in base."""
    pay(cast, bill, "1200")
    bea, off_by = cast.actor(cast.bea), Decimal("0.01")
    key: dict[str, Any] = {"client_id": bill.payer_id, "invoice_id": bill.id, "amount": Decimal(0)}
    with told(bill, cast):
        post(
            TransactionKind.ALLOCATED,
            [Leg(account=Account.RECEIVABLE, base_amount=off_by, **key),
             Leg(account=Account.GAIN_LOSS, base_amount=-off_by, **key)],
            by=bea, currency="GBP", books=books_of_entity(bill.entity_id), source=bill, happened_on=clock.today(),
        )  # fmt: skip

    def off() -> Decimal | None:
        return db.session.scalar(
            sa.select(sa.func.sum(Posting.base_amount)).where(Posting.account == Account.RECEIVABLE)
        )

    assert off() == off_by
    with pytest.raises(NotAllowed):
        close_in_base(bill, Account.RECEIVABLE, by=cast.contact(cast.otto))
    with told(bill, cast):
        close_in_base(bill, Account.RECEIVABLE, by=cast.actor(cast.bea))
    assert off() == 0
    posted = count(LedgerTransaction)
    with told(bill, cast):
        close_in_base(bill, Account.RECEIVABLE, by=cast.actor(cast.bea))
    assert count(LedgerTransaction) == posted


def test_what_is_still_owed_is_not_closed_in_base(bill: Invoice, cast: Cast) -> None:
    posted = count(LedgerTransaction)
    with told(bill, cast):
        close_in_base(bill, Account.RECEIVABLE, by=cast.actor(cast.bea))
    assert count(LedgerTransaction) == posted


def test_days_are_settled_once_they_are_free_again(session: Session, cast: Cast) -> None:
    make_rate("60")
    work: Engagement = cast.acme_work
    work.rounding = RoundingRule(15, RoundMode.UP, per=RoundPer.DAY_AND_JOB).to_json()
    session.commit()
    first, second = make_entry(cast, "0.25"), make_entry(cast, "0.25")
    session.execute(sa.update(TimeEntry).where(TimeEntry.id == second.id).values(charged=dt.timedelta(minutes=45)))
    session.expire_all()
    charged = []
    for _twice in range(2):
        with transaction():
            lock_items([first.id])
            settle_days_of([first.id], by=cast.actor(cast.bea))
        charged.append([int(each.charged / dt.timedelta(minutes=1)) for each in (first, second)])
    assert sum(charged[0]) == 30 and charged[0] == charged[1]
    with transaction():
        settle_days_of([], by=cast.actor(cast.bea))
