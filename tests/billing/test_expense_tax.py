"""An expense says how its bill taxes it: as its engagement, by a code, or outside the scope as a disbursement."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.billing.commands.adding import add_new_items
from app.billing.commands.credit import credit_invoice
from app.billing.commands.expense_tax import retax_drafted_expense
from app.billing.commands.issue import approve_invoice
from app.billing.commands.lines import LineChange, add_line, change_line
from app.billing.commands.payer import change_payer
from app.billing.commands.totals import lines_of
from app.billing.commands.wip import transfer_items
from app.billing.invoice_paper import invoice_data
from app.billing.models import Invoice, InvoiceLine, LineKind
from app.billing.pdf import locale_of
from app.clients.models import Engagement
from app.core import clock
from app.core.errors import NotAllowed, Refused
from app.core.ids import new_id
from app.core.proofs import run_proofs
from app.firm.models import TaxTreatment
from app.people.models import Person
from app.timekeeping.commands.expenses import ExpenseFacts, ExpenseTax, edit_expense, record_expense
from app.timekeeping.models import BillTax, Expense, ItemState
from tests.billing.make_billing import make_draft, make_entry, make_rate
from tests.make import Cast, make_client, make_engagement, make_tax, sign_in

DISBURSED = ExpenseTax(how=BillTax.DISBURSEMENT, receipt_name="Acme Ltd", evidence="Court fee of their claim")
LEGEND = "Paid on your behalf; outside the scope of VAT."


@pytest.fixture(autouse=True)
def outside(cast: Cast) -> None:
    make_tax("O", TaxTreatment.OUTSIDE, legend=LEGEND, name="Outside the scope of VAT")
    make_rate("100")


def facts_of(engagement: Engagement, net: str = "455", **values: Any) -> ExpenseFacts:
    values.setdefault("narrative", "Court fee")
    return ExpenseFacts(spent_on=clock.today(), net=Decimal(net), engagement_id=engagement.id, **values)


def make_expense(cast: Cast, net: str = "455", *, by: Person | None = None, **values: Any) -> Expense:
    return record_expense(new_id(), facts_of(cast.acme_work, net, **values), by=cast.actor(by or cast.sam))


def line_of_expense(invoice: Invoice) -> InvoiceLine:
    return next(line for line in lines_of(invoice) if line.kind is LineKind.EXPENSE)


def paper_of(invoice: Invoice) -> dict[str, Any]:
    assert invoice.facts is not None
    return invoice_data(invoice.facts, locale_of("en", invoice.facts["seller"]["country"]))


def judge(session: Session) -> None:
    """Let the database say now what it would say at the commit."""
    session.flush()
    session.execute(sa.text("SET CONSTRAINTS ALL IMMEDIATE"))
    session.execute(sa.text("SET CONSTRAINTS ALL DEFERRED"))


def all_proven() -> None:
    assert {name: found for name, found in run_proofs("billing.", "ledger.") if found} == {}


def test_a_court_fee_passed_on_is_outside_the_scope_and_stands_apart(session: Session, cast: Cast) -> None:
    make_entry(cast)
    make_expense(cast, bill_tax=DISBURSED)
    make_expense(cast, "10", narrative="Train to Leeds")
    invoice = make_draft(cast)
    assert (invoice.net, invoice.tax, invoice.gross) == (565, 22, 587)
    assert sorted(line.tax_category for line in lines_of(invoice)) == ["O", "S", "S"]
    approve_invoice(invoice, by=cast.actor(cast.bea))
    page = paper_of(invoice)
    rows = {section["title"]: [row[-2:] for row in section["rows"]] for section in page["sections"]}
    assert rows == {
        "Fees": [["20 %", "100.00"]], "Expenses": [["20 %", "10.00"]],
        "Disbursements": [["Outside the scope", "455.00"]],
    }
    assert ["Outside the scope on 455.00", "0.00"] in page["totals"] and page["legends"] == [LEGEND]
    all_proven()


def test_a_credit_note_sets_the_disbursement_apart_too(session: Session, cast: Cast) -> None:
    make_expense(cast, bill_tax=DISBURSED)
    bea = cast.actor(cast.bea)
    note = credit_invoice(approve_invoice(make_draft(cast), by=bea), new_id(), "Paid by the client itself", by=bea)
    assert [section["title"] for section in paper_of(note)["sections"]] == ["Disbursements"]


def test_a_disbursement_is_passed_on_at_exactly_what_was_paid(session: Session, cast: Cast) -> None:
    expense = make_expense(cast, "100", tax=Decimal(20), bill_tax=DISBURSED)
    assert expense.open_value == 120
    with pytest.raises(Refused, match="without a mark-up") as refused:
        edit_expense(
            expense, facts_of(cast.acme_work, bill_tax=DISBURSED, mark_up_percent=Decimal(10)),
            by=cast.actor(cast.sam),
        )
    assert refused.value.field == "mark_up_percent"


@pytest.mark.parametrize(("said", "field"), [
    (ExpenseTax(how=BillTax.DISBURSEMENT, evidence="Their claim"), "receipt_name"),
    (ExpenseTax(how=BillTax.DISBURSEMENT, receipt_name="Acme Ltd"), "evidence"),
    (ExpenseTax(how=BillTax.CODE), "bill_tax"),
    (ExpenseTax(how=BillTax.CODE, code="none"), "bill_tax"),
])  # fmt: skip
def test_a_disbursement_without_evidence_is_refused(cast: Cast, said: ExpenseTax, field: str) -> None:
    with pytest.raises(Refused) as refused:
        make_expense(cast, bill_tax=said)
    assert refused.value.field == field


@pytest.mark.real
def test_the_database_keeps_no_disbursement_without_evidence(session: Session, cast: Cast) -> None:
    expense = make_expense(cast, bill_tax=DISBURSED)
    for wrong in ({"receipt_name": ""}, {"evidence": ""}, {"mark_up_percent": 5}, {"tax_code": None}):
        refused = pytest.raises(IntegrityError, match="evidence_of_a_disbursement|tax_code_when_told")
        with refused, session.begin_nested():
            session.execute(sa.update(Expense).where(Expense.id == expense.id).values(**wrong))


def test_an_expense_may_go_by_a_tax_of_its_own(session: Session, cast: Cast) -> None:
    make_tax("S5", TaxTreatment.STANDARD, "5")
    make_expense(cast, "100", bill_tax=ExpenseTax(how=BillTax.CODE, code="S5"))
    assert make_draft(cast).tax == 5


def test_an_expense_that_joins_a_draft_later_brings_its_tax(session: Session, cast: Cast) -> None:
    make_entry(cast)
    invoice = make_draft(cast)
    make_expense(cast, bill_tax=DISBURSED)
    add_new_items(invoice, clock.today(), by=cast.actor(cast.bea))
    assert (line_of_expense(invoice).tax_category, invoice.tax) == ("O", 20)


def test_an_expense_goes_by_the_tax_of_who_pays_again(session: Session, cast: Cast) -> None:
    make_tax("S5", TaxTreatment.STANDARD, "5")
    insurer = make_client("Insurer plc", cast.office, tax_code="S5")
    expense = make_expense(cast, "100", by=cast.bea, mark_up_percent=Decimal(0))
    invoice, bea = make_draft(cast), cast.actor(cast.bea)
    change_payer(invoice, insurer.id, by=bea)
    assert invoice.tax == 5
    retax_drafted_expense(expense, ExpenseTax(how=BillTax.CODE, code="S20"), by=bea)
    assert invoice.tax == 20
    retax_drafted_expense(expense, ExpenseTax(), by=bea)
    assert invoice.tax == 5


def test_what_an_expense_says_of_its_tax_stays_whoever_pays(session: Session, cast: Cast) -> None:
    make_tax("S5", TaxTreatment.STANDARD, "5")
    insurer = make_client("Insurer plc", cast.office, tax_code="S5")
    make_expense(cast, "100", bill_tax=ExpenseTax(how=BillTax.CODE, code="S20"), mark_up_percent=Decimal(0))
    make_expense(cast, "200", mark_up_percent=Decimal(0))
    invoice, bea = make_draft(cast), cast.actor(cast.bea)
    change_payer(invoice, insurer.id, by=bea)
    assert invoice.tax == 30
    add_line(invoice, new_id(), "Agreed besides", Decimal(100), by=bea)
    assert invoice.tax == 35  # what is added goes by who pays, too


def test_changing_it_on_a_draft_settles_the_line_again(session: Session, cast: Cast) -> None:
    expense = make_expense(cast, "455", tax=Decimal(5), by=cast.bea, mark_up_percent=Decimal(0))
    invoice, bea = make_draft(cast), cast.actor(cast.bea)
    assert (invoice.net, invoice.tax) == (455, 91)
    retax_drafted_expense(expense, DISBURSED, by=bea)
    line = line_of_expense(invoice)
    assert (line.net, line.tax_category, invoice.tax, invoice.gross) == (460, "O", 0, 460)
    assert (expense.state, expense.open_value) == (ItemState.DRAFTED, 460)
    judge(session)
    all_proven()
    retax_drafted_expense(expense, ExpenseTax(), by=bea)
    assert (invoice.net, invoice.tax) == (455, 91)


def test_an_amount_set_by_hand_stays_when_the_tax_changes(session: Session, cast: Cast) -> None:
    expense, bea = make_expense(cast, "455", tax=Decimal(5), by=cast.bea), cast.actor(cast.bea)
    invoice = make_draft(cast)
    change_line(invoice, lines_of(invoice)[0].id, LineChange(net=Decimal(400)), by=bea)
    retax_drafted_expense(expense, DISBURSED, by=bea)
    assert (invoice.net, invoice.tax) == (400, 0)
    judge(session)
    approve_invoice(invoice, by=bea, reason="Agreed")
    assert (expense.billed, expense.written, expense.open_value) == (400, -60, 0)
    all_proven()


def test_what_is_billed_keeps_its_tax(session: Session, cast: Cast) -> None:
    expense, bea = make_expense(cast, by=cast.bea), cast.actor(cast.bea)
    approve_invoice(make_draft(cast), by=bea)
    with pytest.raises(Refused, match="billed and stays as it is"):
        retax_drafted_expense(expense, DISBURSED, by=bea)
    with pytest.raises(Refused, match="billed and stays as it is"):
        edit_expense(expense, facts_of(cast.acme_work, bill_tax=DISBURSED), by=bea)
    assert expense.bill_tax is BillTax.ENGAGEMENT


def test_only_whoever_may_change_an_expense_changes_its_tax(session: Session, cast: Cast) -> None:
    expense = make_expense(cast, by=cast.bea)
    make_draft(cast)
    for other in (cast.sam, cast.wes):
        with pytest.raises(NotAllowed):
            retax_drafted_expense(expense, DISBURSED, by=cast.actor(other))


def test_a_receipt_is_evidence_for_its_own_client_alone(session: Session, cast: Cast) -> None:
    """Moved within the client it stays a disbursement; to another client only with evidence of its own."""
    other = make_engagement(cast.acme, cast.entity, "Employment")
    elsewhere = make_engagement(make_client("Birch Ltd", cast.office), cast.entity)
    expense, bea = make_expense(cast, bill_tax=DISBURSED, by=cast.bea), cast.actor(cast.bea)
    transfer_items([expense.id], other.id, "Wrong matter", by=bea)
    assert (expense.engagement_id, expense.bill_tax) == (other.id, BillTax.DISBURSEMENT)
    with pytest.raises(Refused, match="is a disbursement, its receipt in the name of Acme Ltd"):
        transfer_items([expense.id], elsewhere.id, "Wrong client", by=bea)
    edit_expense(expense, facts_of(elsewhere), by=bea)
    assert (expense.engagement_id, expense.bill_tax, expense.tax_code) == (elsewhere.id, BillTax.ENGAGEMENT, None)


def test_a_bill_of_the_united_states_calls_it_a_cost_advanced(session: Session, cast: Cast) -> None:
    cast.entity.country = "US"
    cast.acme_work.tax_code = "O"
    make_entry(cast)
    make_expense(cast, bill_tax=DISBURSED)
    invoice = approve_invoice(make_draft(cast), by=cast.actor(cast.bea))
    page = paper_of(invoice)
    assert [section["title"] for section in page["sections"]] == ["Fees", "Costs advanced"]
    assert page["totals"] == [] and [len(section["columns"]) for section in page["sections"]] == [2, 3]


def test_it_is_said_on_the_form_and_changed_from_the_draft(session: Session, cast: Cast, client: FlaskClient) -> None:
    sign_in(client, cast.bea)
    form = {
        "id": str(new_id()), "spent_on": clock.today().isoformat(), "work": f"engagement:{cast.acme_work.id}",
        "narrative": "Court fee", "net": "455", "billable": "y", "bill_tax": "disbursement",
        "receipt_name": "Acme Ltd",
    }  # fmt: skip
    refused = client.post("/expenses", data=form)
    assert refused.status_code == 422 and "Say why the client owed it" in refused.text
    assert 'value="Acme Ltd"' in refused.text
    assert client.post("/expenses", data=form | {"evidence": "Claim 12"}).status_code == 303
    expense = session.scalars(sa.select(Expense)).one()
    shown = client.get(f"/expenses/{expense.id}").text
    assert re.search(r'<option[^>]*selected[^>]*value="disbursement"', shown) and "Claim 12" in shown
    invoice = make_draft(cast)
    draft = client.get(f"/billing/invoices/{invoice.id}").text
    assert "receipt in the name of" in draft and f"/expenses/{expense.id}/tax" in draft
    assert f"/expenses/{expense.id}/tax" in client.get(f"/expenses/{expense.id}").text
    at = f"/expenses/{expense.id}/tax"
    assert "Claim 12" in client.get(at).text
    wrong = client.post(at, data={"version": expense.version, "bill_tax": "disbursement", "receipt_name": ""})
    assert wrong.status_code == 422 and "whose name is on the receipt" in wrong.text
    saved = client.post(at, data={"version": expense.version, "bill_tax": "code:S20"})
    assert (saved.status_code, saved.location) == (303, f"/billing/invoices/{invoice.id}")
    session.expire_all()
    assert session.get_one(Invoice, invoice.id).tax == 91
    sign_in(client, cast.wes)
    assert client.get(at).status_code == 403
