"""Several people press at the same moment: numbers have no gap, no bill is paid twice, no entry billed twice."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from threading import Barrier
from uuid import UUID

import pytest
import sqlalchemy as sa
from flask import Flask

from app.billing.commands.drafts import DraftFacts, create_draft
from app.billing.commands.issue import approve_invoice
from app.billing.commands.lines import treat_item
from app.billing.commands.payments import PaymentFacts, record_payment
from app.billing.commands.runs import start_bill_run
from app.billing.commands.totals import lines_of
from app.billing.models import Allocation, Invoice, Treatment
from app.billing.queries.invoices import get_invoice
from app.clients.commands import ArrangementFacts, change_arrangement
from app.clients.models import Arrangement, ArrangementKind
from app.core import clock
from app.core.actors import SYSTEM
from app.core.db import db, transaction
from app.core.errors import Refused
from app.core.ids import new_id
from app.core.proofs import run_proofs
from app.firm.models import TaxRate
from app.runs.background import work
from app.runs.models import ItemState, Run, RunItem
from tests.billing.make_billing import make_draft, make_entry
from tests.make import Cast, make_client, make_engagement
from tests.together import a_firm, at_once

pytestmark = pytest.mark.real


@pytest.fixture
def firm(real_app: Flask) -> Cast:
    return a_firm(real_app)


def nothing_found() -> bool:
    return not [(n, f) for n, f in run_proofs("ledger.", "billing.", without="billing.pdfs") if f]


def test_eight_approvals_at_once_leave_no_gap_in_the_numbers(real_app: Flask, firm: Cast) -> None:
    with real_app.app_context(), transaction():
        drafts = []
        for n in range(8):
            engagement = make_engagement(make_client(f"Client {n}", firm.office), firm.entity)
            make_entry(firm, engagement=engagement)
            drafts.append(make_draft(firm, engagement).id)

    def approving(invoice_id: UUID) -> Callable[[], object]:
        return lambda: approve_invoice(db.session.get_one(Invoice, invoice_id), by=SYSTEM).number

    numbers = at_once(real_app, *[approving(invoice_id) for invoice_id in drafts])
    assert sorted(map(str, numbers)) == [f"INV-{n:05d}" for n in range(1, 9)]
    with real_app.app_context():
        assert nothing_found()


def test_two_payments_at_once_never_settle_more_than_is_owed(real_app: Flask, firm: Cast) -> None:
    with real_app.app_context(), transaction():
        make_entry(firm)
        invoice_id = approve_invoice(make_draft(firm), by=SYSTEM).id

    def paying(*, named: bool) -> Callable[[], object]:
        facts = PaymentFacts(
            client_id=firm.acme.id,
            entity_id=firm.entity.id,
            received_on=clock.today(),
            amount=Decimal(100),
            currency="GBP",
            parts=((invoice_id, Decimal(100)),) if named else None,
        )
        return lambda: record_payment(new_id(), facts, by=SYSTEM).id

    results = at_once(real_app, paying(named=False), paying(named=False), paying(named=True))
    with real_app.app_context():
        allocated = db.session.scalar(sa.select(sa.func.sum(Allocation.amount)))
        assert allocated == 120
        assert db.session.get_one(Invoice, invoice_id).open_amount == 0
        assert sum(isinstance(result, Refused) for result in results) <= 1
        assert nothing_found()


def test_two_who_treat_entries_of_one_line_at_once_leave_it_what_is_billed_of_them(
    real_app: Flask, firm: Cast
) -> None:
    with real_app.app_context(), transaction():
        entries = [make_entry(firm).id for _ in range(3)]
        draft_id = make_draft(firm).id
    both_look = Barrier(2)

    def treating(item_id: UUID, treatment: Treatment) -> Callable[[], object]:
        def treat() -> object:
            draft = get_invoice(draft_id, seen_by=SYSTEM)
            seen = list(draft.lines)  # as whoever shows them before does
            both_look.wait()
            treat_item(draft, item_id, treatment, by=SYSTEM)
            return len(seen)

        return treat

    treatments = (Treatment.WRITE_OFF, Treatment.LATER)
    at_once(real_app, *[treating(*each) for each in zip(entries[:2], treatments, strict=True)])
    with real_app.app_context():
        draft = db.session.get_one(Invoice, draft_id)
        assert (draft.net, [line.net for line in lines_of(draft)]) == (100, [100])
        assert nothing_found()


def test_two_drafts_at_once_never_take_the_same_entry(real_app: Flask, firm: Cast) -> None:
    with real_app.app_context(), transaction():
        for _ in range(5):
            make_entry(firm)
    facts = DraftFacts(client_id=firm.acme.id, engagement_ids=(firm.acme_work.id,), until=clock.today())
    results = at_once(real_app, *[lambda: create_draft(new_id(), facts, by=SYSTEM).net for _ in range(3)])
    assert [result for result in results if isinstance(result, Decimal)] == [500]
    assert sum(isinstance(result, Refused) for result in results) == 2
    with real_app.app_context():
        assert nothing_found()


def test_a_bill_run_drafts_each_client_once_however_often_it_is_pressed_or_worked(real_app: Flask, firm: Cast) -> None:
    with real_app.app_context():
        with transaction():
            for n in range(4):
                engagement = make_engagement(make_client(f"Client {n}", firm.office), firm.entity)
                make_entry(firm, engagement=engagement)
            firm_rate = db.session.scalars(sa.select(TaxRate)).one()
            assert firm_rate.is_default
        run_id, actor = new_id(), firm.actor(firm.bea)
        for _ in range(2):
            start_bill_run(run_id, clock.today(), by=actor, approve=True)
        excluded = start_bill_run(new_id(), clock.today(), by=actor, excluded=set())
        db.session.remove()
    at_once(real_app, *[lambda: work(str(run_id)) for _ in range(3)])
    at_once(real_app, lambda: work(str(excluded.id)))
    with real_app.app_context():
        run = db.session.get_one(Run, run_id)
        states = db.session.execute(
            sa.select(RunItem.run_id, RunItem.state, sa.func.count()).group_by(RunItem.run_id, RunItem.state)
        ).all()
        assert (run.total, run.state.value) == (4, "finished")
        assert {(row[0], row[1]): row[2] for row in states} == {
            (run_id, ItemState.DONE): 4,
            (excluded.id, ItemState.SKIPPED): 4,
        }
        numbers = db.session.scalars(sa.select(Invoice.number).order_by(Invoice.number)).all()
        assert numbers == [f"INV-{n:05d}" for n in range(1, 5)]
        assert nothing_found()


@pytest.mark.parametrize("sessions", [2, 3])
def test_a_fixed_fee_drafted_at_once_is_on_one_draft_and_the_others_are_told(
    real_app: Flask, firm: Cast, sessions: int
) -> None:
    with real_app.app_context(), transaction():
        agreed = make_engagement(firm.acme, firm.entity, "Accounts", kind=ArrangementKind.FIXED, fee=Decimal(1000))
        facts = DraftFacts(client_id=firm.acme.id, engagement_ids=(agreed.id,), until=clock.today())
    results = at_once(real_app, *[lambda: create_draft(new_id(), facts, by=SYSTEM).net for _ in range(sessions)])
    assert [result for result in results if isinstance(result, Decimal)] == [1000]
    said = [str(result) for result in results if isinstance(result, Refused)]
    assert said == ["The fee for “Accounts” is on a draft already."] * (sessions - 1)
    with real_app.app_context():
        drafts = db.session.scalars(sa.select(Invoice)).all()
        assert sum(approve_invoice(draft, by=SYSTEM).net for draft in drafts) == 1000
        assert nothing_found()


def test_a_fee_is_not_lowered_while_it_is_being_drafted(real_app: Flask, firm: Cast) -> None:
    with real_app.app_context(), transaction():
        agreed = make_engagement(firm.acme, firm.entity, "Accounts", kind=ArrangementKind.FIXED, fee=Decimal(1000))
        facts = DraftFacts(client_id=firm.acme.id, engagement_ids=(agreed.id,), until=clock.today())
        fee_id = db.session.scalars(sa.select(Arrangement.id).where(Arrangement.engagement_id == agreed.id)).one()

    def lower() -> object:
        lowered = ArrangementFacts(kind=ArrangementKind.FIXED, agreed_amount=Decimal(400))
        fee = db.session.get_one(Arrangement, fee_id)
        return change_arrangement(fee, lowered, by=SYSTEM, reason="Agreed").agreed_amount

    drafted, lowered = at_once(real_app, lambda: create_draft(new_id(), facts, by=SYSTEM).net, lower)
    assert (drafted, str(lowered)) in [
        (400, "400.00"),
        (1000, "1,000.00 GBP of this fee is billed or on a draft already; it cannot be less."),
    ]
