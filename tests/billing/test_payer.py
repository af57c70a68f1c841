"""The payer sees and owes a bill; its client sees that it is there; a wall before either hides it everywhere."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from app.activity.models import Event
from app.approvals.queries import get_approval
from app.billing.commands.adding import add_new_items
from app.billing.commands.drafts import DraftFacts, create_draft
from app.billing.commands.issue import approve_invoice
from app.billing.commands.payer import change_payer
from app.billing.commands.payments import PaymentFacts, record_payment
from app.billing.models import Allocation, Invoice, Payment
from app.billing.policy import can_send_statement
from app.billing.queries.invoices import InvoiceFilter, get_invoice, list_invoices
from app.billing.queries.payments import (
    allocations_of,
    get_payment,
    list_payments,
    open_currencies,
    open_invoices,
    receivables_by_client,
)
from app.billing.queries.statements import Statement, statement_of
from app.billing.queries.wip import WipFilter
from app.clients.models import Client
from app.core import clock
from app.core.actors import Actor
from app.core.db import db, transaction
from app.core.errors import NotAllowed, NotFound, Refused, Stale
from app.core.ids import new_id
from app.desk.activity.tell import sight_of
from app.desk.client.queries import overview_of
from app.firm.models import TaxTreatment
from app.ledger.models import Account
from app.ledger.queries import balance_of, sum_on
from app.search.queries import find_invoices
from tests.approvals.make_approvals import found_by
from tests.billing.make_billing import make_draft, make_entry, make_rate
from tests.make import Cast, make_client, make_engagement, make_tax, sign_in

ZERO = Decimal(0)


@pytest.fixture
def parent(session: Session, cast: Cast) -> Client:
    """The company that pays for Rival, and owes 120 for work of its own as well."""
    make_rate("100")
    return make_client("Parent plc", cast.office, terms_days=45, tax_number="GB987654321", country="GB")


def billed_to(cast: Cast, payer: Client, hours: str = "3") -> Invoice:
    """A bill for work for Rival that somebody else pays."""
    make_entry(cast, hours, engagement=cast.rival_work)
    facts = DraftFacts(
        client_id=cast.rival.id, engagement_ids=(cast.rival_work.id,), until=clock.today(), payer_id=payer.id
    )
    bea = cast.actor(cast.bea)
    return approve_invoice(create_draft(new_id(), facts, by=bea), by=bea)


def own_bill(cast: Cast, payer: Client) -> Invoice:
    work = make_engagement(payer, cast.entity, "Group accounts")
    make_entry(cast, "1", engagement=work)
    return approve_invoice(make_draft(cast, work), by=cast.actor(cast.bea))


def pay(cast: Cast, payer: Client, amount: str, by: Actor | None = None, parts: object = None) -> Payment:
    facts = PaymentFacts(
        client_id=payer.id, entity_id=cast.entity.id, received_on=clock.today(), amount=Decimal(amount),
        currency="GBP", parts=parts,  # type: ignore[arg-type]
    )  # fmt: skip
    return record_payment(new_id(), facts, by=by or cast.actor(cast.bea))


def statement(payer: Client, by: Actor) -> Statement:
    return statement_of(payer.id, "GBP", clock.today(), clock.today(), seen_by=by)


def test_the_payer_owes_the_bill_and_its_client_owes_nothing(cast: Cast, parent: Client) -> None:
    bill, bea = billed_to(cast, parent), cast.actor(cast.bea)
    assert {row.id: row.total for row in receivables_by_client(WipFilter(), seen_by=bea).rows} == {parent.id: 360}
    assert open_invoices(parent.id, "GBP", seen_by=bea) == [bill]
    assert not open_invoices(cast.rival.id, "GBP", seen_by=bea)
    assert statement(parent, bea).closing == 360 and statement(cast.rival, bea).closing == 0
    assert overview_of(parent.id, "GBP", seen_by=bea).receivable == {"GBP": 360}
    assert overview_of(cast.rival.id, "GBP", seen_by=bea).receivable == {"GBP": 0}
    assert bill.facts is not None and bill.facts["buyer"]["name"] == "Parent plc"
    assert (bill.terms_days, bill.client_id) == (45, cast.rival.id)
    assert found_by("billing", "ledger", "approvals") == []


def test_only_the_payers_money_settles_it(cast: Cast, parent: Client, session: Session) -> None:
    bill = billed_to(cast, parent)
    with pytest.raises(Refused, match="not this client's"):
        pay(cast, cast.rival, "360", parts=((bill.id, Decimal(360)),))
    stray = pay(cast, cast.rival, "360")
    assert db.session.get_one(Invoice, bill.id).open_amount == 360
    with pytest.raises(sa.exc.IntegrityError, match="own payer"), session.begin_nested():
        session.add(Allocation(id=new_id(), payment_id=stray.id, invoice_id=bill.id, amount=1,
                               allocated_on=clock.today()))  # fmt: skip
        session.flush()
    session.expire_all()
    pay(cast, parent, "360")
    assert db.session.get_one(Invoice, bill.id).open_amount == 0


def test_another_payer_on_a_draft_brings_their_terms_and_their_tax(cast: Cast, parent: Client) -> None:
    make_tax("Z", TaxTreatment.ZERO)
    parent.tax_code = "Z"
    db.session.flush()
    bea = cast.actor(cast.bea)
    make_entry(cast, "3")
    draft = make_draft(cast)
    assert (draft.tax, draft.terms_days) == (60, cast.entity.terms_days)
    version = draft.version
    change_payer(draft, parent.id, by=bea, version=version)
    assert (draft.payer_id, draft.tax, draft.terms_days) == (parent.id, 0, 45)
    with pytest.raises(Stale):
        change_payer(draft, cast.acme.id, by=bea, version=version)
    change_payer(draft, parent.id, by=bea)
    assert draft.payer_id == parent.id  # a second time nothing happens
    make_entry(cast, "1")
    add_new_items(draft, clock.today(), by=bea)
    assert draft.tax == 0
    change_payer(draft, cast.acme.id, by=bea)
    assert (draft.payer_id, draft.tax, draft.terms_days) == (cast.acme.id, 80, cast.entity.terms_days)
    change_payer(draft, parent.id, by=bea)
    assert approve_invoice(draft, by=bea).gross == 400
    with pytest.raises(Refused, match="issued"):
        change_payer(draft, cast.acme.id, by=bea)


def test_who_cannot_pay_is_refused_and_who_may_not_see_them_finds_nobody(cast: Cast, parent: Client) -> None:
    make_entry(cast, "3")
    draft, bea = make_draft(cast), cast.actor(cast.bea)
    with transaction():
        abroad = make_client("Vorstand AG", cast.office, currency="EUR")
        gone = make_client("Gone Ltd", cast.office, archived_at=clock.now())
        firm = make_client("Ourselves", cast.office, is_firm=True)
    for payer, words in ((gone, "archived"), (firm, "does not bill itself")):
        with pytest.raises(Refused, match=words):
            change_payer(draft, payer.id, by=bea)
    with pytest.raises(NotFound):
        change_payer(draft, parent.id, by=replace(bea, walled_clients=frozenset({parent.id})))
    for actor in (cast.actor(cast.sam), cast.contact(cast.otto)):
        with pytest.raises(NotAllowed):
            change_payer(draft, parent.id, by=actor)
    assert draft.payer_id == cast.acme.id
    change_payer(draft, abroad.id, by=bea)
    assert (draft.payer_id, draft.currency) == (abroad.id, "GBP")


def walls(cast: Cast, parent: Client) -> dict[str, Actor]:
    pat = cast.actor(cast.pat)
    return {
        "the client": replace(pat, walled_clients=frozenset({cast.rival.id})),
        "the engagement": replace(pat, walled_engagements=frozenset({cast.rival_work.id})),
    }


@pytest.mark.parametrize("name", ["the client", "the engagement"])
def test_a_wall_before_a_bills_client_or_engagement_hides_it_at_its_payer(
    cast: Cast, parent: Client, name: str
) -> None:
    """Whoever stands behind it gets just what they would get if the bill were not there."""
    own = own_bill(cast, parent)
    walled = walls(cast, parent)[name]

    def seen(by: Actor) -> object:
        found = statement(parent, by)
        return (
            [(row.id, row.ages, row.total) for row in receivables_by_client(WipFilter(), seen_by=by).rows],
            [(total.currency, total.total) for total in receivables_by_client(WipFilter(), seen_by=by).totals],
            receivables_by_client(WipFilter(text="parent"), seen_by=by).rows,
            balance_of(Account.RECEIVABLE, seen_by=by, client_id=parent.id),
            sum_on(Account.RECEIVABLE, clock.today(), seen_by=by),
            overview_of(parent.id, "GBP", seen_by=by).receivable,
            [bill.id for bill in open_invoices(parent.id, "GBP", seen_by=by)],
            open_currencies(parent.id, seen_by=by),
            [(row.name, row.amount, row.balance) for row in found.rows],
            (found.opening, found.closing, found.credit, found.ages),
            [bill.id for bill in list_invoices(InvoiceFilter(client_id=parent.id), seen_by=by).rows],
            list(db.session.scalars(sa.select(Event.id).where(Event.subject_kind == "invoice", *sight_of(by)))),
        )

    before = seen(walled)
    bill = billed_to(cast, parent)
    assert seen(walled) == before
    assert seen(cast.actor(cast.pat)) != before
    with pytest.raises(NotFound):
        get_invoice(bill.id, seen_by=walled)
    assert not find_invoices(str(bill.number), seen_by=walled)
    assert find_invoices(str(own.number), seen_by=walled)
    approval = db.session.scalar(sa.text("SELECT id FROM approval WHERE subject_id = :id"), {"id": bill.id})
    with pytest.raises(NotFound):
        get_approval(approval, seen_by=walled)


@pytest.mark.parametrize("name", ["the client", "the engagement"])
def test_a_payment_that_lies_on_a_hidden_bill_is_seen_as_far_as_the_rest_goes(
    cast: Cast, parent: Client, name: str
) -> None:
    own, bill = own_bill(cast, parent), billed_to(cast, parent)
    paid = pay(cast, parent, "400", parts=((own.id, Decimal(100)), (bill.id, Decimal(300))))
    walled = walls(cast, parent)[name]
    found = statement(parent, walled)
    assert [(row.kind, row.amount) for row in found.rows] == [("invoice", 120), ("payment", -100)]
    assert (found.closing, found.credit) == (20, 0)
    assert sum((amount for _, amount in found.ages), ZERO) == 20
    assert statement(parent, cast.actor(cast.pat)).closing == 80
    assert not list_payments(seen_by=walled).rows and not allocations_of(seen_by=walled, invoice_id=bill.id)
    with pytest.raises(NotFound):
        get_payment(paid.id, seen_by=walled)
    assert can_send_statement(cast.actor(cast.pat), parent) and not can_send_statement(walled, parent)


def test_from_behind_a_wall_money_goes_to_no_bill_that_is_not_seen(cast: Cast, parent: Client) -> None:
    bill = billed_to(cast, parent)
    walled = walls(cast, parent)["the client"]
    with pytest.raises(NotFound):
        pay(cast, parent, "10", by=walled, parts=((bill.id, Decimal(10)),))
    pay(cast, parent, "10", by=walled)
    assert db.session.get_one(Invoice, bill.id).open_amount == 360


def test_a_wall_before_the_payer_hides_the_bill_too(cast: Cast, parent: Client) -> None:
    bill = billed_to(cast, parent)
    walled = replace(cast.actor(cast.pat), walled_clients=frozenset({parent.id}))
    assert not list_invoices(InvoiceFilter(client_id=cast.rival.id), seen_by=walled).rows
    with pytest.raises(NotFound):
        get_invoice(bill.id, seen_by=walled)


def test_the_draft_names_its_payer_and_takes_another(client: FlaskClient, cast: Cast, parent: Client) -> None:
    make_entry(cast, "3")
    draft = make_draft(cast)
    bea = sign_in(client, cast.bea)
    form = {"version": str(draft.version), "payer": "", "payer_text": "Nobody of that name"}
    page = bea.post(f"/billing/invoices/{draft.id}/payer", data=form)
    assert page.status_code == 422 and "Nobody of that name" in page.get_data(as_text=True)
    done = bea.post(f"/billing/invoices/{draft.id}/payer", data={**form, "payer_text": "Parent plc"})
    assert done.status_code == 303
    db.session.expire_all()
    assert "To be paid by" in bea.get(f"/billing/invoices/{draft.id}").get_data(as_text=True)
    assert db.session.get_one(Invoice, draft.id).payer_id == parent.id
