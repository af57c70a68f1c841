"""What is credited stands in a column of its own, wherever what is billed and paid stands."""

from __future__ import annotations

import csv
import io
from decimal import Decimal
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from app.billing.commands.credit import credit_invoice
from app.billing.commands.issue import approve_invoice
from app.billing.commands.payments import PaymentFacts, record_payment
from app.billing.commands.settling import reverse_payment
from app.billing.models import Invoice
from app.billing.pdf import locale_of
from app.billing.queries.invoices import InvoiceFilter, list_invoices
from app.billing.queries.statements import statement_of
from app.billing.statement_pdf import _data
from app.core import clock
from app.core.ids import new_id
from tests.billing.make_billing import make_draft, make_entry, make_rate
from tests.make import Cast, sign_in


@pytest.fixture
def notes(session: Session, cast: Cast) -> tuple[Invoice, Invoice]:
    """A bill over 120.00, paid by 50.00 that bounced, and credited; and one over its time and more, over 360.00."""
    bea = cast.actor(cast.bea)
    make_rate("100")
    make_entry(cast)
    first = approve_invoice(make_draft(cast), by=bea)
    facts = PaymentFacts(client_id=cast.acme.id, entity_id=cast.entity.id, received_on=clock.today(),
                         amount=Decimal(50), currency="GBP", reference="FT 1")  # fmt: skip
    reverse_payment(record_payment(new_id(), facts, by=bea), "Bounced", by=bea)
    note = credit_invoice(first, new_id(), "Wrong matter", by=bea)
    make_entry(cast, "2")
    approve_invoice(make_draft(cast), by=bea)
    session.commit()
    return first, note


def csv_of(answer: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(answer.get_data(as_text=True).removeprefix("\ufeff"))))


def test_a_statement_tells_billed_credited_and_paid_apart(
    session: Session, cast: Cast, client: FlaskClient, notes: tuple[Invoice, Invoice]
) -> None:
    found = statement_of(cast.acme.id, "GBP", clock.today(), clock.today(), seen_by=cast.actor(cast.bea))
    said = [(row.kind, row.billed, row.credited, row.paid) for row in found.rows]
    assert ("credit_note", None, Decimal(120), None) in said
    assert ("payment", None, None, Decimal(50)) in said and ("reversed_payment", None, None, Decimal(-50)) in said
    page = _data(found, cast.acme, locale_of("en"))
    assert page["words"]["columns"][2:5] == ["Billed, GBP", "Credited", "Paid"]
    assert all(len(row) == 6 for row in page["rows"])
    assert [row[2:5] for row in page["rows"] if "Credit note" in row[1]] == [["", "120.00", ""]]
    sign_in(client, cast.bea)
    text = client.get(f"/billing/clients/{cast.acme.id}/statement").text
    assert 'data-label="Credited">120.00' in text and 'data-label="Paid">120.00' not in text
    assert client.get(f"/billing/clients/{cast.acme.id}/statement.pdf").data.startswith(b"%PDF")
    sign_in(client, cast.pat)
    rows = csv_of(client.get(f"/billing/clients/{cast.acme.id}/statement.csv"))
    assert [(row["Billed"], row["Credited"], row["Paid"]) for row in rows if row["What"] == "Credit note"] == [
        ("", "120.00", "")
    ]


def test_the_list_of_bills_sums_what_is_billed_and_what_is_credited_apart(
    session: Session, cast: Cast, client: FlaskClient, notes: tuple[Invoice, Invoice]
) -> None:
    [(currency, billed, open_amount, count, credited)] = list_invoices(
        InvoiceFilter(), seen_by=cast.actor(cast.bea)
    ).totals
    assert (currency, billed, open_amount, count, credited) == ("GBP", 480, 360, 3, 120)
    sign_in(client, cast.pat)
    for address in ("/billing/invoices", f"/clients/{cast.acme.id}/invoices"):
        page = client.get(address).text
        assert page.count('data-label="Credited">120.00') == 1 and "−120" not in page
    rows = {row["Number"]: row for row in csv_of(client.get("/billing/invoices.csv"))}
    note = rows[str(notes[1].number)]
    assert (note["Total"], note["Credited"], note["Net"], note["Tax"]) == ("", "120.00", "-100.00", "-20.00")
    assert (rows[str(notes[0].number)]["Total"], rows[str(notes[0].number)]["Credited"]) == ("120.00", "")


def test_the_clients_balance_names_its_credit_notes_apart_from_its_payments(
    session: Session, cast: Cast, client: FlaskClient, notes: tuple[Invoice, Invoice]
) -> None:
    sign_in(client, cast.pat)
    page = client.get(f"/clients/{cast.acme.id}/balance").text
    credited, paid = page.index("Credit notes"), page.index(">Payments")
    assert credited < page.index(str(notes[1].number)) < paid
    rows = csv_of(client.get(f"/lists/balance.csv?client_id={cast.acme.id}"))
    assert [row["What"] for row in rows] == ["Bill", "Credit note", "Payment"]
